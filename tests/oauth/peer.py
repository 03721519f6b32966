"""The certified `oidc-provider` of npm as all eight providers: one client for each, and the table led to it."""

import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import yaml

from oauth import table
from oauth.application import Application
from tests import peers

START_SECONDS = 30
# X takes Basic alone; these are the letters that clients forget to encode in it.
ODD = ("hub:100%+twitter", "s:e%20c+r=et&")


@dataclass(frozen=True)
class Peer:
    url: str

    def overlay(self) -> str:
        """YAML that leads every row to this server, and takes from it what no plain OpenID provider speaks."""
        return yaml.safe_dump({key: _row(key, self.url) for key in table.providers()})


def application(key: str) -> Application:
    """What a tenant would bind."""
    client_id, client_secret = credentials(key)
    return Application(client_id, client_secret)


def credentials(key: str) -> tuple[str, str]:
    return ODD if key == "twitter" else (f"hub-{key}", f"the-secret-of-{key}")


@contextmanager
def running(redirect_uris: Sequence[str]) -> Iterator[Peer]:
    """The server, ended by its pid; `{key}` in a redirect URI stands for the provider's."""
    command = [
        peers.node(),
        "oidc_provider.mjs",
        json.dumps([_client(key, redirect_uris) for key in table.providers()]),
    ]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, cwd=peers.installed(), stdout=subprocess.PIPE, stderr=said, text=True)
        try:
            yield Peer(f"http://127.0.0.1:{_port(process)}")
        finally:
            process.terminate()
            process.wait(10)
            process.stdout.close()  # type: ignore[union-attr]  It has a pipe.


def _port(process: subprocess.Popen[str]) -> int:
    """Of its LISTEN line; a server that dies closes the pipe, which ends the wait."""
    begun = time.monotonic()
    for line in process.stdout or ():
        if line.startswith("LISTEN "):
            return int(line.split()[1])
        assert time.monotonic() - begun < START_SECONDS
    raise AssertionError(f"the OpenID provider ended with {process.wait(10)}")


def _client(key: str, redirect_uris: Sequence[str]) -> dict[str, Any]:
    client_id, client_secret = credentials(key)
    return {
        "client_id": client_id,
        "client_secret": client_secret,
        "redirect_uris": [uri.replace("{key}", key) for uri in redirect_uris],
        "token_endpoint_auth_method": "client_secret_basic" if key == "twitter" else "client_secret_post",
        "require_pkce": table.get(key).pkce,
    }


def _row(key: str, url: str) -> dict[str, Any]:
    """`client_auth`, PKCE, nonce, extra parameters and the callback's method stay those of the row, but for Apple's
    secret, which is Apple's alone."""
    revocation = {
        "url": f"{url}/token/revocation",
        "method": "POST",
        "auth": "client",
        "ok_status": [200],
        "is_confirmed": False,
    }
    members = {"id": ["sub"], "email": ["email"], "name": ["name"], "locale": ["locale"]}
    return {
        "issuers": [url],
        "authorize_url": f"{url}/auth",
        "token_url": f"{url}/token",
        "jwks_url": f"{url}/jwks",
        "scope_separator": " ",
        "default_scopes": ["openid", "email", "profile"],
        "long_lived": None,
        "refresh": "refresh_token",
        "reauth_codes": ["invalid_grant"],
        "revocation": {**revocation, "tokens": ["refresh_token", "access_token"]},
        "profile": {
            "url": f"{url}/me",
            "auth": "bearer",
            "root": "",
            "is_proven": False,
            "inspect_url": None,
            "emails_url": None,
            "email_verified": "claimed",
            "members": members,
        },
        **({"client_auth": "post"} if key == "apple" else {}),
    }
