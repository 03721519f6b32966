"""Who may call, and how often: the token, the tenant's header and the rate."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import jwt
from django.conf import settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

MAY_EXECUTE = {"user", "organizer", "admin"}


@dataclass(frozen=True)
class Caller:
    tenant_id: UUID
    subject: str
    roles: frozenset[str]
    is_authenticated = True


class TokenAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Caller, None]:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer":
            raise AuthenticationFailed
        try:
            claims = jwt.decode(
                token,
                settings.JWT_SECRET,
                algorithms=["HS256"],
                issuer=settings.JWT_ISSUER,
                audience=settings.JWT_AUDIENCE,
                options={"require": ["sub", "tenant_id", "iss", "aud", "iat", "exp"]},
            )
        except jwt.PyJWTError as error:
            raise AuthenticationFailed from error
        return Caller(UUID(claims["tenant_id"]), claims["sub"], frozenset(claims["roles"])), None


class OwnTenant(BasePermission):
    def has_permission(self, request: Request, view: Any) -> bool:
        caller: Any = request.user
        named = request.headers.get("x-tenant-id", "")
        return named == str(caller.tenant_id) and not MAY_EXECUTE.isdisjoint(caller.roles)


class TenantThrottle(SimpleRateThrottle):
    scope = "tenant"

    def get_cache_key(self, request: Request, view: Any) -> str:
        caller: Any = request.user
        return self.cache_format % {"scope": self.scope, "ident": caller.tenant_id}
