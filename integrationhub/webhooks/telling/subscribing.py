"""Subscriptions: made, changed, given a new secret, removed."""

import secrets
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from credentials.vault import vault
from integrationhub.audit import trail
from integrationhub.core.errors import InvalidRequest
from integrationhub.core.ids import new_id, read_id
from integrationhub.core.outbound import NotSent, messages
from integrationhub.core.standard_webhooks import PREFIX
from integrationhub.core.tenancy import TenantQuerySet, tenant_scope
from integrationhub.webhooks.telling import recording
from integrationhub.webhooks.telling.errors import no_subscription, rotations_under_way
from integrationhub.webhooks.telling.kinds import KINDS
from integrationhub.webhooks.telling.models import Disabled, Subscription

# The specification asks for 24 to 64 bytes.
SECRET_BYTES = 32
# Each event makes a row for each of them.
MOST_SUBSCRIPTIONS = 20
PATTERNS = frozenset({"*", *KINDS, *(f"{kind.partition('.')[0]}.*" for kind in KINDS)})


def listed(*, tenant_id: UUID) -> TenantQuerySet:
    """Evaluate it inside the tenant's scope."""
    return Subscription.objects.for_tenant(tenant_id)


def get(*, tenant_id: UUID, subscription_id: str) -> Subscription:
    """Raises InvalidRequest (404)."""
    with tenant_scope(tenant_id):
        return found(listed(tenant_id=tenant_id), subscription_id)


def found(rows: TenantQuerySet, subscription_id: str) -> Subscription:
    """Raises InvalidRequest (404)."""
    subscription: Subscription | None = rows.filter(id=read_id(subscription_id)).first()
    if subscription is None:
        raise no_subscription(subscription_id)
    return subscription


def subscribe(*, tenant_id: UUID, subject: str, asked: Mapping[str, Any]) -> tuple[Subscription, str]:
    """A new subscription and its secret, which is told here and never again.

    `asked` has url, event_types, description, is_enabled and is_ordered. Raises InvalidRequest, and VaultUnreadable
    where the vault cannot seal; then nothing was stored.
    """
    subscription = Subscription(id=new_id(), tenant_id=tenant_id, **asked)
    if not subscription.is_enabled:
        subscription.disabled_at, subscription.disabled_reason = datetime.now(UTC), Disabled.BY_REQUEST
    secret = secrets.token_bytes(SECRET_BYTES)
    subscription.sealed = vault().seal(secret, subscription.place)
    with tenant_scope(tenant_id):
        _make_room(tenant_id)
        subscription.save(force_insert=True)
        subscription.refresh_from_db()
        _record(subscription, "created", subject, event_types=subscription.event_types)
    return subscription, shown(secret)


def _make_room(tenant_id: UUID) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"subscriptions {tenant_id}"])
    if listed(tenant_id=tenant_id).count() >= MOST_SUBSCRIPTIONS:
        raise InvalidRequest(
            f"A tenant may have {MOST_SUBSCRIPTIONS} webhook subscriptions; remove one first.",
            reason="too_many_subscriptions",
            most=MOST_SUBSCRIPTIONS,
        )


def change(*, tenant_id: UUID, subscription_id: str, subject: str, changes: Mapping[str, Any]) -> Subscription:
    """`changes` are some of what `subscribe` takes. Enabling one, or another address, forgets its failures; what it has
    missed is replayed only if somebody asks for it. Raises InvalidRequest (404)."""
    with tenant_scope(tenant_id):
        rows = listed(tenant_id=tenant_id)
        subscription = found(rows.select_for_update(), subscription_id)
        mine = rows.filter(id=subscription.id)
        if plain := {name: value for name, value in changes.items() if name != "is_enabled"}:
            mine.update(**plain, updated_at=Now())
        if changes.get("url", subscription.url) != subscription.url:
            # Nor has it asked to be left alone; who tells the one before has it no more.
            mine.update(failing_since=None, free_at=Now(), takes=F("takes") + 1)
        is_enabled = changes.get("is_enabled", subscription.is_enabled)
        if is_enabled and not subscription.is_enabled:
            enable(mine)
        elif subscription.is_enabled and not is_enabled:
            recording.stop(subscription, Disabled.BY_REQUEST)
        subscription.refresh_from_db()
        _record(subscription, "changed", subject, members=sorted(changes))
    return subscription


def enable(rows: Any) -> int:
    """Returns how many of them were not enabled before."""
    return int(
        rows.filter(is_enabled=False).update(
            is_enabled=True,
            disabled_at=None,
            disabled_reason="",
            failing_since=None,
            free_at=Now(),
            takes=F("takes") + 1,
            updated_at=Now(),
        )
    )


def remove(*, tenant_id: UUID, subscription_id: str, subject: str) -> None:
    """Its secrets are gone for good; what it was told stays to be seen. Raises InvalidRequest (404)."""
    with tenant_scope(tenant_id):
        rows = listed(tenant_id=tenant_id)
        subscription = found(rows.select_for_update(), subscription_id)
        rows.filter(id=subscription.id).delete()
        recording.skip_pending(tenant_id, subscription.id)
        _record(subscription, "removed", subject)


def rotate(*, tenant_id: UUID, subscription_id: str, subject: str, overlap_seconds: int) -> tuple[Subscription, str]:
    """A new secret, told here alone; the one before signs beside it for so long. Raises InvalidRequest (404, and 409
    while two sign beside it already), and VaultUnreadable."""
    place = get(tenant_id=tenant_id, subscription_id=subscription_id).place
    secret = secrets.token_bytes(SECRET_BYTES)
    sealed = vault().seal(secret, place)
    with tenant_scope(tenant_id):
        rows = listed(tenant_id=tenant_id)
        subscription = found(rows.select_for_update(), subscription_id)
        before = _before_the_next(subscription, overlap_seconds)
        rows.filter(id=subscription.id).update(**before, sealed=sealed, updated_at=Now())
        subscription.refresh_from_db()
        _record(subscription, "secret_rotated", subject, overlap_seconds=overlap_seconds)
    return subscription, shown(secret)


def _before_the_next(subscription: Subscription, overlap_seconds: int) -> dict[str, Any]:
    """The columns of the secrets before, once the one in use is one of them: each signs for as long as was promised.
    Without an overlap none does, since nobody can tell which of them has leaked."""
    if not overlap_seconds:
        return {"previous_sealed": b"", "previous_until": None, "older_sealed": b"", "older_until": None}
    signing = subscription.still_signing
    if len(signing) > 1:
        raise rotations_under_way(min(until for _, until in signing))
    older_sealed, older_until = signing[0] if signing else (b"", None)
    return {
        "previous_sealed": subscription.sealed,
        "previous_until": Now() + timedelta(seconds=overlap_seconds),
        "older_sealed": older_sealed,
        "older_until": older_until,
    }


def shown(secret: bytes) -> str:
    return f"{PREFIX}{b64encode(secret).decode()}"


def fault_of_url(url: str) -> str | None:
    """What is wrong with an address that is never sent to; whether it may be dialled shows when it is."""
    try:
        scheme = messages.target(url).origin.scheme
    except NotSent:
        return "an address of https, without a user name"
    if scheme != "https" and not settings.OUTBOUND_ALLOWED_NETWORKS:
        return "an address of https"
    return None


def unknown_types(event_types: Sequence[str]) -> list[str]:
    return sorted(set(event_types) - PATTERNS)


def _record(subscription: Subscription, became: str, subject: str, **details: Any) -> None:
    trail.record(
        tenant_id=subscription.tenant_id,
        action=f"subscription.{became}",
        actor=subject,
        about=f"subscription:{subscription.id}",
        **details,
    )
