"""A failed execution whose message a provider accepted: it may still come, so that nobody sends it twice unasked."""

from typing import Any

import pytest

from tests.flows.test_retry import reason, retry
from tests.flows.test_success_status import ask, both, sendings, shown, tell, time_passes, twilio, vonage, work
from tests.make import Api
from tests.providers.carriers import TwilioServer, VonageServer

__all__ = ["both", "twilio", "vonage"]
FORCED = {"force": True}


@pytest.fixture
def not_in_time(both: Api) -> str:
    """Both carriers accepted it, and neither said that it was delivered."""
    execution_id = ask(both)
    for _ in range(3):
        time_passes()
    assert shown(both, execution_id)["status"] == "failed"
    return execution_id


def test_what_was_accepted_and_is_not_known_to_have_failed_is_sent_again_only_by_force(
    both: Api, not_in_time: str, twilio: TwilioServer
) -> None:
    refused = retry(both, not_in_time)
    assert reason(refused) == (409, "not_delivered_in_time")
    assert refused.json()["details"]["providerKeys"] == ["twilio_sms", "vonage_sms"]
    assert len(sendings(twilio)) == 1
    again = retry(both, not_in_time, FORCED)
    assert (again.status_code, again.json()["retry_of"]) == (202, not_in_time)
    work()
    assert len(sendings(twilio)) == 2


@pytest.mark.parametrize("body", [None, FORCED])
def test_what_was_delivered_late_is_not_sent_again_and_stays_as_it_ended(
    both: Api, not_in_time: str, twilio: TwilioServer, vonage: VonageServer, body: Any
) -> None:
    tell(twilio, "delivered")
    refused = retry(both, not_in_time, body)
    assert reason(refused) == (409, "delivered_late")
    assert refused.json()["details"]["providerKeys"] == ["twilio_sms"]
    told = shown(both, not_in_time)
    assert (told["status"], told["delivery"]["status"]) == ("failed", "delivered")
    assert (len(sendings(twilio)), len(sendings(vonage))) == (1, 1)


def test_what_every_provider_gave_up_is_retried_freely(both: Api, twilio: TwilioServer) -> None:
    execution_id = ask(both, providers=["twilio_sms"])
    tell(twilio, "undelivered", ErrorCode="30003")
    assert shown(both, execution_id)["status"] == "failed"
    assert retry(both, execution_id).status_code == 202
