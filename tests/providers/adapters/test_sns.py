"""Amazon SES tells by SNS: messages signed by moto's SNS, with the certificate that it publishes."""

import base64
import datetime
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from moto.sns.models import sns_backends

from providers import registry, sns
from providers.adapter import Adapter
from providers.callbacks import Kind, Webhook
from providers.errors import InvalidSignature, Next
from tests.providers import conformance
from tests.providers.answering import AnsweringServer
from tests.providers.hooks import hook

ATTEMPT = "01977f1e-7c3a-7b52-9d40-5e0f3a6c2b11"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:ses-events"
DELIVERY = {
    "eventType": "Delivery",
    "mail": {"messageId": "0100-1", "destination": ["ada@example.com"], "tags": {"attempt_id": [ATTEMPT]}},
    "delivery": {"recipients": ["ada@example.com"], "smtpResponse": "250 ok"},
}


@pytest.fixture(autouse=True)
def no_certificate_is_known() -> Iterator[None]:
    sns._keys.cache_clear()
    yield
    sns._keys.cache_clear()


@pytest.fixture
def ses(server: AnsweringServer) -> Adapter:
    return registry.get("amazon_ses_email")(server.client())


def by_moto(server: AnsweringServer, event: dict[str, Any], topic: str = TOPIC) -> Webhook:
    """A notification as moto's SNS posts it; its certificate is what `server` answers."""
    backend = sns_backends["123456789012"]["eu-west-1"]
    backend.create_topic(topic.rpartition(":")[2])
    subscription = backend.subscribe(topic, "http://hub.example/", "http")
    message = subscription.get_post_data(json.dumps(event), "m-1", None)
    name = message["SigningCertURL"].rpartition("/")[2]
    server.answer(200, backend._message_public_keys[name])
    return hook(message)


def verify(ses: Adapter, asked: Webhook) -> None:
    ses.verify_webhook(asked, conformance.secrets_of(type(ses)))


def refused(ses: Adapter, asked: Webhook) -> str:
    with pytest.raises(InvalidSignature) as caught:
        verify(ses, asked)
    return str(caught.value.details["reason"])


def changed(asked: Webhook, **members: Any) -> Webhook:
    return replace(asked, body=json.dumps({**asked.json(), **members}).encode())


def test_a_message_that_sns_signed_is_believed(ses: Adapter, server: AnsweringServer) -> None:
    asked = by_moto(server, DELIVERY)
    for _ in range(2):
        verify(ses, asked)
    assert len(server.asked) == 1, "the certificate is fetched once"
    assert server.asked[0].path.startswith("/SimpleNotificationService-")


def test_what_was_changed_on_the_way_is_not_believed(ses: Adapter, server: AnsweringServer) -> None:
    asked = by_moto(server, DELIVERY)
    for members in (
        {"Message": "{}"},
        {"MessageId": "m-2"},
        {"Subject": "x"},
        {"Timestamp": "2026-11-26T02:00:00.000Z"},
    ):
        assert refused(ses, changed(asked, **members)) == "wrong_signature"


def test_a_topic_of_somebody_else_is_not_believed(ses: Adapter, server: AnsweringServer) -> None:
    """Anybody may have one, and Amazon signs for it."""
    asked = by_moto(server, DELIVERY, topic="arn:aws:sns:eu-west-1:123456789012:mallory")
    assert refused(ses, asked) == "another_topic"


@pytest.mark.parametrize(
    "url",
    [
        "https://sns.eu-west-1.amazonaws.com.mallory.example/SimpleNotificationService-1.pem",
        "https://mallory.example/sns.eu-west-1.amazonaws.com/a.pem",
        "http://sns.eu-west-1.amazonaws.com/a.pem",
        "https://sns.eu-west-1.amazonaws.com@mallory.example/a.pem",
        "https://sns.eu-west-1.amazonaws.com/a.pem?x=.pem",
        "https://s3.eu-west-1.amazonaws.com/mallory/a.pem",
        "https://sns.eu-west-1.amazonaws.com/../a.pem",
        "https://sns.eu-west-1.amazonaws.com/a.pem\n",
    ],
)
def test_a_certificate_from_elsewhere_is_not_fetched(ses: Adapter, server: AnsweringServer, url: str) -> None:
    asked = changed(by_moto(server, DELIVERY), SigningCertURL=url)
    assert (refused(ses, asked), server.asked) == ("certificate_of_another", [])


def test_a_certificate_that_is_not_there_is_asked_for_again(ses: Adapter, server: AnsweringServer) -> None:
    asked = by_moto(server, DELIVERY)
    certificate = server.body
    server.answer(503, b"")
    assert refused(ses, asked) == "certificate_unavailable"
    server.answer(200, certificate)
    verify(ses, asked)


def test_when_amazon_cannot_be_reached_nothing_is_said_of_the_signature(server: AnsweringServer) -> None:
    asked = by_moto(server, DELIVERY)
    with conformance.refusing() as nowhere:
        ses = registry.get("amazon_ses_email")(type(server.client())(nowhere))
        with pytest.raises(Next) as caught:
            verify(ses, asked)
    assert caught.value.reason == "refused"


# --- The older signature, confirmations, and old messages: signed by a key of the test's own ---


class Signer:
    def __init__(self, server: AnsweringServer) -> None:
        self._key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder(name, name, self._key.public_key(), x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .sign(self._key, hashes.SHA256())
        )
        server.answer(200, certificate.public_bytes(serialization.Encoding.PEM))

    def sign(self, message: dict[str, str], *, version: str = "1", age: int = 0) -> Webhook:
        """By the strings of https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html"""
        at = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=age)
        message = {"MessageId": "m-1", "TopicArn": TOPIC, "Timestamp": at.isoformat(), **message}
        signed = "".join(f"{name}\n{message[name]}\n" for name in sorted(message))
        kind = hashes.SHA1() if version == "1" else hashes.SHA256()  # noqa: S303
        signature = base64.b64encode(self._key.sign(signed.encode(), padding.PKCS1v15(), kind)).decode()
        url = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-test.pem"
        return hook({**message, "SignatureVersion": version, "Signature": signature, "SigningCertURL": url})


@pytest.mark.parametrize("version", ["1", "2"])
def test_both_versions_of_the_signature_are_known(ses: Adapter, server: AnsweringServer, version: str) -> None:
    signer = Signer(server)
    verify(ses, signer.sign({"Type": "Notification", "Message": "x", "Subject": "é"}, version=version))


def test_a_message_is_repeated_for_an_hour_and_not_for_a_day(ses: Adapter, server: AnsweringServer) -> None:
    signer = Signer(server)
    verify(ses, signer.sign({"Type": "Notification", "Message": "x"}, age=3600))
    assert refused(ses, signer.sign({"Type": "Notification", "Message": "x"}, age=86_400)) == "stale"


CONFIRM = (
    "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:eu-west-1:1:x&Token=2336"
)


def confirmation(signer: Signer, url: str = CONFIRM) -> Webhook:
    said = {"Type": "SubscriptionConfirmation", "Message": "You have chosen", "Token": "2336", "SubscribeURL": url}
    return signer.sign(said)


def test_a_subscription_is_confirmed(ses: Adapter, server: AnsweringServer) -> None:
    asked = confirmation(Signer(server))
    verify(ses, asked)
    assert ses.answer_handshake(asked, {}) == ""
    assert server.asked[-1].path == CONFIRM.removeprefix("https://sns.eu-west-1.amazonaws.com")
    assert ses.parse_webhook(asked) == []


@pytest.mark.parametrize(
    "url", ["https://mallory.example/?Action=ConfirmSubscription", "http://10.0.0.1/", CONFIRM.replace("https", "http")]
)
def test_a_subscription_is_confirmed_with_amazon_alone(ses: Adapter, server: AnsweringServer, url: str) -> None:
    with pytest.raises(Next) as caught:
        ses.answer_handshake(confirmation(Signer(server), url), {})
    assert (caught.value.reason, server.asked) == ("not_confirmed", [])


def test_an_ordinary_message_asks_for_no_answer(ses: Adapter, server: AnsweringServer) -> None:
    assert ses.answer_handshake(by_moto(server, DELIVERY), {}) is None


# --- Events ---


@pytest.mark.parametrize(
    ("event", "kind", "reason", "code"),
    [
        ({"eventType": "Send", "send": {}}, Kind.SENT, "", ""),
        (DELIVERY, Kind.DELIVERED, "", ""),
        ({"eventType": "DeliveryDelay"}, Kind.DEFERRED, "", ""),
        (
            {"eventType": "Bounce", "bounce": {"bounceType": "Permanent"}},
            Kind.BOUNCED,
            "amazon_ses_permanent",
            "Permanent",
        ),
        (
            {"notificationType": "Bounce", "bounce": {"bounceType": "Transient"}},
            Kind.BOUNCED,
            "amazon_ses_transient",
            "Transient",
        ),
        ({"eventType": "Complaint"}, Kind.COMPLAINED, "", ""),
        ({"eventType": "Reject"}, Kind.FAILED, "amazon_ses_reject", ""),
        ({"eventType": "Rendering Failure"}, Kind.FAILED, "amazon_ses_rendering_failure", ""),
        ({"eventType": "Open"}, Kind.OPENED, "", ""),
    ],
)
def test_an_event_is_said_in_the_hubs_words(
    ses: Adapter, server: AnsweringServer, event: dict[str, Any], kind: Kind, reason: str, code: str
) -> None:
    [said] = ses.parse_webhook(by_moto(server, {"mail": DELIVERY["mail"], **event}))
    assert (said.kind, said.reference, said.key, said.reason, said.code) == (kind, "0100-1", "m-1", reason, code)
    assert str(said.attempt_id) == ATTEMPT
    assert said.occurred_at


def test_what_is_no_event_of_ses_is_left_out(ses: Adapter, server: AnsweringServer) -> None:
    signer = Signer(server)
    for text in (
        "Successfully validated SNS topic for Amazon SES event publishing.",
        '{"eventType": "New", "mail": {}}',
    ):
        assert ses.parse_webhook(signer.sign({"Type": "Notification", "Message": text})) == []
