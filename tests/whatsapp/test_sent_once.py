"""Meta has no key against a second sending: what may have been sent is known for what it is, and not sent again."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, OperationalError, connections

from integrationhub.core import catalogue
from tests.make import keyed
from tests.meta.graph_server import GraphServer
from tests.whatsapp.talking import HELLO, Talk, failure, status
from whatsapp import deliveries, sending

REPLAYED = "Idempotent-Replayed"


@pytest.fixture
def short_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "CALL_SECONDS", 2.0)


LOSSES = {"its answer was lost": GraphServer.lose_answer, "Meta was silent": GraphServer.be_silent}


@pytest.mark.parametrize("loss", LOSSES)
def test_when_nobody_knows_the_caller_hears_so_and_a_webhook_with_our_id_tells_the_rest(
    talk: Talk, meta: GraphServer, short_calls: None, loss: str
) -> None:
    LOSSES[loss](meta)
    answer = talk.send()
    said = answer.json()
    assert (answer.status_code, said["code"]) == (503, catalogue.WHATSAPP_UNAVAILABLE.code)
    assert (said["details"]["reason"], said["retryable"]) == ("outcome_unknown", False)
    assert "Retry-After" not in answer
    delivery = talk.delivery(said["details"]["deliveryId"])
    assert (delivery["status"], delivery["message_id"], delivery["timeline"]) == ("unknown", None, [])
    [sent] = meta.sent
    told = {**delivery, "message_id": "wamid.ONLY+META/KNOWS=", "id": sent["biz_opaque_callback_data"]}
    assert talk.meta_tells(status(told, "delivered")) == [True]
    reconciled = talk.delivery("wamid.ONLY+META/KNOWS=")
    assert (reconciled["id"], reconciled["status"], reconciled["error"]) == (delivery["id"], "delivered", None)
    assert len(meta.sent) == 1


def test_a_lost_message_that_meta_could_not_deliver_is_known_to_have_failed(talk: Talk, meta: GraphServer) -> None:
    meta.lose_answer()
    delivery = talk.delivery(talk.send().json()["details"]["deliveryId"])
    talk.meta_tells(failure({**delivery, "message_id": "wamid.A"}))
    assert talk.delivery(delivery["id"])["status"] == "failed"


def test_the_same_key_sends_once_and_answers_the_same_bytes(talk: Talk, meta: GraphServer) -> None:
    key = keyed()
    answers = [talk.send(**key) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202] * 3
    assert len({answer.content for answer in answers}) == 1
    assert [REPLAYED in answer for answer in answers] == [False, True, True]
    assert len(meta.sent) == 1
    assert talk.api.get("/usage").json()["used"] == 1


def test_twenty_requests_at_once_with_one_key_send_one_message(talk: Talk, meta: GraphServer) -> None:
    key, answers = keyed(), []
    meta.delay = 0.3

    def ask() -> None:
        answers.append(talk.send(**key))
        for each in connections.all(initialized_only=True):
            each.close()

    crowd = [threading.Thread(target=ask) for _ in range(20)]
    for each in crowd:
        each.start()
    for each in crowd:
        each.join(30)
    assert sorted({answer.status_code for answer in answers}) == [202, 409]
    assert len(meta.sent) == 1
    assert len(talk.deliveries()) == 1
    assert talk.api.get("/usage").json()["used"] == 1


def test_the_same_key_with_another_body_is_refused(talk: Talk, meta: GraphServer) -> None:
    key = keyed()
    talk.sent(**key)
    answer = talk.send({**HELLO, "text": {"body": "another"}}, **key)
    assert (answer.status_code, answer.json()["details"]["reason"]) == (422, "idempotency_key_reused")
    assert len(meta.sent) == 1


def test_what_was_refused_before_meta_was_asked_leaves_the_key_free(talk: Talk, meta: GraphServer) -> None:
    key = keyed()
    assert talk.send({**HELLO, "to": "+1"}, **key).status_code == 400
    assert talk.send(**key).status_code == 202


@pytest.mark.parametrize("lose", [False, True], ids=["refused by Meta", "nobody knows"])
def test_what_meta_did_with_it_is_kept_under_the_key_too(talk: Talk, meta: GraphServer, lose: bool) -> None:
    key = keyed()
    meta.lose_answer() if lose else meta.fail(131026)
    first = talk.send(**key)
    again = talk.send(**key)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert first.status_code == (503 if lose else 400)
    assert len(talk.deliveries()) == 1
    assert len([asked for asked in meta.asked if asked.method == "POST"]) == 1


# --- The process dies, or the database is away, in the middle ---


@pytest.fixture
def crash(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The process dies between Meta's answer and its being written down."""

    def dies(*_: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(deliveries, "accepted", dies)
        yield


def aged(talk: Talk, by: timedelta) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute("ALTER TABLE whatsapp_delivery NO FORCE ROW LEVEL SECURITY")
        cursor.execute("UPDATE whatsapp_delivery SET created_at = %s", [datetime.now(UTC) - by])
        assert cursor.rowcount == 1
        cursor.execute("ALTER TABLE whatsapp_delivery FORCE ROW LEVEL SECURITY")


def test_a_repeat_after_a_crash_sends_nothing_and_tells_what_is_known(
    talk: Talk, meta: GraphServer, crash: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = keyed()
    with pytest.raises(SystemExit):
        talk.send(**key)
    monkeypatch.undo()
    assert talk.send(**key).status_code == 409  # As far as anyone knows, it is still at it.
    aged(talk, timedelta(minutes=2))
    answer = talk.send(**key)
    assert (answer.status_code, answer.json()["details"]["reason"]) == (503, "outcome_unknown")
    [delivery] = talk.deliveries()
    assert delivery["status"] == "unknown"
    talk.meta_tells(status({**delivery, "message_id": "wamid.A"}, "sent"))
    told = talk.send(**key)
    assert (told.status_code, told.json()["status"], told.json()["message_id"]) == (202, "sent", "wamid.A")
    assert len(meta.sent) == 1


def test_a_database_that_goes_after_the_call_leaves_an_unknown_outcome_not_a_failure_to_repeat(
    talk: Talk, meta: GraphServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_away(*_: Any) -> None:
        raise DatabaseError

    monkeypatch.setattr(deliveries, "accepted", is_away)
    said = talk.send().json()
    assert (said["statusCode"], said["details"]["reason"], said["retryable"]) == (503, "outcome_unknown", False)
    assert set(said["details"]["meta"]) == {"code", "subcode", "details", "fbtraceId"}
    assert talk.delivery(said["details"]["deliveryId"])["status"] == "unknown"


def test_a_webhook_that_comes_before_the_answer_to_the_sending_loses_nothing(
    talk: Talk, meta: GraphServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept = deliveries.accepted

    def after_the_webhook(delivery: Any, sent: Any) -> Any:
        early = {"id": str(delivery.id), "message_id": sent.message_id}
        assert talk.meta_tells(status(early, "delivered")) == [True]
        return accept(delivery, sent)

    monkeypatch.setattr(deliveries, "accepted", after_the_webhook)
    delivery = talk.sent()
    assert delivery["status"] == "delivered"
    assert {step["status"] for step in delivery["timeline"]} == {"accepted", "delivered"}


@pytest.fixture
def webhook_is_faster(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Meta tells that the message was sent, while the answer to the sending is still waited for, and then is lost."""
    refused = deliveries.refused

    def after_the_webhook(delivery: Any, error: Any) -> Any:
        early = {"id": str(delivery.id), "message_id": "wamid.EARLY"}
        assert talk.meta_tells(status(early, "sent")) == [True]
        return refused(delivery, error)

    monkeypatch.setattr(deliveries, "refused", after_the_webhook)


def test_a_message_of_which_a_webhook_told_before_its_answer_was_lost_has_been_sent(
    talk: Talk, meta: GraphServer, webhook_is_faster: None
) -> None:
    meta.lose_answer()
    sent = talk.sent()
    assert (sent["status"], sent["message_id"], sent["error"]) == ("sent", "wamid.EARLY", None)


@pytest.mark.parametrize("is_lost", [True, False])
def test_what_a_database_that_goes_keeps_from_being_recorded_is_told_as_what_it_is(
    talk: Talk, meta: GraphServer, monkeypatch: pytest.MonkeyPatch, is_lost: bool
) -> None:
    def is_away(*_: Any) -> None:
        raise OperationalError

    monkeypatch.setattr(deliveries, "refused", is_away)
    if is_lost:
        meta.lose_answer()
    else:
        meta.fail(131048)
    said = talk.send().json()
    assert said["code"] == ("ERR_INTEGRATION_HUB_SVC_WHATSAPP_UNAVAILABLE" if is_lost else "META_UNDELIVERABLE")
    assert (said["details"]["reason"], said["retryable"]) == ("outcome_unknown" if is_lost else "meta_131048", False)
    assert talk.delivery(said["details"]["deliveryId"])["status"] == "unknown"
