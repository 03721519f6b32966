"""Wire and answers as Vonage documents them; the answers are in tests/providers/answers/vonage_sms."""

import base64
from typing import Any

import pytest

from integrationhub.core.errors import InvalidRequest
from providers import registry
from providers.errors import Ambiguous, Next, ProviderError, Stop
from tests.providers.adapters.sending import call_to, check, send
from tests.providers.answers import recorded, vonage_statuses
from tests.providers.carriers import Told, VonageServer

OK = {"to": "14155552671", "message-id": "0C1", "status": "0"}


def test_the_request_is_on_the_wire_as_documented(vonage: VonageServer) -> None:
    send(vonage, text="Tea & cake: 5 € + ü", ttl_seconds=60, reference="order-7")
    [asked] = vonage.asked
    assert (asked.method, asked.path) == ("POST", "/sms/json")
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert "authorization" not in asked.headers
    assert asked.body == (
        b"api_key=abcd1234&api_secret=abcdef0123456789Carrier&from=IntegrHub&to=14155552671"
        b"&text=Tea+%26+cake%3A+5+%E2%82%AC+%2B+%C3%BC&ttl=60000&client-ref=order-7"
    )
    assert vonage.faults == []


def test_an_accepted_message_returns_vonages_id(vonage: VonageServer) -> None:
    receipt = send(vonage)
    assert receipt.reference == f"{1:016X}"
    assert receipt.result == {"message_ids": [receipt.reference]}
    assert vonage.accepted == {"Your code is 4921.": 1}


def test_the_documented_acceptance_of_a_long_message_is_read(vonage: VonageServer) -> None:
    vonage.answer = lambda _: recorded("vonage_sms", "accepted_in_two_parts")
    receipt = send(vonage)
    assert receipt.reference == "0C000000217B7F02"
    assert receipt.result == {"message_ids": ["0C000000217B7F02", "0C000000217B7F03"]}


@pytest.mark.parametrize(("text", "kind"), [("plain ä€", None), ("cyrillic Ж", "unicode"), ("snow ☃", "unicode")])
def test_unicode_is_said_where_it_is_needed(vonage: VonageServer, text: str, kind: str | None) -> None:
    send(vonage, text=text)
    assert vonage.asked[0].form.get("type") == kind
    assert vonage.accepted == {text: 1}
    assert vonage.faults == []


@pytest.mark.parametrize(
    ("payload", "config", "sender"),
    [({}, {"from": "Acme"}, "Acme"), ({"from": "+447700900001"}, {"from": "Acme"}, "447700900001")],
)
def test_the_payloads_sender_comes_first(
    vonage: VonageServer, payload: dict[str, str], config: dict[str, str], sender: str
) -> None:
    send(vonage, config=config, **payload)
    assert vonage.asked[0].form["from"] == sender


def test_without_a_sender_nothing_is_begun(vonage: VonageServer) -> None:
    with pytest.raises(InvalidRequest) as caught:
        registry.instance("vonage_sms").preflight(call_to(vonage, config={}))
    assert caught.value.details["fields"][0]["field"] == "payload.from"
    with pytest.raises(Next, match="no sender"):
        send(vonage, config={})
    assert vonage.hits == 0


@pytest.mark.parametrize(("asked", "sent"), [(1, "20000"), (20, "20000"), (90, "90000"), (2_419_200, "604800000")])
def test_a_message_lives_between_twenty_seconds_and_a_week(vonage: VonageServer, asked: int, sent: str) -> None:
    send(vonage, ttl_seconds=asked)
    assert vonage.asked[0].form["ttl"] == sent
    assert vonage.faults == []


@pytest.mark.parametrize("said", vonage_statuses(), ids=lambda said: said["error-text"])
def test_every_documented_status_has_its_class(vonage: VonageServer, said: dict[str, str]) -> None:
    vonage.answer = lambda _: vonage.refused(said["status"], f"{said['error-text']}, {vonage.api_secret}")
    with pytest.raises(ProviderError, match=f"{said['error-text']}, \\[hidden\\]") as caught:
        send(vonage)
    assert (caught.value.outcome_class, caught.value.reason) == (said["class"], f"vonage_{said['status']}")
    assert caught.value.upstream_status == 200


def test_a_status_that_is_not_documented_is_a_refusal(vonage: VonageServer) -> None:
    vonage.answer = lambda _: vonage.refused("99", "new")
    with pytest.raises(Stop):
        send(vonage)


def test_a_refused_login_is_the_credentials_fault_though_the_answer_is_200(vonage: VonageServer) -> None:
    with pytest.raises(Next) as caught:
        send(vonage, secrets={**vonage.credentials, "api_secret": "wrong-secret"})
    assert caught.value.credential_refused is True
    assert vonage.accepted.total() == 0


def test_an_account_without_credit_is_left_alone_for_long(vonage: VonageServer) -> None:
    vonage.answer = lambda _: recorded("vonage_sms", "out_of_credit")
    with pytest.raises(Next, match="Quota Exceeded") as caught:
        send(vonage)
    assert (caught.value.retry_after, caught.value.credential_refused) == (300, False)


def test_a_message_accepted_in_part_is_ambiguous(vonage: VonageServer) -> None:
    for parts in ([OK, {"status": "1"}], [{"status": "9"}, OK]):
        vonage.answer = lambda _, parts=parts: Told(200, {"message-count": "2", "messages": parts})
        with pytest.raises(Ambiguous) as caught:
            send(vonage)
        assert caught.value.reason == "partly_accepted"


@pytest.mark.parametrize(
    "body",
    [
        {"message-count": "0", "messages": []},
        {"message-count": "2", "messages": [OK]},
        {"message-count": "1", "messages": OK},
        {"messages": ["0"]},
        {"messages": [{**OK, "status": 0}]},
        {"messages": [{**OK, "status": ""}]},
        {"messages": [{**OK, "status": "²"}]},
        {"messages": [{**OK, "status": "9" * 5000}]},
        {"messages": [{**OK, "message-id": ""}]},
        {"messages": [{"status": "0"}]},
        {"messages": [OK, None]},
        {"messages": None},
    ],
)
def test_parts_that_cannot_be_read_are_ambiguous(vonage: VonageServer, body: Any) -> None:
    vonage.answer = lambda _: Told(200, body)
    with pytest.raises(Ambiguous) as caught:
        send(vonage)
    assert caught.value.reason == "unreadable_answer"


def test_parts_beside_a_server_error_are_not_believed(vonage: VonageServer) -> None:
    vonage.answer = lambda _: Told(500, {"message-count": "1", "messages": [OK]})
    with pytest.raises(Ambiguous):
        send(vonage)


def test_a_credential_is_checked_at_the_balance_with_no_secret_in_the_address(vonage: VonageServer) -> None:
    assert check(vonage) is True
    [asked] = vonage.asked
    assert (asked.method, asked.path) == ("GET", "/account/get-balance")
    login = base64.b64encode(f"{vonage.api_key}:{vonage.api_secret}".encode()).decode()
    assert asked.headers["authorization"] == f"Basic {login}"
    with pytest.raises(Next) as caught:
        check(vonage, secrets={**vonage.credentials, "api_secret": "wrong-secret"})
    assert (caught.value.upstream_status, caught.value.credential_refused) == (401, True)
    assert vonage.faults == []
