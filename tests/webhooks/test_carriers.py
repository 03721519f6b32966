"""What Twilio and Vonage tell of messages that were sent, from their signed request to the execution it belongs to."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID, uuid4

import jwt
import pytest
from django.db import connections
from django.test import Client
from twilio.request_validator import RequestValidator

from integrationhub.execution import deliveries
from integrationhub.execution.models import Attempt, Delivery
from integrationhub.outbox.models import Event
from integrationhub.webhooks import handling
from integrationhub.webhooks.models import RefusedPost, WebhookEvent
from providers.callbacks import Kind
from tests.execution.test_carriers import NUMBER, installed
from tests.make import Api, another_tenant, sms
from tests.providers.carriers import Asked, Told, TwilioServer, VonageServer
from tests.webhooks.posting import count, events, subscribe, work_off

FORM = "application/x-www-form-urlencoded"
SECRET = "the-signature-secret-of-an-account"


@pytest.fixture
def twilio() -> Iterator[TwilioServer]:
    with TwilioServer() as server:
        yield server
        assert server.faults == []


@pytest.fixture
def sender(api: Api, twilio: TwilioServer) -> Api:
    """A tenant that sends by Twilio, has given it an address, and asks for the events of messages."""
    subscribe(api)
    return following(api, twilio)


def following(api: Api, carrier: Any) -> Api:
    url = opened(api, carrier.key)
    carrier.config = {**carrier.config, "callback_url": url}
    return installed(api, carrier)


def opened(api: Api, key: str) -> str:
    answer = api.post("/webhooks/endpoints", {"provider_key": key})
    assert answer.status_code == 201, answer.content
    return str(answer.json()["url"])


def told_by_twilio(url: str, sid: str, status: str, *, token: str = TwilioServer.auth_token, **more: str) -> Any:
    """As Twilio calls the address that the sending named."""
    fields = {"MessageSid": sid, "MessageStatus": status, "To": NUMBER, "AccountSid": TwilioServer.account_sid, **more}
    signature = RequestValidator(token).compute_signature(url, fields)
    where = urlsplit(url)
    client = Client(raise_request_exception=False)
    path = f"{where.path}?{where.query}" if where.query else where.path
    return client.post(path, urlencode(fields), content_type=FORM, headers={"X-Twilio-Signature": signature})


def sent(api: Api, twilio: TwilioServer) -> tuple[str, str, str]:
    """A message: the execution's id, the provider's, and the address that the sending named."""
    body = api.post("/execute", sms(NUMBER)).json()
    assert body["status"] == "succeeded", body
    return body["execution_id"], body["reference"], twilio.asked[-1].form["StatusCallback"]


def delivery(api: Api, execution_id: str) -> Any:
    return api.get(f"/executions/{execution_id}").json()["delivery"]


def told_to(tenant: UUID) -> list[Event]:
    return list(Event.objects.using("system").for_tenant(tenant).filter(kind__startswith="message.").order_by("id"))


def test_what_twilio_tells_is_shown_with_its_execution_and_told_to_the_tenant(
    sender: Api, twilio: TwilioServer
) -> None:
    execution_id, sid, url = sent(sender, twilio)
    assert delivery(sender, execution_id)["status"] == "accepted"
    for status in ("sent", "delivered"):
        assert told_by_twilio(url, sid, status).status_code == 200
        work_off()
    shown = delivery(sender, execution_id)
    assert (shown["status"], shown["provider_key"], shown["reference"]) == ("delivered", "twilio_sms", sid)
    assert [told["type"] for told in shown["timeline"]] == ["message.sent", "message.delivered"]
    published = told_to(sender.tenant)
    assert [event.kind for event in published] == ["message.sent", "message.delivered"]
    assert published[1].data["execution_id"] == execution_id
    assert (published[1].data["status"], published[1].data["reference"]) == ("delivered", sid)
    assert NUMBER not in json.dumps([event.data for event in published])
    [one, _] = sender.get("/webhooks?provider_key=twilio_sms").json()["data"]
    assert (one["type"], one["status"], one["reference"]) == ("message.delivered", "processed", sid)


def test_nothing_is_told_of_messages_where_nobody_asks_for_it(api: Api, twilio: TwilioServer) -> None:
    subscribe(following(api, twilio), "message.failed")
    execution_id, sid, url = sent(api, twilio)
    told_by_twilio(url, sid, "delivered")
    told_by_twilio(twilio.config["callback_url"], "SM" + "c" * 32, "", SmsStatus="received", Body="STOP", From=NUMBER)
    work_off()
    assert delivery(api, execution_id)["status"] == "delivered"
    assert [event.status for event in events(api.tenant)] == ["processed"] * 2
    assert told_to(api.tenant) == []


def test_a_failure_after_acceptance_names_twilios_code(sender: Api, twilio: TwilioServer) -> None:
    execution_id, sid, url = sent(sender, twilio)
    told_by_twilio(url, sid, "undelivered", ErrorCode="30003")
    work_off()
    shown = delivery(sender, execution_id)
    assert shown["status"] == "failed"
    assert (shown["timeline"][0]["reason"], shown["timeline"][0]["code"]) == ("twilio_30003", "30003")


@pytest.mark.parametrize(
    ("order", "status"),
    [
        (("delivered", "sent", "queued"), "delivered"),
        (("sent", "undelivered", "sent"), "failed"),
        (("undelivered", "delivered"), "delivered"),
        (("read", "delivered", "undelivered"), "read"),
    ],
)
def test_it_never_goes_back_in_whatever_order_it_is_told(
    sender: Api, twilio: TwilioServer, order: tuple[str, ...], status: str
) -> None:
    execution_id, sid, url = sent(sender, twilio)
    for each in order:
        told_by_twilio(url, sid, each)
        work_off()
    shown = delivery(sender, execution_id)
    assert shown["status"] == status
    assert len(shown["timeline"]) == len(set(order))


def test_what_is_told_twice_is_one_event(sender: Api, twilio: TwilioServer) -> None:
    execution_id, sid, url = sent(sender, twilio)
    for _ in range(2):
        told_by_twilio(url, sid, "delivered")
        work_off()
    # The same thing in other bytes, as a provider repeats it.
    told_by_twilio(url, sid, "delivered", SmsStatus="delivered")
    work_off()
    assert len(events(sender.tenant)) == 1
    assert len(delivery(sender, execution_id)["timeline"]) == 1
    assert len(told_to(sender.tenant)) == 1


def test_a_replay_tells_nothing_twice(sender: Api, twilio: TwilioServer) -> None:
    execution_id, sid, url = sent(sender, twilio)
    told_by_twilio(url, sid, "delivered")
    work_off()
    assert sender.post(f"/webhooks/{events(sender.tenant)[0].id}/replay").status_code == 202
    work_off()
    assert len(delivery(sender, execution_id)["timeline"]) == 1
    assert len(told_to(sender.tenant)) == 1


@pytest.mark.parametrize("lost", [False, True])
def test_what_comes_before_the_answer_to_the_sending_is_known_by_its_attempt(
    sender: Api, twilio: TwilioServer, lost: bool
) -> None:
    """Twilio tells of it before it answers; and where its answer is lost, that is all that is ever heard."""

    def tell_first(asked: Asked) -> Told:
        answer = twilio.acceptance(asked)
        told_by_twilio(asked.form["StatusCallback"], answer.body["sid"], "delivered")
        work_off()
        connections.close_all()
        return replace(answer, drops=lost)

    twilio.answer = tell_first
    answer = sender.post("/execute", sms(NUMBER))
    assert answer.status_code == (503 if lost else 200)
    [execution] = sender.get("/executions").json()["data"]
    assert delivery(sender, execution["execution_id"])["status"] == "delivered"
    assert execution["status"] == ("unknown" if lost else "succeeded")
    assert [event.data["execution_id"] for event in told_to(sender.tenant)] == [execution["execution_id"]]


def test_what_comes_early_and_names_no_attempt_is_looked_for_again(
    sender: Api, twilio: TwilioServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = twilio.config["callback_url"]

    def tell_first(asked: Asked) -> Told:
        answer = twilio.acceptance(asked)
        told_by_twilio(url, answer.body["sid"], "delivered")
        work_off()
        connections.close_all()
        return answer

    twilio.answer = tell_first
    execution_id = sender.post("/execute", sms(NUMBER)).json()["execution_id"]
    [event] = events(sender.tenant)
    assert (event.status, event.due_at is not None) == ("received", True)
    assert delivery(sender, execution_id)["timeline"] == []
    WebhookEvent.objects.using("system").update(due_at=event.received_at)
    work_off()
    assert events(sender.tenant)[0].status == "processed"
    assert delivery(sender, execution_id)["status"] == "delivered"


def test_a_message_that_the_hub_did_not_send_is_kept_after_a_while(
    sender: Api, twilio: TwilioServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handling, "LOOKED_FOR", handling.FIRST_LOOK * 0)
    assert told_by_twilio(twilio.config["callback_url"], "SM" + "a" * 32, "delivered").status_code == 200
    work_off()
    assert [(event.status, event.due_at) for event in events(sender.tenant)] == [("kept", None)]
    assert told_to(sender.tenant) == []


def test_of_two_that_are_told_of_by_their_attempts_alone_each_is_its_own(sender: Api, twilio: TwilioServer) -> None:
    """Some services name no id of theirs in a report, and may be faster than their answer to the sending."""
    ids = [sent(sender, twilio)[0] for _ in range(2)]
    attempts = [Attempt.objects.using("system").get(execution_id=each).id for each in ids]
    told = [
        deliveries.News(str(uuid4()), kind, "twilio_sms", "", datetime.now(UTC), attempt)
        for attempt, kind in zip(attempts, (Kind.DELIVERED, Kind.FAILED), strict=True)
    ]
    rows = Delivery.objects.using("system")
    answered = list(rows.all())
    rows.all().delete()
    assert [deliveries.apply(sender.tenant, news) for news in told] == [False, False]
    rows.bulk_create(answered)
    assert [deliveries.apply(sender.tenant, news) for news in told] == [True, True]
    assert [delivery(sender, each)["status"] for each in ids] == ["delivered", "failed"]


def test_an_attempt_of_another_tenant_is_not_told_of(sender: Api, twilio: TwilioServer) -> None:
    execution_id, _, url = sent(sender, twilio)
    other = following(another_tenant(), twilio)
    attempt = url.partition("?")[2]
    assert told_by_twilio(f"{twilio.config['callback_url']}?{attempt}", "SM" + "b" * 32, "failed").status_code == 200
    work_off()
    assert delivery(sender, execution_id)["timeline"] == []
    assert count("execution_delivery") == 1
    assert other.get(f"/executions/{execution_id}").status_code == 404


def test_a_wrong_signature_is_refused_and_its_body_kept_for_diagnosis(sender: Api, twilio: TwilioServer) -> None:
    execution_id, sid, url = sent(sender, twilio)
    answer = told_by_twilio(url, sid, "delivered", token="f" * 32)
    assert (answer.status_code, answer.json()["code"]) == (401, "ERR_INTEGRATION_HUB_INVALID_SIGNATURE")
    assert answer.json()["details"] == {"provider": "twilio_sms", "reason": "wrong_signature"}
    [kept] = RefusedPost.objects.using("system").all()
    assert (kept.tenant_id, kept.provider_key) == (sender.tenant, "twilio_sms")
    assert sid.encode() in bytes(kept.body)
    work_off()
    assert delivery(sender, execution_id)["timeline"] == []


def test_the_host_of_the_request_counts_for_nothing(sender: Api, twilio: TwilioServer) -> None:
    _, sid, url = sent(sender, twilio)
    fields = {"MessageSid": sid, "MessageStatus": "delivered"}
    forged = url.replace("hub.example", "evil.example")
    where = urlsplit(url)
    for signed_url, status in ((url, 200), (forged, 401)):
        answer = Client(raise_request_exception=False).post(
            f"{where.path}?{where.query}", urlencode(fields), content_type=FORM,
            headers={
                "X-Twilio-Signature": RequestValidator(TwilioServer.auth_token).compute_signature(signed_url, fields),
                "X-Forwarded-Host": "evil.example",
            },
        )  # fmt: skip
        assert answer.status_code == status


def test_during_a_rotation_the_token_before_still_signs(sender: Api, twilio: TwilioServer) -> None:
    _, sid, url = sent(sender, twilio)
    renewed = {"account_sid": TwilioServer.account_sid, "auth_token": "f" * 32}
    body = {"provider_key": "twilio_sms", "credentials": renewed, "verify": False}
    assert sender.post("/credentials/bind", body).status_code == 201
    assert told_by_twilio(url, sid, "sent").status_code == 200
    assert told_by_twilio(url, sid, "delivered", token="f" * 32).status_code == 200
    work_off()
    assert {event.type: event.secret for event in events(sender.tenant)} == {
        "message.sent": "previous",
        "message.delivered": "current",
    }


def test_what_somebody_writes_to_the_tenant_is_told_without_their_number(sender: Api, twilio: TwilioServer) -> None:
    fields = {"SmsStatus": "received", "Body": "STOP", "From": NUMBER}
    assert told_by_twilio(twilio.config["callback_url"], "SM" + "c" * 32, "", **fields).status_code == 200
    work_off()
    [event] = told_to(sender.tenant)
    assert (event.kind, event.data["reference"]) == ("message.received", "SM" + "c" * 32)
    assert sender.get(f"/webhooks/{event.data['webhook_id']}").json()["raw_body"].count("STOP") == 1
    assert NUMBER not in json.dumps(event.data)


def vonage_token(body: bytes, secret: str = SECRET) -> str:
    claims = {"iss": "Vonage", "iat": int(time.time()), "payload_hash": hashlib.sha256(body).hexdigest()}
    return f"Bearer {jwt.encode(claims, secret, 'HS256')}"


@pytest.fixture
def vonage() -> Iterator[VonageServer]:
    with VonageServer() as server:
        server.credentials = {**server.credentials, "signature_secret": SECRET}
        yield server
        assert server.faults == []


@pytest.mark.parametrize("prefix", ["", "/integrationhub/v1"])
def test_what_vonage_tells_is_shown_with_its_execution(api: Api, vonage: VonageServer, prefix: str) -> None:
    following(api, vonage)
    body = api.post("/execute", sms(NUMBER)).json()
    told = {"messageId": body["reference"], "status": "failed", "err-code": "6", "msisdn": NUMBER}
    raw = json.dumps(told).encode()
    path = prefix + urlsplit(vonage.config["callback_url"]).path
    post: Callable[..., Any] = Client(raise_request_exception=False).post
    refused = post(path, raw, content_type="application/json")
    assert (refused.status_code, refused.json()["details"]["provider"]) == (401, "vonage_sms")
    headers = {"Authorization": vonage_token(raw)}
    assert post(path, raw, content_type="application/json", headers=headers).status_code == 200
    work_off()
    shown = delivery(api, body["execution_id"])
    assert (shown["status"], shown["timeline"][0]["reason"]) == ("failed", "vonage_dlr_6")


def test_a_provider_that_tells_nothing_has_no_address_and_no_delivery(api: Api) -> None:
    answer = Client().post("/webhooks/ingest/gmail_email/a-token", b"{}", content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (404, "ERR_WEBHOOK_NOT_FOUND")
    assert api.post("/webhooks/endpoints", {"provider_key": "gmail_email"}).status_code == 400
    assert api.get(f"/executions/{uuid4()}").status_code == 404
