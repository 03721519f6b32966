"""Amazon SES: what is its own, and what boto3 sends for the same call."""

import base64
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from typing import Any

import boto3
import botocore.auth
import pytest
from botocore.config import Config

from integrationhub.core.outbound import Answer, Client
from providers import registry
from providers.errors import Ambiguous, Next, ProviderError, Retry, Stop
from tests.providers import mail_services
from tests.providers.answering import AnsweringServer, Asked
from tests.providers.mail_services import FROM, TO, mail, send
from tests.providers.wire import assert_same

KEY = "amazon_ses_email"
NOW = datetime(2026, 11, 26, 2, 0, 0, tzinfo=UTC)


@pytest.fixture
def at_one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signature holds the time."""
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda **_: NOW)


def boto(server: AnsweringServer) -> Any:
    secrets = mail_services.conformance.secrets_of(registry.get(KEY))
    return boto3.session.Session().client(
        "sesv2",
        region_name=secrets["region"],
        aws_access_key_id=secrets["access_key_id"],
        aws_secret_access_key=secrets["secret_access_key"],
        endpoint_url=server.base_url,
        config=Config(retries={"total_max_attempts": 1}),
    )


def assert_signed_alike(server: AnsweringServer) -> None:
    """boto3 counts its tries in two headers more."""
    assert_same(server.asked[0], server.asked[1], headers=["X-Amz-Date", "X-Amz-Content-SHA256"])


@pytest.mark.usefixtures("at_one_moment")
def test_ses_is_asked_as_by_boto3_signature_included(server: AnsweringServer) -> None:
    server.answer(200, {"MessageId": "0100-1"})
    call = mail(
        server, KEY, config={"configuration_set": "told"}, cc=["c@example.com"], bcc=["b@example.com"], tags=["a"]
    )
    assert registry.instance(KEY).execute(call).reference == "0100-1"
    boto(server).send_email(
        Destination={"ToAddresses": [TO], "CcAddresses": ["c@example.com"], "BccAddresses": ["b@example.com"]},
        EmailTags=[{"Name": "attempt_id", "Value": str(call.attempt_id)}, {"Name": "tag_1", "Value": "a"}],
        ConfigurationSetName="told",
        Content={"Raw": {"Data": written_in(server.asked[0])}},
    )
    assert_signed_alike(server)


@pytest.mark.usefixtures("at_one_moment")
def test_a_template_is_named_as_by_boto3(server: AnsweringServer) -> None:
    server.answer(200, {"MessageId": "0100-1"})
    call = mail(
        server, KEY, config={"from_name": "Café"}, text=None, template_id="welcome", variables={"name": "Ada"},
        reply_to="s@example.com", headers={"X-Order": "1"},
    )  # fmt: skip
    registry.instance(KEY).execute(call)
    boto(server).send_email(
        Destination={"ToAddresses": [TO]},
        EmailTags=[{"Name": "attempt_id", "Value": str(call.attempt_id)}],
        FromEmailAddress=f"=?utf-8?b?Q2Fmw6k=?= <{FROM}>",
        ReplyToAddresses=["s@example.com"],
        Content={
            "Template": {
                "TemplateName": "welcome",
                "TemplateData": '{"name": "Ada"}',
                "Headers": [{"Name": "X-Order", "Value": "1"}],
            }
        },
    )
    assert_signed_alike(server)


@pytest.mark.usefixtures("at_one_moment")
def test_the_account_is_read_as_by_boto3(server: AnsweringServer) -> None:
    server.answer(200, {"SendingEnabled": True})
    assert registry.instance(KEY).check(mail(server, KEY)) is True
    boto(server).get_account()
    assert_signed_alike(server)


def written_in(asked: Asked) -> bytes:
    return base64.b64decode(asked.json()["Content"]["Raw"]["Data"])


def test_who_is_in_bcc_is_written_to_and_not_told_of(server: AnsweringServer) -> None:
    server.answer(200, {"MessageId": "0100-1"})
    send(
        server, KEY, bcc=["audit@example.com"], html="<p>ü</p>", attachments=[{"filename": "ü.txt", "content": "w7w="}]
    )
    assert server.asked[0].json()["Destination"]["BccAddresses"] == ["audit@example.com"]
    raw = written_in(server.asked[0])
    assert b"audit@example.com" not in raw
    message: Any = message_from_bytes(raw, policy=policy.default)
    assert (message["To"], message["From"], message["Bcc"]) == (TO, FROM, None)
    assert [part.get_filename() for part in message.iter_attachments()] == ["ü.txt"]


@pytest.mark.parametrize(
    ("status", "code", "kind", "reason", "is_refused"),
    [
        (400, "MessageRejected", Stop, "amazon_ses_message_rejected", False),
        (400, "BadRequestException:http://internal.amazon.com/", Stop, "amazon_ses_bad_request", False),
        (429, "TooManyRequestsException", Retry, "amazon_ses_too_many_requests", False),
        (400, "ThrottlingException", Retry, "amazon_ses_throttling", False),
        (400, "AccountSuspendedException", Next, "amazon_ses_account_suspended", False),
        (400, "SendingPausedException", Next, "amazon_ses_sending_paused", False),
        (400, "MailFromDomainNotVerifiedException", Next, "amazon_ses_mail_from_domain_not_verified", False),
        (400, "LimitExceededException", Next, "amazon_ses_limit_exceeded", False),
        (404, "NotFoundException", Next, "amazon_ses_not_found", False),
        (403, "InvalidSignatureException", Next, "amazon_ses_invalid_signature", True),
        (403, "AccessDeniedException", Next, "amazon_ses_access_denied", True),
        (400, "InvalidClientTokenId", Next, "amazon_ses_invalid_client_token_id", True),
        (500, "InternalFailure", Ambiguous, "upstream_500", False),
        (500, "MessageRejected", Ambiguous, "upstream_500", False),
    ],
)
def test_an_error_has_the_class_of_its_type(
    server: AnsweringServer, status: int, code: str, kind: type[ProviderError], reason: str, is_refused: bool
) -> None:
    server.answer(status, {"message": "no"}, **{"x-amzn-ErrorType": code})
    with pytest.raises(ProviderError) as caught:
        send(server, KEY)
    error = caught.value
    assert (type(error), error.reason, error.credential_refused) == (kind, reason, is_refused)


def test_a_key_that_may_only_send_has_signed_rightly(server: AnsweringServer) -> None:
    server.answer(403, {"message": "not authorized"}, **{"x-amzn-ErrorType": "AccessDeniedException"})
    assert registry.instance(KEY).check(mail(server, KEY)) is True
    server.answer(403, {"message": "no"}, **{"x-amzn-ErrorType": "InvalidSignatureException"})
    with pytest.raises(Next) as caught:
        registry.instance(KEY).check(mail(server, KEY))
    assert caught.value.credential_refused


class NotingClient(Client):
    def request(self, method: str, url: str, **given: Any) -> Answer:
        self.url = url
        return Answer(200, {}, b'{"MessageId": "0100-1"}')


@pytest.mark.parametrize(
    ("region", "host"),
    [("eu-west-1", "email.eu-west-1.amazonaws.com"), ("cn-north-1", "email.cn-north-1.amazonaws.com.cn")],
)
def test_a_region_has_its_own_address(server: AnsweringServer, region: str, host: str) -> None:
    call, client = mail(server, KEY), NotingClient()
    registry.get(KEY)(client).execute(replace(call, base_url="", secrets={**call.secrets, "region": region}))
    assert client.url == f"https://{host}/v2/email/outbound-emails"


@pytest.mark.parametrize(
    "payload", [{"tags": ["two words"]}, {"template_id": "t", "attachments": [{"filename": "a", "content": ""}]}]
)
def test_what_ses_cannot_say_is_left_to_another(server: AnsweringServer, payload: dict[str, Any]) -> None:
    with pytest.raises(Next) as caught:
        send(server, KEY, **payload)
    assert (caught.value.reason, server.asked) == ("unsupported_feature", [])
