"""Send once more what did not succeed: the order of an execution, as a new one that names it."""

from dataclasses import replace
from typing import Any

from integrationhub.core.http import Principal
from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution import awaiting, keeping, listing, order
from integrationhub.execution.errors import in_the_way
from integrationhub.execution.models import Delivery, DeliveryStatus, Execution, Status
from providers import schema_faults

RETRY_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "force": {
            "type": "boolean",
            "default": False,
            "description": "Send again although nobody knows whether the first time has been sent, or what a provider "
            "accepted then may be delivered yet.",
        }
    },
}
_body = schema_faults.compiled(RETRY_SCHEMA)

TWICE = 'To send it at the risk of a second time, say {"force": true}.'
# Those were about the first time.
NOT_REPEATED = {"send_at", "expires_at"}


def order_of(
    *, caller: Principal, request_id: str, execution_id: str, body: dict[str, Any], tenant_version: str | None
) -> order.Order:
    """The order to run anew, by the caller's own rights. Its payload is taken when the new execution is written.

    Raises InvalidRequest: 400 for a bad body, 404 for an unknown execution, 409 for one that is not to be retried (it
    has not ended, has succeeded, or was delivered late; nobody knows whether it was or will be delivered and `force` is
    not given; its payload is kept no longer, or it has been retried); what `order.read` raises; VaultUnreadable where
    the payload does not open.
    """
    order.refuse(schema_faults.faults(_body, body))
    tenant_id = caller.tenant_id
    with tenant_scope(tenant_id):
        execution = listing.one(tenant_id, execution_id)
        _refuse(execution, is_forced=body.get("force", False))
        if not execution.sealed_payload:
            follower = (
                Execution.objects.for_tenant(tenant_id)
                .filter(retry_of=execution.id)
                .values_list("id", flat=True)
                .first()
            )
            raise _without_payload(execution, follower)
    payload = keeping.opened(execution)
    options = {name: value for name, value in execution.options.items() if name not in NOT_REPEATED}
    asked = {"category": execution.category, "intent": execution.intent, "payload": payload, "options": options}
    wanted = order.read(asked, caller=caller, request_id=request_id, tenant_version=tenant_version)
    # A trial stays one, and no sandbox answers for what was none.
    options_then = order.options_of({**options, "mode": execution.mode}, wanted.intent)
    return replace(wanted, retry_of=execution.id, options=options_then)


def _refuse(execution: Execution, *, is_forced: bool) -> None:
    """Inside the caller's `tenant_scope`."""
    if execution.status in (Status.QUEUED, Status.RUNNING):
        raise in_the_way(execution, "It has not ended.", reason="execution_not_ended")
    if execution.status == Status.SUCCEEDED:
        raise in_the_way(execution, "It has succeeded.", reason="execution_succeeded")
    accepted = _accepted(execution)
    if came := [row.provider_key for row in accepted if awaiting.has_come(row)]:
        words = "Its message came all the same, after its end."
        raise in_the_way(execution, words, reason="delivered_late", provider_keys=came)
    if is_forced:
        return
    if execution.status == Status.UNKNOWN:
        raise in_the_way(execution, f"It may have been sent. {TWICE}", reason="outcome_unknown")
    if accepted:
        words = f"A provider has accepted it, and may deliver it yet. {TWICE}"
        raise in_the_way(
            execution, words, reason=awaiting.NOT_IN_TIME, provider_keys=[row.provider_key for row in accepted]
        )


def _accepted(execution: Execution) -> list[Delivery]:
    """What providers took of it, and have not said to have failed."""
    mine = Delivery.objects.for_tenant(execution.tenant_id).filter(execution_id=execution.id).order_by("id")
    return list(mine.exclude(status=DeliveryStatus.FAILED))


def _without_payload(execution: Execution, follower: Any) -> Exception:
    if follower:
        words = f"It has been retried as {follower}; retry that one."
        return in_the_way(execution, words, reason="retried_already", retried_as=str(follower))
    words = (
        "What it was to send is kept no longer than a week, and not where it is long; send it anew by POST /execute."
    )
    return in_the_way(execution, words, reason="payload_not_kept")
