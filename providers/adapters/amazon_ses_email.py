"""Amazon SES, by its API of version 2.

Send: https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
Events: https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html, sent to us by SNS
Errors: the same page, and https://docs.aws.amazon.com/ses/latest/APIReference-V2/CommonErrors.html

The request is signed by botocore's signer and sent by the hub's own client, with its checks of addresses and its
deadline; a client of boto3 would dial by itself, and costs eight milliseconds to make for each tenant. That what is
sent is what boto3 sends, a test compares.
"""

import base64
import importlib
import json
import re
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import cache
from http import HTTPStatus
from typing import Any
from uuid import UUID

from integrationhub.core import catalogue
from integrationhub.core.outbound import Answer, OutboundError
from providers import answers, callbacks, composing, mime, senders, sns
from providers.adapter import Adapter, Call, JSONObject, Receipt
from providers.anymail_family import config_schema, schema, secret
from providers.callbacks import InboundEvent, Kind, Webhook
from providers.composing import Mail
from providers.errors import Next, ProviderError, Retry, Stop
from providers.retry_after import LONGEST_SECONDS

# 40 MB for the whole message in base64: https://docs.aws.amazon.com/ses/latest/dg/quotas.html
LARGEST_ATTACHMENTS = 28_000_000
_CODES: dict[str, dict[str, Any]] = {
    "TooManyRequestsException": {"kind": Retry},
    "ThrottlingException": {"kind": Retry},
    "AccountSuspendedException": {"kind": Next},
    "SendingPausedException": {"kind": Next},
    "MailFromDomainNotVerifiedException": {"kind": Next},
    "LimitExceededException": {"kind": Next, "retry_after": LONGEST_SECONDS},
    "NotFoundException": {"kind": Next},  # The template or the configuration set.
    "MessageRejected": {"kind": Stop},
    "BadRequestException": {"kind": Stop},
    # Common to all of Amazon's services.
    "AccessDeniedException": {"kind": Next, "credential_refused": True},
    "InvalidSignatureException": {"kind": Next, "credential_refused": True},
    "UnrecognizedClientException": {"kind": Next, "credential_refused": True},
    "InvalidClientTokenId": {"kind": Next, "credential_refused": True},
    "MissingAuthenticationTokenException": {"kind": Next, "credential_refused": True},
    "IncompleteSignature": {"kind": Next, "credential_refused": True},
    "OptInRequired": {"kind": Next, "credential_refused": True},
    "ExpiredTokenException": {"kind": Next, "credential_refused": True},
}
_KINDS = {
    "Send": Kind.SENT,
    "Delivery": Kind.DELIVERED,
    "DeliveryDelay": Kind.DEFERRED,
    "Bounce": Kind.BOUNCED,
    "Complaint": Kind.COMPLAINED,
    "Reject": Kind.FAILED,
    "Rendering Failure": Kind.FAILED,
    "Open": Kind.OPENED,
    "Click": Kind.CLICKED,
    "Subscription": Kind.UNSUBSCRIBED,
}
# A tag's name and value: https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_MessageTag.html
_TAG = re.compile("[A-Za-z0-9_-]{1,256}")


class AmazonSesEmail(Adapter):
    key = "amazon_ses_email"
    display_name = "Amazon SES"
    summary = "E-mail through Amazon Simple Email Service."
    docs_url = "https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html"
    base_url = "https://email.us-east-1.amazonaws.com"
    allowed_hosts = frozenset({"*.amazonaws.com", "*.amazonaws.com.cn"})
    intents = frozenset({"message.send.email"})
    config_schema = config_schema(
        configuration_set={
            "type": "string",
            "pattern": "^[A-Za-z0-9_-]{1,64}$",
            "description": "the configuration set, by which SES tells what became of a message",
        }
    )
    tells = frozenset({Kind.SENT, Kind.DELIVERED})
    credential_schema = schema(
        {
            "sns_topic_arn": {
                "type": "string",
                "pattern": "^arn:aws(-[a-z-]{2,12})?:sns:[a-z0-9-]{5,30}:[0-9]{12}:[A-Za-z0-9_.-]{1,256}$",
                "description": "the SNS topic that SES tells of its messages, and that posts them here",
                "examples": ["arn:aws:sns:eu-west-1:123456789012:ses-events"],
            }
        },
        access_key_id={
            "type": "string",
            "pattern": "^[A-Z0-9]{16,128}$",
            "x-secret": True,
            "description": "the id of an access key that may ses:SendEmail; with ses:GetAccount it is verified in full",
            "examples": ["AKIAIOSFODNN7EXAMPLE"],
        },
        secret_access_key=secret("the secret of the access key", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", 16),
        region={
            "type": "string",
            "pattern": "^[a-z]{2}(-[a-z]{2,10}){1,2}-[0-9]$",
            "description": "the region, such as eu-west-1",
            "examples": ["eu-west-1"],
        },
    )

    def preflight(self, call: Call) -> None:
        composing.refuse(call)
        if not senders.chosen(call):
            raise senders.refused(self.display_name)

    def check(self, call: Call) -> bool:
        """Read the account. A key that may not has signed rightly all the same.

        https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_GetAccount.html
        """
        answer = self._ask(call, "GET", "/v2/email/account")
        if answer.status == HTTPStatus.FORBIDDEN and _code(answer) == "AccessDeniedException":
            return True
        if answer.status != HTTPStatus.OK or "SendingEnabled" not in answers.document(answer):
            raise self._failure(call, answer)
        return True

    def execute(self, call: Call) -> Receipt:
        if not senders.chosen(call):
            raise senders.unset(self.display_name)
        mail = composing.read(
            call, self.http, provider=self.display_name, largest=LARGEST_ATTACHMENTS, has_templates=True
        )
        answer = self._ask(call, "POST", "/v2/email/outbound-emails", _body(call, mail))
        said = answers.document(answer)
        if answer.status == HTTPStatus.OK and isinstance(said.get("MessageId"), str) and said["MessageId"]:
            return Receipt(said["MessageId"], {"status": "queued"})
        raise self._failure(call, answer)

    def verify_webhook(self, hook: Webhook, secrets: JSONObject) -> None:
        if not (topic := secrets.get("sns_topic_arn")):
            raise self.unverified("the credential has no sns_topic_arn.", reason="no_secret")
        try:
            message = hook.json()
            sns.verify(message, self.http, hook.deadline)
        except (ValueError, RecursionError):
            raise self.unverified("the body is no message of SNS.", reason="unreadable") from None
        except sns.Unsigned as error:
            raise self.unverified("Amazon has not signed this message.", reason=error.reason) from None
        except OutboundError as error:
            words = f"The certificate of Amazon SNS cannot be fetched ({error.reason})."
            raise Next(words, reason=error.reason) from None
        if not callbacks.is_same(message["TopicArn"], topic):
            raise self.unverified("the message is of another topic.", reason="another_topic")

    def answer_handshake(self, hook: Webhook, secrets: JSONObject) -> str | None:
        message = hook.json()
        if message["Type"] != "SubscriptionConfirmation":
            return None
        try:
            is_confirmed = sns.confirm(message, self.http, hook.deadline)
        except OutboundError as error:
            raise Next(f"Amazon SNS cannot be reached ({error.reason}).", reason=error.reason) from None
        if not is_confirmed:
            raise Next("Amazon SNS did not take the confirmation.", reason="not_confirmed")
        return ""

    def parse_webhook(self, hook: Webhook) -> list[InboundEvent]:
        message = hook.json()
        said = message["Message"]
        if message["Type"] != "Notification" or not said.startswith("{"):
            return []  # Such as "Successfully validated SNS topic for Amazon SES event publishing."
        event = json.loads(said)
        name = event.get("eventType") or event["notificationType"]
        if name not in _KINDS:
            return []
        kind, mail = _KINDS[name], event["mail"]
        subtype = event["bounce"]["bounceType"] if name == "Bounce" else ""
        is_failure = kind in (Kind.BOUNCED, Kind.FAILED)
        return [
            InboundEvent(
                kind,
                mail["messageId"],
                key=message["MessageId"],
                occurred_at=datetime.fromisoformat(message["Timestamp"]),
                attempt_id=_attempt_id(mail.get("tags")),
                reason=f"amazon_ses_{answers.word(subtype or name.replace(' ', ''))}" if is_failure else "",
                code=subtype,
                fault=catalogue.INVALID_REQUEST if subtype == "Permanent" else None,
                payload=event,
            )
        ]

    def _ask(self, call: Call, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        region = call.secrets["region"]
        suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        call = replace(call, base_url=(call.base_url or f"https://email.{region}.{suffix}").rstrip("/"))
        raw = json.dumps(body).encode() if body is not None else b""
        headers = _signing().signed(
            method,
            call.base_url + path,
            raw,
            {"Content-Type": "application/json"} if raw else {},
            key=(call.secrets["access_key_id"], call.secrets["secret_access_key"]),
            scope=("ses", region),
        )
        return self.ask(call, method, path, headers=headers, data=raw or None)

    def _failure(self, call: Call, answer: Answer) -> ProviderError:
        """A code counts in a refusal only: beside a 5xx it says nothing about whether SES acted."""
        code, said = _code(answer), answers.document(answer)
        known = _CODES.get(code, {}) if 400 <= answer.status < 500 else {}
        if known:
            reason = answers.word(code.removesuffix("Exception"))
            known = {"reason": f"amazon_ses_{reason}", "credential_refused": False, **known}
        return self.failure(call, answer, said.get("message", said.get("Message")), **known)


def _attempt_id(tags: Any) -> UUID | None:
    with suppress(LookupError, TypeError, ValueError, AttributeError):
        return UUID(tags["attempt_id"][0])
    return None


def _code(answer: Answer) -> str:
    """https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html#operation-error-serialization"""
    said = answer.headers.get("x-amzn-errortype") or answers.document(answer).get("__type")
    return said.split(":")[0].rpartition("#")[2] if isinstance(said, str) else ""


def _body(call: Call, mail: Mail) -> dict[str, Any]:
    """Whoever is in Destination is written to, and is in the message only if it says so."""
    recipients = {"ToAddresses": mail.to, "CcAddresses": mail.cc, "BccAddresses": mail.bcc}
    body: dict[str, Any] = {
        "Destination": {name: list(addresses) for name, addresses in recipients.items() if addresses},
        "EmailTags": _tags(call, mail),
    }
    if "configuration_set" in call.config:
        body["ConfigurationSetName"] = call.config["configuration_set"]
    if mail.template_id:
        return {**body, **_from_template(mail)}
    return {**body, "Content": {"Raw": {"Data": base64.b64encode(mime.written(mail)).decode()}}}


def _from_template(mail: Mail) -> dict[str, Any]:
    if mail.attachments:
        raise Next("Amazon SES: a template with attachments; nothing was sent.", reason="unsupported_feature")
    template: dict[str, Any] = {"TemplateName": mail.template_id, "TemplateData": json.dumps(dict(mail.variables))}
    if mail.headers:
        template["Headers"] = [{"Name": name, "Value": value} for name, value in mail.headers.items()]
    found: dict[str, Any] = {"FromEmailAddress": mime.address(mail.sender, mail.sender_name)}
    if mail.reply_to:
        found["ReplyToAddresses"] = [mail.reply_to]
    return {**found, "Content": {"Template": template}}


def _tags(call: Call, mail: Mail) -> list[dict[str, str]]:
    """What comes back with all that SES tells of the message, our own id first. Raises Next for what is no tag."""
    if any(not _TAG.fullmatch(tag) for tag in mail.tags):
        words = "Amazon SES takes tags of letters, digits, _ and -; nothing was sent."
        raise Next(words, reason="unsupported_feature")
    own = [{"Name": "attempt_id", "Value": str(call.attempt_id)}]
    return own + [{"Name": f"tag_{number}", "Value": tag} for number, tag in enumerate(mail.tags, start=1)]


@cache
def _signing() -> Any:
    return importlib.import_module("providers.aws_signing")
