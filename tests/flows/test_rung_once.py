"""While the broker is away, one message for each thing to be done is enough."""

from uuid import UUID

import pytest
from django.db.models.functions import Now

from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution import awaiting, settling, tasks
from integrationhub.execution.models import Delivery, Execution
from integrationhub.outbox.models import OutboxMessage
from tests.flows.test_success_status import ask, both, last, twilio, vonage
from tests.make import Api
from tests.providers.carriers import TwilioServer
from tests.webhooks.posting import work_off
from tests.webhooks.test_carriers import told_by_twilio

__all__ = ["both", "twilio", "vonage"]


def waiting(task: str) -> list[OutboxMessage]:
    return list(OutboxMessage.objects.using("system").filter(task__endswith=task))


def test_a_look_that_nobody_took_is_not_rung_for_again(both: Api) -> None:
    ask(both)
    for _ in range(3):
        Delivery.objects.using("system").update(look_at=Now())
        settling.settle()
    [message] = waiting("look_at_delivery")
    tasks.look_at_delivery(**message.arguments)
    OutboxMessage.objects.using("system").filter(id=message.id).delete()
    Delivery.objects.using("system").update(look_at=Now())
    settling.settle()
    assert len(waiting("look_at_delivery")) == 1


@pytest.fixture
def given_up(both: Api, twilio: TwilioServer) -> UUID:
    """One whose next provider is to be called, and whose message to a worker waits."""
    execution_id = ask(both)
    url, sid = last(twilio)
    told_by_twilio(url, sid, "failed")
    work_off()
    return UUID(execution_id)


def test_a_next_provider_that_nobody_came_for_is_not_rung_for_again(given_up: UUID) -> None:
    for _ in range(3):
        Execution.objects.using("system").filter(id=given_up).update(lease_until=Now())
        settling.settle()
    assert len(waiting("go_on")) == 1


def test_a_message_of_an_earlier_take_keeps_no_later_one_back(both: Api, given_up: UUID) -> None:
    """It would find nothing to do."""
    with tenant_scope(both.tenant):
        Execution.objects.filter(id=given_up).update(takes=7)
        awaiting.ring_to_go_on(Execution.objects.get(id=given_up))
    assert sorted(message.arguments["takes"] for message in waiting("go_on")) == [1, 7]
