"""The bearer token becomes a `Principal`, or the request ends here with 401 and a reason."""

import hashlib
import re
import time
from dataclasses import dataclass, field
from typing import Any

import jwt
import structlog
from django.conf import settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from integrationhub.core.errors import Unauthorized
from integrationhub.core.http import ROLES, Principal
from integrationhub.core.ids import read_id
from integrationhub.core.memory import ShortMemory
from integrationhub.core.signing_keys import keys

MAX_TOKEN_BYTES = 8 * 1024
LEEWAY_SECONDS = 30
LONGEST_SUBJECT = 255
MAX_LIFETIME_SECONDS = 24 * 60 * 60

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
# A header that asks for a key from elsewhere, or for an extension that we do not know, is refused whatever it holds.
_REFUSED_HEADERS = ("jku", "jwk", "x5u", "x5c", "crit")
_TYPES = ("jwt", "at+jwt", "application/jwt", "application/at+jwt")

_REASONS: dict[type[jwt.PyJWTError], str] = {
    jwt.ExpiredSignatureError: "expired",
    jwt.ImmatureSignatureError: "not_yet_valid",
    jwt.InvalidIssuedAtError: "not_yet_valid",
    jwt.InvalidIssuerError: "wrong_issuer",
    jwt.InvalidAudienceError: "wrong_audience",
    jwt.MissingRequiredClaimError: "missing_claim",
    jwt.InvalidSignatureError: "bad_signature",
    jwt.InvalidAlgorithmError: "wrong_algorithm",
}


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a verified token said, and the key that it was verified with."""

    principal: Principal
    expires_at: int
    key_id: Any
    key: Any = field(repr=False)


# By the token's digest, since a token is a secret.
_verified: ShortMemory[bytes, _Seen] = ShortMemory(seconds=60, capacity=10_000)


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer <JWT>`: https://www.rfc-editor.org/rfc/rfc6750 and https://www.rfc-editor.org/rfc/rfc8725"""

    openapi_scheme = "bearer"

    def authenticate(self, request: Request) -> tuple[Principal, None]:
        """Raises Unauthorized. The token itself is not kept on the request."""
        principal = verify(_token_of(request.META.get("HTTP_AUTHORIZATION", "")))
        structlog.contextvars.bind_contextvars(tenant_id=str(principal.tenant_id))
        return principal, None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def _token_of(header: str) -> str:
    if len(header) > MAX_TOKEN_BYTES:
        raise _refused("token_too_long", f"The Authorization header is longer than {MAX_TOKEN_BYTES} bytes.")
    scheme, _, token = header.partition(" ")
    if not header.strip() or scheme.lower() != "bearer":
        raise Unauthorized(
            "The Authorization header with a Bearer token is missing.",
            reason="missing_token",
            headers={"WWW-Authenticate": "Bearer"},
        )
    if not _COMPACT.fullmatch(token.strip()):
        raise _refused("malformed", "The Bearer token is not a JSON Web Token.")
    return token.strip()


def verify(token: str) -> Principal:
    """The caller that a compact JWT names. Raises Unauthorized with `details.reason`, never anything else.

    A caller shows one token many times: what was found of it is remembered for a minute, as long as the key that
    signed it is still the issuer's; its end is looked at each time.
    """
    digest = hashlib.sha256(token.encode()).digest()
    seen = _verified.get(digest)
    if seen is None or keys().find(seen.key_id) is not seen.key:
        seen = _seen(token)
        _verified.put(digest, seen)
    if time.time() >= seen.expires_at + LEEWAY_SECONDS:
        raise _refused("expired")
    return seen.principal


def _seen(token: str) -> "_Seen":
    try:
        header = jwt.get_unverified_header(token)
        key = _key(header)
        claims = jwt.decode(
            token,
            key,
            algorithms=[settings.JWT_ALGORITHM],
            issuer=settings.JWT_ISSUER,
            audience=settings.JWT_AUDIENCE,
            leeway=LEEWAY_SECONDS,
            options={"require": ["sub", "tenant_id", "iss", "aud", "iat", "exp"]},
        )
    except jwt.PyJWTError as error:
        reason = next((reason for kind, reason in _REASONS.items() if isinstance(error, kind)), "malformed")
        raise _refused(reason) from error
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise _refused("malformed") from error
    return _Seen(_principal(claims), claims["exp"], header.get("kid"), key)


def _key(header: dict[str, Any]) -> Any:
    if header.get("alg") != settings.JWT_ALGORITHM:
        raise _refused("wrong_algorithm", f"This hub takes tokens signed with {settings.JWT_ALGORITHM} only.")
    if any(name in header for name in _REFUSED_HEADERS) or str(header.get("typ", "JWT")).lower() not in _TYPES:
        raise _refused("refused_header")
    key = keys().find(header.get("kid"))
    if key is None:
        raise _refused("unknown_key", "The token's key id (kid) is not a key of this hub's issuer.")
    return key


def _principal(claims: dict[str, Any]) -> Principal:
    """What the library lets pass and we do not: loose types, long lives, tokens for several audiences."""
    if not (_is_time(claims["iat"]) and _is_time(claims["exp"])):
        raise _refused("malformed", "The claims iat and exp must be whole numbers of seconds.")
    if not 0 < claims["exp"] - claims["iat"] <= MAX_LIFETIME_SECONDS:
        raise _refused("lives_too_long", "The claim exp must lie within 24 hours after iat.")
    if claims["aud"] not in (settings.JWT_AUDIENCE, [settings.JWT_AUDIENCE]):
        raise _refused("wrong_audience")
    tenant_id, subject, roles = claims["tenant_id"], claims["sub"], claims.get("roles", [])
    # The nil UUID is whose rows belong to nobody yet.
    if not isinstance(tenant_id, str) or not (tenant := read_id(tenant_id)) or not tenant.int:
        raise _refused("malformed", "The claim tenant_id must be a UUID as a string.")
    if not isinstance(subject, str) or not (0 < len(subject) <= LONGEST_SUBJECT and subject.isprintable()):
        raise _refused("malformed", f"The claim sub must be 1 to {LONGEST_SUBJECT} printable characters.")
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise _refused("malformed", "The claim roles must be a list of strings.")
    return Principal(tenant, subject, frozenset(roles).intersection(ROLES))


def _is_time(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _refused(reason: str, message: str | None = None) -> Unauthorized:
    return Unauthorized(message, reason=reason, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
