"""A failure after the acceptance that is the recipient's own: no other provider would mend it, and none is called."""

from datetime import UTC, datetime
from uuid import UUID

from integrationhub.execution import deliveries
from integrationhub.execution.models import Delivery
from providers.callbacks import Kind
from tests.flows.test_success_status import (
    ask,
    both,
    reasons,
    sendings,
    shown,
    tell,
    time_passes,
    twilio,
    used,
    vonage,
    work,
)
from tests.make import Api
from tests.providers.carriers import TwilioServer, VonageServer

__all__ = ["both", "twilio", "vonage"]
INVALID_REQUEST = "ERR_INTEGRATION_HUB_SVC_INVALID_REQUEST"


def test_a_number_that_nobody_has_ends_the_chain(both: Api, twilio: TwilioServer, vonage: VonageServer) -> None:
    execution_id = ask(both)
    tell(twilio, "undelivered", ErrorCode="30005")
    body = shown(both, execution_id)
    assert (body["status"], body["error"]["code"], body["provider_key"]) == ("failed", INVALID_REQUEST, None)
    assert reasons(body) == [("twilio_sms", "failed", "twilio_30005")]
    assert body["attempts"][0]["class"] == "stop"
    assert body["delivery"]["timeline"][0]["fault"] == INVALID_REQUEST
    assert body["routing"]["providers"][1]["reason"] == "chain_ended"
    time_passes()
    assert (vonage.hits, shown(both, execution_id)) == (0, body)
    assert used(both.tenant) == 1


def test_what_the_first_one_delivered_late_has_succeeded_all_the_same(
    both: Api, twilio: TwilioServer, vonage: VonageServer
) -> None:
    execution_id = ask(both)
    time_passes()
    tell(twilio, "delivered")
    told_of_the_second(both.tenant, execution_id)
    body = shown(both, execution_id)
    assert (body["status"], body["provider_key"], body["fallback_used"]) == ("succeeded", "twilio_sms", False)


def told_of_the_second(tenant: UUID, execution_id: str) -> None:
    row = Delivery.objects.using("system").get(execution_id=execution_id, provider_key="vonage_sms")
    news = deliveries.News(
        "1", Kind.FAILED, "vonage_sms", row.reference, datetime.now(UTC), reason="vonage_dlr_4", fault=INVALID_REQUEST
    )
    assert deliveries.apply(tenant, news)
    work()


def test_it_may_be_retried(both: Api, twilio: TwilioServer) -> None:
    execution_id = ask(both)
    tell(twilio, "failed", ErrorCode="21610")
    assert shown(both, execution_id)["status"] == "failed"
    assert both.post(f"/executions/{execution_id}/retry").status_code == 202
    work()
    assert len(sendings(twilio)) == 2
