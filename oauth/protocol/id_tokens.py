"""What an id_token says, once it is proven to be the provider's and for us.

https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
"""

import re
from collections.abc import Mapping
from hmac import compare_digest
from typing import Any

import jwt

from integrationhub.core.deadline import Deadline
from integrationhub.core.errors import Unexpected
from oauth.application import Application
from oauth.errors import OAuthTokenExchangeFailed
from oauth.protocol.key_sets import ProviderKey, key_set
from oauth.table import OAuthProvider

LEEWAY_SECONDS = 60
MAX_BYTES = 16 * 1024
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_DIRECTORY = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# All private accounts are of this one: https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference
_CONSUMERS = "9188040d-6c67-4c5b-b112-36a304b66dad"
_FAULTS: dict[type[jwt.PyJWTError], str] = {
    jwt.ExpiredSignatureError: "expired",
    jwt.ImmatureSignatureError: "not_yet_valid",
    jwt.InvalidAudienceError: "wrong_audience",
    jwt.MissingRequiredClaimError: "missing_claim",
    jwt.InvalidSignatureError: "bad_signature",
    jwt.InvalidAlgorithmError: "wrong_algorithm",
}


class _Invalid(Exception):
    """The argument says in a word what is wrong with a token."""


def claims(
    provider: OAuthProvider, application: Application, id_token: str, *, nonce: str | None, deadline: Deadline
) -> Mapping[str, Any]:
    """The claims of an id_token signed by the provider's keys, whose iss, aud, azp, exp, iat and sub are right.

    `nonce` is what the authorization was asked with; None for a token that did not come of one of ours, and nothing
    is compared then. Raises OAuthTokenExchangeFailed: `id_token_invalid` with its `problem`, `id_token_unsupported` for
    a provider that gives none, or `keys_unavailable`.
    """
    if provider.jwks_url is None:
        raise _failed(provider, "id_token_unsupported")
    try:
        said = _verified(provider.jwks_url, application, id_token, deadline)
        _check_issuer(provider, application, said)
        _check_party(application, said.claims)
        if provider.nonce and nonce is not None:
            _check_nonce(nonce, said.claims.get("nonce"))
    except _Invalid as invalid:
        raise _failed(provider, "id_token_invalid", problem=str(invalid)) from None
    except Unexpected as error:
        raise _failed(provider, "keys_unavailable", retry_after=error.retry_after) from None
    return said.claims


class _Said:
    def __init__(self, claims: Mapping[str, Any], key: ProviderKey) -> None:
        self.claims, self.key = claims, key


def _verified(jwks_url: str, application: Application, id_token: str, deadline: Deadline) -> _Said:
    if len(id_token) > MAX_BYTES or not _COMPACT.fullmatch(id_token):
        raise _Invalid("malformed")
    try:
        kid = jwt.get_unverified_header(id_token).get("kid")
        key = key_set(jwks_url).find(kid, deadline)
        if key is None:
            raise _Invalid("unknown_key")
        said = jwt.decode(
            id_token,
            key.key,
            # The key's own: what the token says of itself is no reason to believe it.
            algorithms=[key.algorithm],
            audience=application.client_id,
            leeway=LEEWAY_SECONDS,
            options={"require": ["iss", "sub", "aud", "exp", "iat"]},
        )
    except jwt.PyJWTError as error:
        raise _Invalid(next((word for kind, word in _FAULTS.items() if isinstance(error, kind)), "malformed")) from None
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise _Invalid("malformed") from None
    if not said["sub"]:
        raise _Invalid("missing_claim")
    return _Said(said, key)


def _check_issuer(provider: OAuthProvider, application: Application, said: _Said) -> None:
    """Microsoft's issuer names the directory of the account, which the token names too. The key may say whose it is.

    https://learn.microsoft.com/entra/identity-platform/access-tokens#validate-the-issuer
    """
    iss, tid = said.claims["iss"], str(said.claims.get("tid", ""))
    issuers = [issuer.replace("{tid}", tid) for issuer in provider.issuers if "{tid}" not in issuer or tid]
    if iss not in issuers:
        raise _Invalid("wrong_issuer")
    if said.key.issuer and said.key.issuer.replace("{tenantid}", tid) != iss:
        raise _Invalid("wrong_issuer")
    if any("{tid}" in issuer for issuer in provider.issuers) and not _is_in(application.directory, tid):
        raise _Invalid("wrong_directory")


def _is_in(directory: str, tid: str) -> bool:
    if not _DIRECTORY.fullmatch(tid):
        return False
    return {"common": True, "consumers": tid == _CONSUMERS, "organizations": tid != _CONSUMERS}.get(
        directory, tid == directory
    )


def _check_party(application: Application, said: Mapping[str, Any]) -> None:
    several = isinstance(said["aud"], list) and len(said["aud"]) > 1
    if (several or "azp" in said) and said.get("azp") != application.client_id:
        raise _Invalid("wrong_party")


def _check_nonce(nonce: str, said: Any) -> None:
    if not nonce or not isinstance(said, str) or not compare_digest(nonce.encode(), said.encode("utf-8", "replace")):
        raise _Invalid("wrong_nonce")


def _failed(provider: OAuthProvider, reason: str, **details: Any) -> OAuthTokenExchangeFailed:
    name = provider.display_name
    said = {
        "id_token_unsupported": f"{name} gives no id_token.",
        "keys_unavailable": f"The keys that verify {name}'s id_tokens are unavailable.",
    }.get(reason, f"This is no id_token of {name} for this application: {details.get('problem')}.")
    return OAuthTokenExchangeFailed(said, reason=reason, provider=provider.key, **details)
