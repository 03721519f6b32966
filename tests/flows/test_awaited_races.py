"""Executions that wait for their messages, where something else comes in between."""

from django.db import connection

from tests.flows.test_success_status import ask, both, last, shown, time_passes, twilio, vonage
from tests.make import Api
from tests.providers.carriers import Asked, Told, TwilioServer, VonageServer
from tests.webhooks.posting import work_off
from tests.webhooks.test_carriers import told_by_twilio

__all__ = ["both", "twilio", "vonage"]


def test_what_is_delivered_while_the_last_one_refuses_has_not_failed(
    both: Api, twilio: TwilioServer, vonage: VonageServer
) -> None:
    execution_id = ask(both)

    def late(asked: Asked) -> Told:
        url, sid = last(twilio)
        told_by_twilio(url, sid, "delivered")
        work_off()
        connection.close()
        return Told(429)

    vonage.answer = late
    time_passes()
    body = shown(both, execution_id)
    assert vonage.hits >= 1
    assert (body["status"], body["provider_key"], body["fallback_used"]) == ("succeeded", "twilio_sms", False)
    assert "error" not in body
