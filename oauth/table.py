"""The eight services as rows: how each is asked, and what it does otherwise than the rest.

The rows are `providers.yaml`. What a deployment writes into the file that OAUTH_PROVIDERS_FILE names is laid over them,
member by member, so that a service can be reached at another address. Neither a request nor a tenant changes a row:
whoever could would have secrets and codes sent to a place of their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import yaml
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from oauth.errors import OAuthUnsupportedProvider
from oauth.table_schema import ROW
from providers import schema_faults

SHIPPED = Path(__file__).with_name("providers.yaml")
SETTING = "OAUTH_PROVIDERS_FILE"
_row = schema_faults.compiled(ROW)


def _nothing() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class LongLived:
    """A second exchange, by GET, of a token that lives an hour for one that lives two months."""

    url: str
    grant_type: str
    token_param: str
    with_client_id: bool = False


@dataclass(frozen=True, slots=True)
class Revocation:
    """How a grant is ended. `tokens` says which of the two is sent, the first that there is; `is_every`: each of them.

    `auth`: `none`, the `client`'s own as at the token endpoint, `client_json` (Basic, the token in JSON), or the
    `token` itself. `is_confirmed`: the answer has to say that it is done. `gone_codes` are errors that say it was dead
    before.
    """

    url: str
    method: Literal["POST", "DELETE"]
    auth: Literal["none", "client", "client_json", "token"]
    tokens: tuple[str, ...] = ("refresh_token", "access_token")
    is_every: bool = False
    is_hinted: bool = False
    is_confirmed: bool = False
    headers: Mapping[str, str] = field(default_factory=_nothing)
    ok_status: tuple[int, ...] = (200,)
    gone_codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProfileSource:
    """Where a profile comes from: `url`, or without one the id_token.

    `members` names for each member of ours the provider's, dotted, the first that has a value; they are looked up in
    `root`. `email_verified`: as `claimed`, true `when_present`, `never`, or null (`unknown`). `scope_fields` are asked
    for where that scope was granted. `is_proven`: the token comes with a proof of our secret (`appsecret_proof`).
    """

    url: str | None
    members: Mapping[str, tuple[str, ...]]
    auth: Literal["bearer", "query"] = "bearer"
    root: str = ""
    headers: Mapping[str, str] = field(default_factory=_nothing)
    scope_fields: Mapping[str, str] = field(default_factory=_nothing)
    email_verified: Literal["claimed", "when_present", "never", "unknown"] = "unknown"
    is_proven: bool = False
    inspect_url: str | None = None
    emails_url: str | None = None


@dataclass(frozen=True, slots=True)
class OAuthProvider:
    """One service. In its URLs `{directory}` and `{client_id}` stand for the tenant's own, and in `issuers` `{tid}` for
    the directory that an id_token names.

    `issuers` are what `iss` may say, in an id_token and in a callback (RFC 9207); without any, what a callback says is
    not looked at. `refresh` is None where this hub does not refresh, or where the access token itself is exchanged
    again (`reexchange`). `reauth_codes` end a grant for good; `rate_codes` say that we ask too often.
    """

    key: str
    display_name: str
    authorize_url: str
    token_url: str
    client_auth: Literal["post", "basic", "apple_jwt"]
    pkce: bool
    nonce: bool
    scope_separator: str
    default_scopes: tuple[str, ...]
    profile: ProfileSource
    issuers: tuple[str, ...] = ()
    is_issuer_required: bool = False
    jwks_url: str | None = None
    authorize_params: Mapping[str, str] = field(default_factory=_nothing)
    callback_method: Literal["GET", "POST"] = "GET"
    code_suffix: str = ""
    long_lived: LongLived | None = None
    refresh: Literal["refresh_token", "reexchange"] | None = None
    reauth_codes: tuple[str, ...] = ()
    rate_codes: tuple[str, ...] = ()
    revocation: Revocation | None = None

    @property
    def is_refreshable(self) -> bool:
        return self.refresh is not None

    @property
    def is_revocable(self) -> bool:
        return self.revocation is not None


@cache
def providers() -> Mapping[str, OAuthProvider]:
    """The table, by key. Raises ImproperlyConfigured naming what is wrong with the deployment's file."""
    laid_over = _overlaid(settings.OAUTH_PROVIDERS_FILE)
    return MappingProxyType({key: _provider(key, row) for key, row in laid_over.items()})


def get(key: str) -> OAuthProvider:
    """Raises OAuthUnsupportedProvider, which lists those that there are."""
    try:
        return providers()[key]
    except KeyError:
        raise OAuthUnsupportedProvider(
            f"{key[:64]!r} is no provider that accounts are connected of.",
            provider=key[:64],
            supported_providers=list(providers()),
        ) from None


@cache
def shipped() -> Mapping[str, Any]:
    """`providers.yaml` as it is."""
    rows: dict[str, Any] = yaml.safe_load(SHIPPED.read_text("utf-8"))
    return MappingProxyType(rows)


def _overlaid(path: str) -> dict[str, Any]:
    rows = dict(shipped())
    if not path:
        return rows
    changes = _read(Path(path))
    if unknown := sorted(str(key) for key in changes.keys() - rows.keys()):
        raise _fault(f"names {', '.join(unknown)}, which is none of {', '.join(rows)}.")
    for key, change in changes.items():
        rows[key] = _merged(rows[key], change)
        if faults := schema_faults.faults(_row, rows[key], at=key):
            said = "; ".join(f"{fault['field']}: {fault['reason']}, expected {fault['expected']}" for fault in faults)
            raise _fault(f"does not fit: {said}.")
    return rows


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise _fault(f"cannot be read ({type(error).__name__}).") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise _fault("is no YAML.") from error
    if not isinstance(content, dict):
        raise _fault("holds no providers: each is a key with the members to change below it.")
    return content


def _merged(row: Any, change: Any) -> Any:
    """Objects member by member; lists and everything else as a whole."""
    if not isinstance(row, dict) or not isinstance(change, dict):
        return change
    return {**row, **{name: _merged(row.get(name), value) for name, value in change.items()}}


def _provider(key: str, row: Mapping[str, Any]) -> OAuthProvider:
    row = _spelled_out(row, row.get("version", ""))
    made = {
        "profile": _made(ProfileSource, row["profile"]),
        "long_lived": _made(LongLived, row["long_lived"]) if row.get("long_lived") else None,
        "revocation": _made(Revocation, row["revocation"]) if row.get("revocation") else None,
    }
    provider: OAuthProvider = _made(OAuthProvider, {**row, **made, "key": key})
    return provider


def _made(kind: Any, row: Mapping[str, Any]) -> Any:
    return kind(**{member.name: _frozen(row[member.name]) for member in fields(kind) if member.name in row})


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    return MappingProxyType({k: _frozen(v) for k, v in value.items()}) if isinstance(value, dict) else value


def _spelled_out(value: Any, api: str) -> Any:
    """Every text with the version of the provider's API in the place of `{version}`."""
    if isinstance(value, dict):
        return {name: _spelled_out(each, api) for name, each in value.items()}
    return value.replace("{version}", api) if isinstance(value, str) else value


def _fault(words: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"The file of {SETTING} {words}")
