"""The addresses of tenants that have an app of their own at a provider: one for each tenant and provider."""

import hashlib
import secrets
from uuid import UUID

from django.conf import settings
from django.db.models.functions import Now

from integrationhub.audit import trail
from integrationhub.core.ids import new_id, read_id
from integrationhub.core.memory import ShortMemory
from integrationhub.core.tenancy import TenantQuerySet, tenant_scope
from integrationhub.webhooks import sources
from integrationhub.webhooks.errors import WebhookNotFound
from integrationhub.webhooks.models import Endpoint

# A token is looked up before its tenant is known, and by many webhooks in a row. One that was renewed or given up is
# taken for so long, and only with the tenant's signature.
_known: ShortMemory[tuple[str, bytes], UUID] = ShortMemory(seconds=5, capacity=10_000)


def open_endpoint(*, tenant_id: UUID, provider_key: str, subject: str) -> tuple[Endpoint, str]:
    """The tenant's endpoint under a new token, and the token, which is told here alone; the one before serves no more.

    `provider_key` is one of `sources.keys()`.
    """
    token = secrets.token_urlsafe(32)
    with tenant_scope(tenant_id):
        endpoint, _ = Endpoint.objects.for_tenant(tenant_id).update_or_create(
            tenant_id=tenant_id,
            provider_key=provider_key,
            defaults={"digest": _digest(token), "created_at": Now()},
            create_defaults={"id": new_id(), "digest": _digest(token)},
        )
        endpoint.refresh_from_db()
        trail.record(
            tenant_id=tenant_id, action="endpoint.opened", actor=subject, about=f"endpoint:{endpoint.id}",
            provider_key=provider_key,
        )  # fmt: skip
    return endpoint, token


def listed(*, tenant_id: UUID) -> TenantQuerySet:
    """Evaluate it inside the tenant's scope."""
    return Endpoint.objects.for_tenant(tenant_id)


def close(*, tenant_id: UUID, endpoint_id: str, subject: str) -> None:
    """Raises WebhookNotFound."""
    with tenant_scope(tenant_id):
        deleted, _ = listed(tenant_id=tenant_id).filter(id=read_id(endpoint_id)).delete()
        if not deleted:
            raise WebhookNotFound(f"There is no endpoint {endpoint_id[:64]!r}.", id=endpoint_id[:64])
        trail.record(
            tenant_id=tenant_id, action="endpoint.closed", actor=subject, about=f"endpoint:{endpoint_id.lower()}"
        )


def owner(provider_key: str, token: str) -> UUID:
    """Whose endpoint it is. Raises WebhookNotFound."""
    place = (provider_key, _digest(token))
    if (tenant_id := _known.get(place)) is None:
        rows = Endpoint.objects.using("system").filter(provider_key=provider_key, digest=place[1])
        tenant_id = rows.values_list("tenant_id", flat=True).first() if sources.find(provider_key) else None
        if tenant_id is None:
            raise WebhookNotFound("There is no endpoint at this address.", provider=provider_key[:64])
        _known.put(place, tenant_id)
    return tenant_id


def forget() -> None:
    """What this process remembers of endpoints is looked up again."""
    _known.clear()


def address(provider_key: str, token: str) -> str:
    """Where the provider posts to."""
    return f"{settings.PUBLIC_BASE_URL}/webhooks/ingest/{provider_key}/{token}"


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
