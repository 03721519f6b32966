"""The OAuth providers as a tenant sees them."""

from typing import Any
from uuid import UUID

from credentials import binding
from oauth import addresses, table
from oauth.table import OAuthProvider


def providers(*, tenant_id: UUID) -> list[dict[str, Any]]:
    bound = binding.in_use(tenant_id=tenant_id)
    return [_row(provider, is_bound=provider.key in bound) for provider in table.providers().values()]


def _row(provider: OAuthProvider, *, is_bound: bool) -> dict[str, Any]:
    return {
        "key": provider.key,
        "display_name": provider.display_name,
        "default_scopes": provider.default_scopes,
        "pkce": provider.pkce,
        "refreshable": provider.is_refreshable,
        "revocable": provider.is_revocable,
        "redirect_uri": addresses.redirect_uri(provider.key),
        "configured": is_bound,
    }
