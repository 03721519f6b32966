"""After the token: the tenant's header, which must agree with it, and the role that the method asks for."""

from typing import Any

from django.conf import settings
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from integrationhub.core.errors import Forbidden, RbacForbidden, TenantRequired
from integrationhub.core.http import Principal, caller
from integrationhub.core.ids import read_id


class TenantHeader(BasePermission):
    """`x-tenant-id` names the tenant of the token. Raises TenantRequired or Forbidden."""

    def has_permission(self, request: Request, view: Any) -> bool:
        given = request.META.get("HTTP_X_TENANT_ID", "")
        if not given:
            raise TenantRequired(reason="missing_tenant_header")
        # A header that was sent twice arrives joined by a comma, which this refuses too.
        if (tenant_id := read_id(given)) is None:
            raise TenantRequired("The x-tenant-id header must be one UUID.", reason="malformed_tenant_header")
        if tenant_id != caller(request).tenant_id:
            raise Forbidden(reason="tenant_mismatch")
        return True


class Roles(BasePermission):
    """The caller's role reaches the lowest one that `view.roles` names for the method. Raises RbacForbidden."""

    def has_permission(self, request: Request, view: Any) -> bool:
        method = "GET" if request.method == "HEAD" else request.method or ""
        if not caller(request).roles:
            raise RbacForbidden("The token names no role that this hub knows.", reason="no_role")
        require_role(request, view.roles.get(method, "user"))
        if method in view.platform_only:
            self._require_platform(request)
        return True

    def _require_platform(self, request: Request) -> None:
        """What all tenants share is changed by admins of the platform's own tenant; unset, by nobody."""
        if not caller(request).has_role("admin"):
            raise RbacForbidden(reason="role_too_low", required_role="admin")
        if not is_platform_admin(caller(request)):
            raise RbacForbidden("Only the platform's own tenant may do this.", reason="platform_only")


def is_platform_admin(principal: Principal) -> bool:
    """Whether the caller is an admin of the tenant that runs this installation."""
    return principal.has_role("admin") and str(principal.tenant_id) == settings.PLATFORM_TENANT_ID.lower()


def require_role(request: Request, lowest: str) -> None:
    """For what is known only after the body was read, such as an intent's own lowest role. Raises RbacForbidden."""
    if not caller(request).has_role(lowest):
        raise RbacForbidden(
            f"This needs the role '{lowest}' or one above it.", reason="role_too_low", required_role=lowest
        )
