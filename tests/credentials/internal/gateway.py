"""Requests as a gateway passes them on, past the gateway: what each test forges, it forges here."""

import json
import secrets
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.test import Client

from tests.credentials.internal.authority import Issued

ADDRESS = "10.9.0.7"
STRANGER = "203.0.113.9"
SECRET, NEXT_SECRET = secrets.token_urlsafe(48), secrets.token_urlsafe(48)
TOKEN = "a-long-auth-token-1234"
GOOD = {"provider_key": "parcel_sms", "credentials": {"account": "AC1", "auth_token": TOKEN}}
MTLS_REQUIRED = "ERR_MTLS_REQUIRED"


def nginx(issued: Issued, **over: str) -> dict[str, str]:
    subject = issued.certificate.subject.rfc4514_string()
    return {
        "X-Gateway-Auth": SECRET,
        "X-SSL-Client-Verify": "SUCCESS",
        "X-SSL-Client-S-DN": subject,
        "X-SSL-Client-Cert": issued.escaped,
        **over,
    }


def xfcc(issued: Issued) -> dict[str, str]:
    return {"X-Gateway-Auth": SECRET, "X-Forwarded-Client-Cert": f'Hash=ab;Cert="{issued.escaped}"'}


def rfc9440(issued: Issued) -> dict[str, str]:
    return {"X-Gateway-Auth": SECRET, "Client-Cert": issued.byte_sequence}


FORMATS = {"nginx": nginx, "xfcc": xfcc, "rfc9440": rfc9440}


@dataclass
class Gateway:
    """Sends what it is told to, from `peer`. No other header goes along: neither a token nor a tenant."""

    headers: dict[str, str]
    peer: str = ADDRESS
    client: Client = field(default_factory=lambda: Client(raise_request_exception=False))

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        return self.client.generic(
            method,
            f"/integrationhub/v1/internal/credentials{path}",
            b"" if body is None else json.dumps(body).encode(),
            content_type="application/json",
            headers={**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}},
            REMOTE_ADDR=self.peer,
        )

    def bind(self, tenant: UUID | str, _headers: dict[str, str] | None = None, **over: Any) -> Any:
        return self.request("POST", "/bind", {"tenant_id": str(tenant), **GOOD, **over}, **(_headers or {}))

    def read(self, tenant: UUID | str, provider_key: str = "parcel_sms") -> Any:
        return self.request("GET", f"/{tenant}/{provider_key}")


def refusal(answer: Any) -> str:
    """Why the caller was not let in; fails for any answer that is no such refusal."""
    body = answer.json()
    assert (answer.status_code, body["code"], body["retryable"]) == (401, MTLS_REQUIRED, False), body
    assert answer["WWW-Authenticate"] == "MutualTLS"
    assert set(body["details"]) == {"reason"}
    return body["details"]["reason"]
