"""What operators do in the admin."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Model
from django.http import HttpRequest

from integrationhub.audit import trail
from integrationhub.core.tenancy import TenantOwned


def record(request: HttpRequest, became: str, rows: Sequence[Model], **details: Any) -> None:
    """One entry for each row, in the chain of its tenant, else in the platform's; `settings.OPERATOR_RECORDER`.

    Tenants take their turns in one order, so that two operators who each change rows of several do not deadlock.
    """
    for row in sorted(rows, key=_tenant):
        thing = row._meta.model_name
        trail.record_as_system(
            tenant_id=_tenant(row),
            action=f"{thing}.{became}",
            actor=trail.operator(request.user),
            about=f"{thing}:{row.pk}",
            **details,
        )


def _tenant(row: Model) -> Any:
    return row.tenant_id if isinstance(row, TenantOwned) else trail.platform()
