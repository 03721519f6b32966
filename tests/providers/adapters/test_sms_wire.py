"""Text messages on the wire: each adapter's request beside that of the provider's own library for the same message."""

import base64
from dataclasses import replace
from typing import Any

import messagebird
import pytest
import vonage
from messagebird.http_client import HttpClient as MessageBirdHttp
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client as Twilio
from vonage_sms import SmsMessage

from providers import registry
from tests.providers.answering import AnsweringServer, Asked, call
from tests.providers.wire import Redirected, assert_same

SID, TOKEN = "AC" + "1" * 32, "0123456789abcdef0123456789abcdef"
KEY, KEY_SECRET = "SK" + "2" * 32, "a-secret-of-32-letters-0123456789"
TO = "+14155552671"
TEXTS = ["Your code is 4921.", "Tea & cake: 5 € + ü = 100 %", "漢字 🎉\nsecond line"]


def ours(server: AnsweringServer, key: str, payload: dict[str, Any], secrets: dict[str, str], **config: str) -> Asked:
    sent = replace(call("message.send.sms", payload, **secrets), base_url=server.base_url, config=config)
    registry.instance(key).execute(sent)
    return server.asked[-1]


# --- Twilio, beside the package twilio ---


def twilio(server: AnsweringServer, *login: str) -> Twilio:
    server.answer(201, {"sid": "SM1", "status": "queued", "num_segments": "1"})
    http = TwilioHttpClient()
    http.session.mount("https://", Redirected(server))
    return Twilio(*login, http_client=http)


@pytest.mark.parametrize("text", TEXTS)
def test_twilio_is_asked_as_by_its_own_library(server: AnsweringServer, text: str) -> None:
    twilio(server, SID, TOKEN).messages.create(to=TO, from_="+15005550006", body=text, validity_period=60)
    payload = {"to": TO, "text": text, "from": "+15005550006", "ttl_seconds": 60}
    assert_same(ours(server, "twilio_sms", payload, {"account_sid": SID, "auth_token": TOKEN}), server.asked[0])


def test_twilio_is_asked_for_a_messaging_service_by_an_api_key_as_by_its_own_library(server: AnsweringServer) -> None:
    service = "MG" + "a" * 32
    twilio(server, KEY, KEY_SECRET, SID).messages.create(to=TO, messaging_service_sid=service, body="Hello")
    secrets = {"account_sid": SID, "api_key_sid": KEY, "api_key_secret": KEY_SECRET}
    sent = ours(server, "twilio_sms", {"to": TO, "text": "Hello"}, secrets, messaging_service_sid=service)
    assert_same(sent, server.asked[0])


def test_twilios_account_is_read_as_by_its_own_library(server: AnsweringServer) -> None:
    client = twilio(server, SID, TOKEN)
    server.answer(200, {"sid": SID, "status": "active"})
    client.api.v2010.accounts(SID).fetch()
    login = replace(call("message.send.sms", account_sid=SID, auth_token=TOKEN), base_url=server.base_url)
    assert registry.instance("twilio_sms").check(login) is True
    assert_same(server.asked[1], server.asked[0])


# --- Vonage, beside the package vonage ---

VONAGE = {"api_key": "abcd1234", "api_secret": "abcdef0123456789Example"}
IN_THE_FORM = {
    "authorization": "the SMS API documents key and secret as members of the form; the library sends a Basic login",
    "body.api_key": "as above",
    "body.api_secret": "as above",
}


def vonage_client(server: AnsweringServer, said: dict[str, Any]) -> vonage.Vonage:
    server.answer(200, said)
    client = vonage.Vonage(vonage.Auth(**VONAGE))
    client.http_client._session.mount("https://", Redirected(server))
    return client


def vonage_message(text: str) -> SmsMessage:
    """Numbers without their plus sign, and Unicode announced, are what the library leaves to its caller."""
    kind = {} if text == TEXTS[0] or "€" in text else {"type": "unicode"}
    return SmsMessage(to=TO[1:], from_="IntegrHub", text=text, ttl=60_000, client_ref="order-1", **kind)


@pytest.mark.parametrize("text", TEXTS)
def test_vonage_is_asked_as_by_its_own_library_but_for_where_the_login_stands(
    server: AnsweringServer, text: str
) -> None:
    part = {
        "to": TO[1:],
        "message-id": "A",
        "status": "0",
        "remaining-balance": "1",
        "message-price": "1",
        "network": "1",
    }
    client = vonage_client(server, {"message-count": "1", "messages": [part]})
    client.sms.send(vonage_message(text))
    payload = {"to": TO, "text": text, "from": "IntegrHub", "ttl_seconds": 60, "reference": "order-1"}
    sent = ours(server, "vonage_sms", payload, VONAGE)
    assert_same(sent, server.asked[0], apart=IN_THE_FORM)
    login = base64.b64encode(":".join(VONAGE.values()).encode()).decode()
    assert server.asked[0].headers["Authorization"] == f"Basic {login}"


def test_vonages_balance_is_read_as_by_its_own_library(server: AnsweringServer) -> None:
    vonage_client(server, {"value": 10.28, "autoReload": False}).account.get_balance()
    login = replace(call("message.send.sms", **VONAGE), base_url=server.base_url)
    assert registry.instance("vonage_sms").check(login) is True
    assert_same(server.asked[1], server.asked[0])


# --- MessageBird, beside the package messagebird ---

BIRD = "live_0123456789abcdefEXAMPLE"


def bird(server: AnsweringServer, said: dict[str, Any]) -> messagebird.Client:
    server.answer(200, said)
    return messagebird.Client(BIRD, MessageBirdHttp(server.base_url, BIRD, "MessageBird"))


@pytest.mark.parametrize("text", TEXTS)
def test_messagebird_is_asked_as_by_its_own_library(server: AnsweringServer, text: str) -> None:
    """Numbers without their plus sign are what the library leaves to its caller."""
    client = bird(server, {"id": "b1", "recipients": {"totalCount": 1, "items": []}})
    more = {"validity": 60, "reference": "order-1", "datacoding": "auto"}
    client.message_create("IntegrHub", TO[1:], text, more)
    payload = {"to": TO, "text": text, "from": "IntegrHub", "ttl_seconds": 60, "reference": "order-1"}
    assert_same(ours(server, "messagebird_sms", payload, {"access_key": BIRD}), server.asked[0])


def test_messagebirds_balance_is_read_as_by_its_own_library(server: AnsweringServer) -> None:
    bird(server, {"payment": "prepaid", "type": "credits", "amount": 9.2}).balance()
    login = replace(call("message.send.sms", access_key=BIRD), base_url=server.base_url)
    assert registry.instance("messagebird_sms").check(login) is True
    assert_same(server.asked[1], server.asked[0])


def test_messagebird_is_asked_for_a_status_report_as_by_its_own_library(server: AnsweringServer) -> None:
    client, asked = bird(server, {"id": "b1"}), call("message.send.sms", {"to": TO, "text": "Hello"}, access_key=BIRD)
    report = "https://hub.example/webhooks/ingest/messagebird_sms/an-example"
    config = {"from": "Hub", "callback_url": report}
    registry.instance("messagebird_sms").execute(replace(asked, base_url=server.base_url, config=config))
    more = {
        "datacoding": "auto",
        "reference": str(asked.attempt_id),
        "reportUrl": f"{report}?attempt={asked.attempt_id}",
    }
    client.message_create("Hub", TO[1:], "Hello", more)
    assert_same(server.asked[0], server.asked[1])


def test_a_message_of_messagebirds_is_read_as_by_its_own_library(server: AnsweringServer) -> None:
    said = {"id": "b1", "recipients": {"items": [{"recipient": 1, "status": "delivered"}]}}
    bird(server, said).message("b1")
    login = replace(call("message.send.sms", access_key=BIRD), base_url=server.base_url)
    event = registry.instance("messagebird_sms").status(login, "b1")
    assert event is not None
    assert_same(server.asked[1], server.asked[0])
