"""Executions that wait for their messages, where something else comes in between."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.db import connections

from integrationhub.core.logs import JSONLine
from integrationhub.execution import ledger, settling, tasks
from integrationhub.execution.models import Attempt, Outcome
from integrationhub.outbox.models import OutboxMessage
from providers.adapters.twilio_sms import TwilioSms
from providers.errors import Next
from tests.execution.test_carriers import NUMBER
from tests.flows.test_later import lapse
from tests.flows.test_success_status import ask, both, last, reasons, shown, tell, time_passes, twilio, vonage
from tests.make import Api
from tests.providers.carriers import Asked, Told, TwilioServer, VonageServer
from tests.webhooks.posting import work_off
from tests.webhooks.test_carriers import told_by_twilio

__all__ = ["both", "twilio", "vonage"]
UNKNOWN = "ERR_INTEGRATION_HUB_SVC_EXECUTION_FAILED"


def test_what_is_delivered_while_the_last_one_refuses_has_not_failed(
    both: Api, twilio: TwilioServer, vonage: VonageServer
) -> None:
    execution_id = ask(both)

    def late(asked: Asked) -> Told:
        url, sid = last(twilio)
        told_by_twilio(url, sid, "delivered")
        work_off()
        connections.close_all()
        return Told(429)

    vonage.answer = late
    time_passes()
    body = shown(both, execution_id)
    assert vonage.hits >= 1
    assert (body["status"], body["provider_key"], body["fallback_used"]) == ("succeeded", "twilio_sms", False)
    assert "error" not in body


def swept_in_mid_call(api: Api, twilio: TwilioServer) -> Callable[[Asked], Told]:
    def sweep(asked: Asked) -> Told:
        lapse(api.tenant)
        assert settling.settle() == 1
        [execution] = api.get("/executions").json()["data"]
        assert (execution["status"], execution["error"]["code"]) == ("unknown", UNKNOWN)
        connections.close_all()
        return twilio.acceptance(asked)

    return sweep


def test_one_that_was_given_up_in_mid_call_and_was_accepted_all_the_same_waits_for_its_message(
    both: Api, twilio: TwilioServer, vonage: VonageServer
) -> None:
    twilio.answer = swept_in_mid_call(both, twilio)
    execution_id = ask(both)
    body = shown(both, execution_id)
    assert (body["status"], body["delivery"]["status"]) == ("running", "accepted")
    assert "error" not in body
    tell(twilio, "delivered")
    assert (shown(both, execution_id)["status"], vonage.hits) == ("succeeded", 0)


def test_one_that_was_given_up_in_mid_call_and_is_not_delivered_goes_on(
    both: Api, twilio: TwilioServer, vonage: VonageServer
) -> None:
    twilio.answer = swept_in_mid_call(both, twilio)
    execution_id = ask(both)
    time_passes()
    assert reasons(shown(both, execution_id))[1] == ("vonage_sms", "succeeded", None)
    assert vonage.hits == 1


def test_one_that_was_given_up_and_has_been_retried_by_force_is_sent_by_nobody_else(
    both: Api, twilio: TwilioServer, vonage: VonageServer
) -> None:
    sweep = swept_in_mid_call(both, twilio)

    def retried(asked: Asked) -> Told:
        answer, twilio.answer = sweep(asked), None
        [execution] = both.get("/executions").json()["data"]
        assert both.post(f"/executions/{execution['execution_id']}/retry", {"force": True}).status_code == 202
        OutboxMessage.objects.using("system").filter(task__endswith="run_execution").delete()
        connections.close_all()
        return answer

    twilio.answer = retried
    execution_id = ask(both)
    time_passes()
    body = shown(both, execution_id)
    assert (body["status"], reasons(body)) == ("failed", [("twilio_sms", "failed", "not_delivered_in_time")])
    assert vonage.hits == 0


def test_a_worker_that_wakes_up_beside_another_ends_its_turn(
    both: Api, twilio: TwilioServer, vonage: VonageServer
) -> None:
    """It had taken the execution, slept, and begins its call while the message for the next worker is on its way."""
    execution_id = ask(both)
    url, sid = last(twilio)
    told_by_twilio(url, sid, "failed")
    work_off()
    [going_on] = OutboxMessage.objects.using("system").filter(task__endswith="go_on")
    takes = going_on.arguments["takes"]
    tenant_id = UUID(going_on.arguments["tenant_id"])
    asleep = ledger.take_again(tenant_id, UUID(execution_id), takes, 30)
    assert asleep
    # Another was rung for after its lease, was held back, and gave its turn back.
    other = ledger.take_again(tenant_id, UUID(execution_id), takes + 1, 30)
    assert other
    ledger.put_off(other, 1)
    begun = Attempt(tenant_id=tenant_id, execution_id=asleep.id, sequence=2, provider_key="vonage_sms")
    begun.outcome = Outcome.STARTED
    ledger.begin_attempt(asleep, begun)
    tasks.go_on(**{**going_on.arguments, "takes": takes + 1})
    body = shown(both, execution_id)
    assert (body["status"], vonage.hits) == ("running", 0)
    assert [each["outcome"] for each in body["attempts"]] == ["failed", "started"]


def test_a_provider_that_answers_a_look_with_nonsense_is_given_up_in_time(
    both: Api, vonage: VonageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution_id = ask(both)

    def broken(*_: Any) -> None:
        raise KeyError("status")

    monkeypatch.setattr(TwilioSms, "status", broken)
    time_passes()
    assert reasons(shown(both, execution_id))[1] == ("vonage_sms", "succeeded", None)


def test_what_a_provider_says_to_a_look_is_not_logged(
    both: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ask(both)

    def refused(*_: Any) -> None:
        raise Next(f"The number {NUMBER} is not one of yours.", reason="refused")

    monkeypatch.setattr(TwilioSms, "status", refused)
    time_passes()
    lines = [JSONLine().format(record) for record in caplog.records]
    [line] = [line for line in lines if "could not be asked" in line]
    assert '"reason": "refused"' in line
    assert NUMBER not in line
