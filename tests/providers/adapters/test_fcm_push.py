"""Wire and answers as Firebase documents them, and as its own SDK speaks: tests/providers/fcm.py is strict about it."""

import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest

from providers import google_tokens, schema_faults
from providers.adapters.fcm_push import FcmPush
from providers.errors import Ambiguous, Next, ProviderError, Retry, Stop
from tests.providers import fcm
from tests.providers.carriers import Asked, Told
from tests.providers.fcm import FcmServer

FULL = {
    "data": {"order": "A-1042"},
    "image_url": "https://example.com/parcel.png",
    "ttl_seconds": 3600,
    "collapse_key": "order-A-1042",
    "priority": "high",
}


@pytest.fixture
def firebase() -> Iterator[FcmServer]:
    with FcmServer() as server:
        yield server
        assert server.faults == []


def failure(firebase: FcmServer, **payload: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        firebase.send(**payload)
    return caught.value


def answering(firebase: FcmServer, told: Told, path: str = "messages:send") -> None:
    firebase.answer = lambda asked: told if asked.path.endswith(path) else None


def test_every_member_of_the_payload_reaches_all_three_platforms(firebase: FcmServer) -> None:
    receipt = firebase.send(**FULL)
    [body] = firebase.sent()
    message = body["message"]
    expires = int(message["apns"]["headers"].pop("apns-expiration"))
    assert abs(expires - time.time() - 3600) < 10
    assert body == {
        "message": {
            "token": "device-1",
            "notification": {
                "title": "Shipped", "body": "On its way.", "image": "https://example.com/parcel.png",
            },
            "data": {"order": "A-1042"},
            "android": {"ttl": "3600s", "collapse_key": "order-A-1042", "priority": "high"},
            "apns": {
                "headers": {"apns-collapse-id": "order-A-1042", "apns-priority": "10"},
                "payload": {"aps": {"mutable-content": 1}},
            },
            "webpush": {"headers": {"TTL": "3600", "Topic": "order-A-1042", "Urgency": "high"}},
        }
    }  # fmt: skip
    assert receipt.reference == "projects/example-orders-4711/messages/0:2"
    assert firebase.accepted == {"On its way.": 1}


def test_a_plain_message_says_nothing_more_than_it_has_to(firebase: FcmServer) -> None:
    firebase.send(token=None, topic="/topics/orders")
    notification = {"title": "Shipped", "body": "On its way."}
    assert firebase.sent() == [{"message": {"topic": "orders", "notification": notification}}]


def test_a_collapse_key_that_is_no_topic_of_web_push_is_left_out_there(firebase: FcmServer) -> None:
    firebase.send(collapse_key="order A-1042 is on its way")
    [body] = firebase.sent()
    assert "webpush" not in body["message"]
    assert body["message"]["android"] == {"collapse_key": "order A-1042 is on its way"}


def test_a_check_is_validated_and_not_sent(firebase: FcmServer) -> None:
    assert firebase.adapter().check(firebase.call()) is True
    assert [body["validate_only"] for body in firebase.sent()] == [True]
    assert firebase.accepted.total() == 0


@pytest.mark.parametrize(
    ("status", "code", "kind", "reason"),
    [
        (400, "INVALID_ARGUMENT", Stop, "fcm_invalid_argument"),
        (404, "UNREGISTERED", Stop, "fcm_unregistered"),
        (403, "SENDER_ID_MISMATCH", Next, "fcm_sender_id_mismatch"),
        (401, "THIRD_PARTY_AUTH_ERROR", Next, "fcm_third_party_auth_error"),
        (429, "QUOTA_EXCEEDED", Retry, "fcm_quota_exceeded"),
        (503, "UNAVAILABLE", Retry, "fcm_unavailable"),
        (500, "INTERNAL", Ambiguous, "upstream_500"),
        (500, "UNREGISTERED", Ambiguous, "upstream_500"),
        (400, "NEVER_HEARD_OF", Stop, "upstream_400"),
    ],
)
def test_each_documented_code_has_its_class(
    firebase: FcmServer, status: int, code: str, kind: type[ProviderError], reason: str
) -> None:
    answering(firebase, fcm.error(status, code, "As documented."))
    error = failure(firebase)
    assert (type(error), error.reason, error.credential_refused) == (kind, reason, False)
    assert "As documented." in str(error)


def test_a_refusal_without_a_code_of_fcms_is_the_credentials(firebase: FcmServer) -> None:
    answering(firebase, fcm.error(403, "", "Firebase Cloud Messaging API has not been used in project 4711."))
    error = failure(firebase)
    assert (type(error), error.credential_refused) == (Next, True)


@pytest.mark.parametrize(("headers", "seconds"), [({"Retry-After": "17"}, 17.0), ({}, 60.0)])
def test_a_spent_quota_is_left_alone_for_what_is_said_or_a_minute(
    firebase: FcmServer, headers: dict[str, str], seconds: float
) -> None:
    answering(firebase, fcm.error(429, "QUOTA_EXCEEDED", **headers))
    assert failure(firebase).retry_after == seconds


# --- Its token ---


def test_a_token_is_fetched_once_for_all_messages(firebase: FcmServer) -> None:
    for _ in range(3):
        firebase.send()
    assert [asked.path for asked in firebase.asked].count("/token") == 1


def test_a_token_near_its_end_is_not_used_again(firebase: FcmServer) -> None:
    firebase.seconds = google_tokens.SPARE_SECONDS
    firebase.send()
    firebase.send()
    assert [asked.path for asked in firebase.asked].count("/token") == 2


def test_another_key_of_the_account_has_a_token_of_its_own(firebase: FcmServer) -> None:
    firebase.send()
    firebase.credentials["private_key"] += "\n"
    firebase.send()
    assert [asked.path for asked in firebase.asked].count("/token") == 2


def test_a_token_that_was_refused_is_fetched_anew(firebase: FcmServer) -> None:
    answering(firebase, fcm.error(401, "", "Request had invalid authentication credentials."))
    assert failure(firebase).credential_refused
    firebase.answer = None
    firebase.send()
    assert [asked.path for asked in firebase.asked].count("/token") == 2


def test_only_so_many_tokens_are_kept(firebase: FcmServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(google_tokens, "MOST_TOKENS", 2)
    for number in (1, 2, 3):
        firebase.credentials = fcm.account(number)
        firebase.send()
    assert len(google_tokens._tokens) == 2


@pytest.mark.parametrize(
    ("told", "kind", "reason", "is_refused"),
    [
        (Told(400, {"error": "invalid_grant", "error_description": "Invalid JWT"}), Next, "google_invalid_grant", True),
        (Told(401, {"error": "invalid_client"}), Next, "google_invalid_client", True),
        (Told(400, {"error": "invalid_request"}), Next, "token_refused", False),
        (Told(429, {}, {"Retry-After": "9"}), Retry, "token_refused", False),
        (Told(500, {"error": "invalid_grant"}), Retry, "token_refused", False),
        (Told(503), Retry, "token_refused", False),
        (Told(200, b"<html>"), Next, "token_refused", False),
        (Told(200, {"access_token": "", "expires_in": 3599}), Next, "token_refused", False),
        (Told(0, drops=True), Retry, "connection_lost", False),
    ],
)
def test_without_a_token_nothing_was_sent_and_another_may(
    firebase: FcmServer, told: Told, kind: type[ProviderError], reason: str, is_refused: bool
) -> None:
    """Never Ambiguous, whatever became of the exchange."""
    answering(firebase, told, "/token")
    error = failure(firebase)
    assert (type(error), error.reason, error.credential_refused) == (kind, reason, is_refused)
    assert error.retry_after == (9 if told.headers else None)
    assert firebase.sent() == []


@pytest.mark.parametrize("letters", ["hunter2", "MC4CAQAwBQYDK2VjBCIEIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"])
def test_a_key_that_is_none_is_refused_without_being_told(firebase: FcmServer, letters: str) -> None:
    firebase.credentials["private_key"] = f"-----BEGIN PRIVATE KEY-----\n{letters}\n-----END PRIVATE KEY-----\n"
    error = failure(firebase)
    assert (type(error), error.reason, error.credential_refused) == (Next, "private_key_unreadable", True)
    assert letters not in repr(error)
    assert error.__cause__ is None
    assert firebase.hits == 0


def test_neither_token_nor_statement_nor_key_is_ever_told(
    firebase: FcmServer, caplog: pytest.LogCaptureFixture
) -> None:
    def repeating(asked: Asked) -> Told:
        return Told(400, {"error": "invalid_grant", "error_description": f"{asked.form['assertion']} is not one"})

    caplog.set_level(logging.DEBUG)
    answering(firebase, fcm.error(400, "INVALID_ARGUMENT", f"{fcm.TOKEN} is not welcome"))
    told = str(failure(firebase))
    firebase.answer = repeating
    firebase.credentials = fcm.account()
    told += str(failure(firebase)) + caplog.text
    statements = [asked.form["assertion"] for asked in firebase.asked if asked.path == "/token"]
    assert len(statements) == 2
    assert "is not welcome" in told
    assert "is not one" in told
    assert [secret for secret in (fcm.TOKEN, statements[1].split(".")[2]) if secret in told] == []


# --- The key file ---


def test_a_key_file_is_a_credential_as_it_is() -> None:
    assert schema_faults.faults(schema_faults.compiled(FcmPush.credential_schema), fcm.account()) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("token_uri", "https://oauth2.example.com/token"),
        ("universe_domain", "example.com"),
        ("type", "authorized_user"),
        ("project_id", "../v1/projects/other"),
    ],
)
def test_a_key_file_that_names_another_place_is_refused(name: str, value: str) -> None:
    faults = schema_faults.faults(schema_faults.compiled(FcmPush.credential_schema), {**fcm.account(), name: value})
    assert [fault["field"] for fault in faults] == [name]
