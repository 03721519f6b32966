"""What keeps the hub from working with its vault, in plain words, each with its fix."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings

from credentials.errors import VaultUnavailable, VaultUnreadable
from credentials.hashicorp_client import HashicorpClient, token

# Longer ones would not fit beside their version into the row of a tenant's key.
_KEY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
_PROBE = "00000000-0000-0000-0000-000000000000"


class Fault(NamedTuple):
    what: str
    fix: str


def setting_faults() -> Iterator[Fault]:
    """What the settings alone show."""
    parts = urlsplit(settings.VAULT_ADDR)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        yield Fault("VAULT_ADDR is not a URL.", "Set it to the vault's address, as in https://vault.example.com:8200.")
    if bool(settings.VAULT_TOKEN) == bool(settings.VAULT_TOKEN_FILE):
        which = "are both set" if settings.VAULT_TOKEN else "are both empty"
        yield Fault(
            f"VAULT_TOKEN and VAULT_TOKEN_FILE {which}.", "Set one: a token, or the file an agent writes it to."
        )
    elif settings.VAULT_TOKEN_FILE and not _has_token():
        yield Fault(
            f"VAULT_TOKEN_FILE {settings.VAULT_TOKEN_FILE} cannot be read.", "Let the hub's user read a token there."
        )
    if not _KEY_NAME.fullmatch(settings.VAULT_TRANSIT_KEY):
        yield Fault(
            "VAULT_TRANSIT_KEY is not a name of at most 40 letters, digits, `_`, `-` or `.`.", "Rename the key."
        )


def server_faults(client: HashicorpClient) -> Iterator[Fault]:
    """What the server says; the first fault that hides the others ends it."""
    where = f"the vault at {settings.VAULT_ADDR}"
    try:
        status = client.call(lambda hvac: hvac.sys.read_seal_status())
    except VaultUnreadable as error:
        yield Fault(f"No answer from {where} ({error.details['reason']}).", "Start it, or mend VAULT_ADDR.")
        return
    if status["sealed"]:
        yield Fault(f"Sealed: {where}.", "Unseal it: `vault operator unseal`.")
        return
    if reason := _refused(client):
        yield Fault(f"The token is refused by {where} ({reason}).", "Give VAULT_TOKEN a valid one.")
        return
    yield from _permission_faults(client)
    yield from _engine_faults(client)


def _refused(client: HashicorpClient) -> str:
    """Why the token may do nothing; empty if it may do something. A valid one need not be allowed to look itself up."""
    reason = ""
    for ask in (_look_up, _capabilities, _key):
        try:
            client.call(ask)
            return ""
        except VaultUnavailable as error:
            reason = str(error.details["reason"])
        except VaultUnreadable:
            return ""  # There is no such key, and the token may know.
    return reason


def _look_up(hvac: Any) -> Any:
    return hvac.auth.token.lookup_self()


def _capabilities(hvac: Any) -> Any:
    return hvac.sys.get_capabilities(paths=list(_needed()))


def _key(hvac: Any) -> Any:
    return hvac.secrets.transit.read_key(settings.VAULT_TRANSIT_KEY, mount_point=settings.VAULT_TRANSIT_MOUNT)


def _permission_faults(client: HashicorpClient) -> Iterator[Fault]:
    try:
        allowed: dict[str, Any] = client.call(_capabilities)["data"]
    except VaultUnreadable:
        yield Fault(
            "The token may not update sys/capabilities-self, which tells what else it may not.",
            'Add to its policy: path "sys/capabilities-self" { capabilities = ["update"] }.',
        )
        return
    for path, wanted in _needed().items():
        missing = [one for one in wanted if one not in allowed.get(path, ()) and "root" not in allowed.get(path, ())]
        if missing:
            quoted = ", ".join(f'"{one}"' for one in wanted)
            shown = path.replace(f"{_PROBE}/{_PROBE}", "*")
            yield Fault(
                f"The token may not {' and '.join(missing)} {shown}.",
                f'Add to its policy: path "{shown}" {{ capabilities = [{quoted}] }}.',
            )


def _engine_faults(client: HashicorpClient) -> Iterator[Fault]:
    transit, key, kv = settings.VAULT_TRANSIT_MOUNT, settings.VAULT_TRANSIT_KEY, settings.VAULT_KV_MOUNT
    try:
        client.call(_key)
    except VaultUnavailable:
        pass  # Denied: said above.
    except VaultUnreadable:
        yield Fault(
            f"There is no key {key} in {transit}.",
            f"`vault secrets enable transit`, `vault write -f {transit}/keys/{key}`.",
        )
    try:
        found = client.call(lambda hvac: hvac.adapter.get(f"/v1/sys/internal/ui/mounts/{kv}"))["data"]
    except VaultUnreadable:
        found = {}
    if found.get("type") != "kv" or (found.get("options") or {}).get("version") != "2":
        yield Fault(
            f"VAULT_KV_MOUNT {kv} is no KV engine of version 2, or none of it may be used.",
            f"`vault secrets enable -path={kv} -version=2 kv`, or name another one.",
        )


def _needed() -> dict[str, list[str]]:
    transit, key = settings.VAULT_TRANSIT_MOUNT, settings.VAULT_TRANSIT_KEY
    entry = f"{settings.VAULT_KV_PREFIX}/{_PROBE}/{_PROBE}"
    return {
        f"{transit}/encrypt/{key}": ["update"],
        f"{transit}/decrypt/{key}": ["update"],
        f"{transit}/keys/{key}": ["read"],
        f"{settings.VAULT_KV_MOUNT}/data/{entry}": ["create", "read"],
        f"{settings.VAULT_KV_MOUNT}/metadata/{entry}": ["delete"],
    }


def _has_token() -> bool:
    try:
        return bool(token())
    except VaultUnavailable:
        return False
