"""What the adapter sends is what firebase-admin sends, for the message and for the token before it."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

import firebase_admin
import jwt
import pytest
from firebase_admin import credentials, messaging

from providers.adapters.fcm_push import SCOPE, FcmPush
from tests.providers import fcm
from tests.providers.answering import AnsweringServer, Asked, call
from tests.providers.wire import Redirected, assert_same

ACCOUNT = fcm.account()
# Google's token endpoint and FCM have nothing in common but that both are content with it.
BOTH = {"access_token": fcm.TOKEN, "expires_in": 3599, "name": "projects/example-orders-4711/messages/0:1"}
MOMENT = {"body.message.apns.headers.apns-expiration": "an absolute time: each counts from its own now"}


@pytest.fixture
def app(server: AnsweringServer) -> Iterator[firebase_admin.App]:
    server.answer(200, BOTH, **{"Content-Type": "application/json"})
    known = credentials.Certificate({**ACCOUNT, "token_uri": f"{server.base_url}/token"})
    app = firebase_admin.initialize_app(known, name=uuid4().hex)
    session = messaging._get_messaging_service(app)._client.session
    session.mount("https://fcm.googleapis.com", Redirected(server))
    yield app
    firebase_admin.delete_app(app)


def both(server: AnsweringServer, app: firebase_admin.App, payload: Any, message: messaging.Message) -> list[Asked]:
    """The requests for token and message: ours, and then theirs."""
    given = call("message.send.push", payload, **{**ACCOUNT, "client_email": fcm.account()["client_email"]})
    reference = FcmPush(server.client()).execute(given).reference
    assert messaging.send(message, app=app) == reference
    return server.asked


# A payload names registration tokens; of the two, firebase-admin 7 would rather have installation ids.
@pytest.mark.filterwarnings("ignore:Message.token is deprecated")
def test_a_full_message_is_the_sdks(server: AnsweringServer, app: firebase_admin.App) -> None:
    message = messaging.Message(
        token="device-1",
        notification=messaging.Notification("Shipped", "On its way.", "https://example.com/parcel.png"),
        data={"order": "A-1042"},
        android=messaging.AndroidConfig(ttl=3600, collapse_key="order-A-1042", priority="high"),
        apns=messaging.APNSConfig(
            headers={"apns-collapse-id": "order-A-1042", "apns-priority": "10"},
            payload=messaging.APNSPayload(messaging.Aps(mutable_content=True)),
        ),
        webpush=messaging.WebpushConfig(headers={"TTL": "3600", "Topic": "order-A-1042", "Urgency": "high"}),
    )
    payload = {
        "token": "device-1", "title": "Shipped", "body": "On its way.", "data": {"order": "A-1042"},
        "image_url": "https://example.com/parcel.png", "ttl_seconds": 3600, "collapse_key": "order-A-1042",
        "priority": "high",
    }  # fmt: skip
    _, ours, _, theirs = both(server, app, payload, message)
    assert_same(ours, theirs, apart=MOMENT)


def test_a_message_to_a_topic_is_the_sdks(server: AnsweringServer, app: firebase_admin.App) -> None:
    message = messaging.Message(topic="orders", notification=messaging.Notification("Shipped", "On its way."))
    payload = {"topic": "orders", "title": "Shipped", "body": "On its way."}
    _, ours, _, theirs = both(server, app, payload, message)
    assert_same(ours, theirs)


def test_a_check_is_the_sdks_dry_run(server: AnsweringServer, app: firebase_admin.App) -> None:
    given = call("message.send.push", **{**ACCOUNT, "client_email": fcm.account()["client_email"]})
    assert FcmPush(server.client()).check(given)
    probe = messaging.Message(topic="integration-hub-check", notification=messaging.Notification("Check"))
    messaging.send(probe, dry_run=True, app=app)
    _, ours, _, theirs = server.asked
    assert_same(ours, theirs)


def test_the_token_is_asked_for_as_the_sdk_asks(server: AnsweringServer, app: firebase_admin.App) -> None:
    """But for the time, and for the scope: the SDK's token is for all of Firebase, ours for messages alone."""
    message = messaging.Message(topic="orders", notification=messaging.Notification("Shipped", "On its way."))
    ours, _, theirs, _ = both(server, app, {"topic": "orders", "title": "Shipped", "body": "On its way."}, message)
    apart = {"body.assertion": "signed at another time"}
    assert_same(ours, theirs, apart=apart)
    assert jwt.get_unverified_header(statement(ours)) == jwt.get_unverified_header(statement(theirs))
    our_claims, their_claims = claims(ours), claims(theirs)
    assert our_claims["scope"] == SCOPE
    assert our_claims["exp"] - our_claims["iat"] == their_claims["exp"] - their_claims["iat"]
    assert our_claims["aud"] == their_claims["aud"]
    assert our_claims.keys() == their_claims.keys()


def statement(asked: Asked) -> str:
    return parse_qs(asked.body.decode())["assertion"][0]


def claims(asked: Asked) -> Any:
    """Checked against the account's public key, whoever signed."""
    return jwt.decode(
        statement(asked), fcm.key().public_key(), ["RS256"], audience="https://oauth2.googleapis.com/token"
    )
