"""Ask a provider what became of a message: where it has told nothing by itself yet."""

from datetime import UTC, datetime
from uuid import UUID

import structlog

from credentials import binding
from integrationhub.core.deadline import Deadline
from integrationhub.core.errors import HubError
from integrationhub.core.tenancy import let_go_of_connection, tenant_scope
from integrationhub.execution import awaiting, deliveries, resolution
from integrationhub.execution.models import Delivery
from providers import hiding, registry
from providers.adapter import Call
from providers.callbacks import InboundEvent, Kind
from providers.errors import ProviderError

log = structlog.get_logger(__name__)

SECONDS = 8.0


def look(tenant_id: UUID, delivery_id: UUID) -> None:
    """Of a delivery that is looked at: ask its provider where that can be asked, and settle it."""
    with tenant_scope(tenant_id):
        looked_at = Delivery.objects.for_tenant(tenant_id).filter(id=delivery_id, look_at__isnull=False)
        row: Delivery | None = looked_at.first()
    if row is None:
        return
    event = _asked(row)
    if event and event.kind != Kind.ACCEPTED:  # That is known.
        deliveries.apply(tenant_id, _news(row, event))
    awaiting.settle(tenant_id, delivery_id)


def _asked(row: Delivery) -> InboundEvent | None:
    """What its provider answers; None where it cannot be asked now, or knows nothing of it."""
    adapter = registry.find(row.provider_key)
    if adapter is None or not adapter.can_be_asked():
        return None
    settled = resolution.of(row.tenant_id, None)
    candidate = next((one for one in settled.candidates if one.provider_key == row.provider_key), None)
    credential = settled.credentials.get(row.provider_key)
    if candidate is None:
        return None
    try:
        secrets = binding.opened(credential) if credential else {}
        call = Call(row.tenant_id, "", {}, Deadline.after(SECONDS), candidate.config, candidate.base_url, secrets)
        let_go_of_connection()
        return _status(row, call)
    except HubError as error:
        # Its words may name whom the message was for.
        reason = error.reason if isinstance(error, ProviderError) else error.details.get("reason")
        log.warning("What became of a message could not be asked.", provider_key=row.provider_key, reason=reason)
        return None


def _status(row: Delivery, call: Call) -> InboundEvent | None:
    try:
        return registry.instance(row.provider_key).status(call, row.reference)
    except HubError:
        raise
    except Exception as fault:  # noqa: BLE001  Foreign code ends here, so that the wait for it ends in time.
        said = hiding.traceback_without(fault, call.secrets)
        log.error("An adapter raised what its contract does not name.", provider_key=row.provider_key, exception=said)
        return None


def _news(row: Delivery, event: InboundEvent) -> deliveries.News:
    return deliveries.News(
        id="",
        kind=event.kind.value,
        provider_key=row.provider_key,
        reference=row.reference,
        at=event.occurred_at or datetime.now(UTC),
        reason=event.reason,
        code=event.code,
        fault=event.fault.code if event.fault else "",
    )
