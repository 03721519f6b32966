"""How many tenants a provider reaches: what operators are to know before they take it away."""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import Count

from integrationhub.core.operators import SYSTEM
from marketplace.models import Installation


def tenants_of(provider_ids: Iterable[UUID]) -> dict[UUID, int]:
    """For each provider the tenants that have it installed and enabled, by one query; one without any is not there."""
    enabled = Installation.objects.using(SYSTEM).filter(enabled=True, integration__provider_id__in=list(provider_ids))
    counted = enabled.values("integration__provider_id").annotate(tenants=Count("tenant_id", distinct=True))
    return {row["integration__provider_id"]: row["tenants"] for row in counted.order_by()}
