"""Ask a provider what became of a message: where it has told nothing by itself yet."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from credentials import binding
from integrationhub.core.deadline import Deadline
from integrationhub.core.errors import HubError
from integrationhub.core.memory import ShortMemory
from integrationhub.core.tenancy import let_go_of_connection, tenant_scope
from integrationhub.execution import awaiting, circuits, deliveries, resolution
from integrationhub.execution.models import Delivery
from marketplace.installing import Candidate
from providers import hiding, registry
from providers.adapter import Call
from providers.callbacks import InboundEvent, Kind
from providers.errors import ProviderError
from providers.models import Status

log = structlog.get_logger(__name__)

SECONDS = 8.0
# Where nobody waits for the answer, nobody waits long for it, and who gave none is left alone for a while.
UNAWAITED_SECONDS = 3.0
_silent: ShortMemory[tuple[UUID, str], bool] = ShortMemory(seconds=60, capacity=10_000)


def look(tenant_id: UUID, delivery_id: UUID) -> None:
    """Of a delivery that is looked at: ask its provider where that can be asked, and settle it."""
    with tenant_scope(tenant_id):
        looked_at = Delivery.objects.for_tenant(tenant_id).filter(id=delivery_id, look_at__isnull=False)
        row: Delivery | None = looked_at.first()
    if row is None or _was_looked_at(row):
        return
    event = _asked(row)
    if event and event.kind != Kind.ACCEPTED:  # That is known.
        deliveries.apply(tenant_id, _news(row, event))
    awaiting.settle(tenant_id, delivery_id)


def _was_looked_at(row: Delivery) -> bool:
    """One that nobody waits for, since it was rung for: who rang put it off for a moment, who looks for longer."""
    held = timedelta(seconds=awaiting.HELD_SECONDS)
    return row.due_at is None and row.look_at is not None and row.look_at > datetime.now(UTC) + held


def _asked(row: Delivery) -> InboundEvent | None:
    """What its provider answers; None where it cannot be asked now, or knows nothing of it."""
    adapter = registry.find(row.provider_key)
    if adapter is None or not adapter.can_be_asked():
        return None
    settled = resolution.of(row.tenant_id, None)
    candidate = next((one for one in settled.candidates if one.provider_key == row.provider_key), None)
    credential = settled.credentials.get(row.provider_key)
    if candidate is None or (credential is None and adapter.credential_schema):
        return None
    if row.due_at is None and _is_left_alone(row, candidate):
        return None
    deadline = Deadline.after(SECONDS if row.due_at else UNAWAITED_SECONDS)
    try:
        secrets = binding.opened(credential) if credential else {}
        call = Call(row.tenant_id, "", {}, deadline, candidate.config, candidate.base_url, secrets)
        let_go_of_connection()
        return _status(row, call)
    except HubError as error:
        _silent.put((row.tenant_id, row.provider_key), True)
        # Its words may name whom the message was for.
        reason = error.reason if isinstance(error, ProviderError) else error.details.get("reason")
        log.warning("What became of a message could not be asked.", provider_key=row.provider_key, reason=reason)
        return None


def _is_left_alone(row: Delivery, candidate: Candidate) -> bool:
    """It is switched off or does badly. A message that is waited for is asked for all the same: nobody else is to send
    what has come."""
    if not candidate.enabled or candidate.provider_status != Status.ACTIVE:
        return True
    return bool(_silent.get((row.tenant_id, row.provider_key)) or circuits.look(row.tenant_id, row.provider_key))


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
