"""MessageBird (Bird's SMS API at rest.messagebird.com).

Send: https://developers.messagebird.com/api/sms-messaging/#send-outbound-sms
Errors: https://developers.messagebird.com/api/#api-errors, and as its client names them:
https://github.com/messagebird/php-rest-api/blob/master/src/MessageBird/Common/ResponseError.php
Status reports: https://developers.messagebird.com/api/sms-messaging/#handle-a-status-report
Their signature: https://developers.messagebird.com/api/#verifying-http-requests
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import jwt

from integrationhub.core import catalogue
from integrationhub.core.outbound import Answer
from providers import answers, callbacks, senders
from providers.adapter import Adapter, Call, JSONObject, Receipt
from providers.callbacks import InboundEvent, Kind, Webhook
from providers.errors import Ambiguous, Next, ProviderError, Stop
from providers.retry_after import LONGEST_SECONDS

# 9 (missing) and 10 (invalid) are about the parameter that they name, see `_known`.
_CODES: dict[int, dict[str, Any]] = {
    2: {"kind": Next, "credential_refused": True},  # The access key is wrong, or may not do this.
    20: {"kind": Next},  # Not found: there is no such resource for this account.
    25: {"kind": Next, "retry_after": LONGEST_SECONDS},  # Not enough balance.
    98: {"kind": Next},  # API not found: the account has no such product.
}
_PARAMETER_FAULTS = (9, 10)
NOT_FOUND = 20
_ENDS_OF_FAILURE = ("delivery_failed", "expired")
# Codes of networks that are the recipient's own: nobody has this number, or it may not or cannot receive SMS.
# https://docs.bird.com/api/channels-api/message-status-and-interactions/message-failure-sources/sms-platform-extended-error-codes
_RECIPIENTS_FAULTS = {"1", "9", "11", "12", "13"}
_KINDS = {
    "scheduled": Kind.ACCEPTED,
    "sent": Kind.SENT,
    "buffered": Kind.DEFERRED,
    "delivered": Kind.DELIVERED,
    "expired": Kind.FAILED,
    "delivery_failed": Kind.FAILED,
}


class MessagebirdSms(Adapter):
    key = "messagebird_sms"
    display_name = "MessageBird"
    summary = "Text messages through MessageBird (Bird)."
    docs_url = "https://developers.messagebird.com/api/sms-messaging/"
    base_url = "https://rest.messagebird.com"
    intents = frozenset({"message.send.sms"})
    tells = frozenset({Kind.SENT, Kind.DELIVERED})
    config_schema = {
        "type": "object",
        "properties": {
            "from": senders.member(
                description="the sender: a number in E.164, or a name of at most 11 letters and digits",
                example="IntegrHub",
            ),
            "callback_url": callbacks.CALLBACK_URL,
        },
        "additionalProperties": False,
    }
    credential_schema = {
        "type": "object",
        "properties": {
            "access_key": {
                "type": "string",
                "minLength": 16,
                "maxLength": 100,
                "x-secret": True,
                "description": "an access key of the account; one that begins with test_ sends nothing",
                "examples": ["live_0123456789abcdefEXAMPLE"],
            },
            "signing_key": {
                "type": "string",
                "minLength": 16,
                "maxLength": 200,
                "x-secret": True,
                "description": "the account's signing key (in its developer settings), which proves status reports",
                "examples": ["0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"],
            },
        },
        "required": ["access_key"],
        "additionalProperties": False,
    }

    def preflight(self, call: Call) -> None:
        if not senders.chosen(call):
            raise senders.refused(self.display_name)

    def check(self, call: Call) -> bool:
        """https://developers.messagebird.com/api/balance/"""
        answer = self.ask(call, "GET", "/balance", headers=_login(call))
        if answer.status != HTTPStatus.OK or "amount" not in answers.document(answer):
            raise self._failure(call, answer)
        return True

    def execute(self, call: Call) -> Receipt:
        if not senders.chosen(call):
            raise senders.unset(self.display_name)
        answer = self.ask(call, "POST", "/messages", headers=_login(call), json=_message(call))
        said = answers.document(answer)
        reference = said.get("id")
        if answer.status not in (HTTPStatus.OK, HTTPStatus.CREATED) or not (reference and isinstance(reference, str)):
            raise self._failure(call, answer)
        status = _recipient(said).get("status")
        if status in _ENDS_OF_FAILURE:
            raise self.failure(call, answer, kind=Ambiguous, reason=f"message_{status}")
        return Receipt(reference, {"status": status if isinstance(status, str) else None})

    def status(self, call: Call, reference: str) -> InboundEvent | None:
        """https://developers.messagebird.com/api/sms-messaging/#view-a-message"""
        answer = self.ask(call, "GET", f"/messages/{quote(reference, safe='')}", headers=_login(call))
        said = answers.document(answer)
        if answer.status == HTTPStatus.NOT_FOUND and _fault(answer).get("code") == NOT_FOUND:
            return None
        recipient = _recipient(said)
        if answer.status != HTTPStatus.OK or said.get("id") != reference or str(recipient.get("status")) not in _KINDS:
            raise self._failure(call, answer)
        return _event(reference, recipient)

    def verify_webhook(self, hook: Webhook, secrets: JSONObject) -> None:
        """A JWT over the hashes of address and body. A report comes as a GET, and says all in its query."""
        if not (key := secrets.get("signing_key")):
            raise self.unverified("no signing key is bound.", reason="no_secret")
        try:
            claims = jwt.decode(
                hook.headers.get("messagebird-signature-jwt", ""),
                key,
                algorithms=["HS256", "HS384", "HS512"],
                issuer="MessageBird",
                options={"require": ["iss", "nbf", "exp"], "verify_nbf": False, "verify_exp": False},
            )
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise self.unverified("the token is none, or not signed by this key.", reason="wrong_signature") from None
        if not all(type(claims[name]) is int and callbacks.is_recent(claims[name]) for name in ("nbf", "exp")):
            raise self.unverified("the token is not of now.", reason="too_old")
        hashed = {"url_hash": _sha256(hook.url.encode("utf-8", "replace"))}
        hashed |= {"payload_hash": _sha256(hook.body)} if hook.body else {}
        for name in ("url_hash", "payload_hash"):
            if str(claims.get(name, "")) != hashed.get(name, ""):
                raise self.unverified(f"the token's {name} is that of another request.", reason="wrong_signature")

    def parse_webhook(self, hook: Webhook) -> list[InboundEvent]:
        told = {name: value for name, value in hook.query().items() if name != callbacks.ATTEMPT}
        return [_event(told["id"], told)] if told["status"] in _KINDS else []

    def _failure(self, call: Call, answer: Answer) -> ProviderError:
        """A code counts in a refusal only, or beside a success: with a 5xx it does not tell whether they acted."""
        fault = _fault(answer)
        known = _known(fault) if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR else {}
        return self.failure(call, answer, fault.get("description"), **known)


def _login(call: Call) -> dict[str, str]:
    return {"Authorization": f"AccessKey {call.secrets['access_key']}"}


def _message(call: Call) -> dict[str, Any]:
    """Numbers go without their plus sign; whether a text needs Unicode, MessageBird finds out itself."""
    message: dict[str, Any] = {
        "originator": senders.chosen(call).removeprefix("+"),
        "recipients": call.payload["to"].removeprefix("+"),
        "body": call.payload["text"],
        "datacoding": "auto",
    }
    if "ttl_seconds" in call.payload:
        message["validity"] = call.payload["ttl_seconds"]
    if "reference" in call.payload:
        message["reference"] = call.payload["reference"]
    if "callback_url" in call.config:
        message["reportUrl"] = callbacks.address(call.config["callback_url"], call.attempt_id)
        # Without a reference nothing is reported.
        message.setdefault("reference", str(call.attempt_id))
    return message


def _fault(answer: Answer) -> dict[str, Any]:
    """The first of the answer's errors; empty where it has none that can be read."""
    errors = answers.document(answer).get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    return first if isinstance(first, dict) else {}


def _known(fault: dict[str, Any]) -> dict[str, Any]:
    code, parameter = fault.get("code"), fault.get("parameter")
    if type(code) is not int:
        return {}
    known = {"reason": f"messagebird_{code}", "credential_refused": False, **_CODES.get(code, {})}
    if code not in _PARAMETER_FAULTS:
        return known
    if parameter == "originator":
        return {**known, "kind": Next}  # The sender is not this account's, or not of a form that it takes.
    return {**known, "kind": Stop, **({"entry": catalogue.INVALID_PHONE} if parameter == "recipients" else {})}


def _recipient(said: dict[str, Any]) -> dict[str, Any]:
    """The only one: https://developers.messagebird.com/api/sms-messaging/#the-recipients-object"""
    recipients = said.get("recipients")
    items = recipients.get("items") if isinstance(recipients, dict) else None
    first = items[0] if isinstance(items, list) and items else None
    return first if isinstance(first, dict) else {}


def _event(reference: str, told: Mapping[str, Any]) -> InboundEvent:
    """The same of a report and of a message that is read: both are named alike."""
    kind, code = _KINDS[told["status"]], str(told.get("statusErrorCode") or "")
    is_theirs = kind is Kind.FAILED and code in _RECIPIENTS_FAULTS
    return InboundEvent(
        kind,
        reference,
        key=f"{reference} {told['status']}",
        occurred_at=_moment(told.get("statusDatetime")),
        reason=(f"messagebird_{code}" if code else f"message_{told['status']}") if kind is Kind.FAILED else "",
        code=code,
        fault=catalogue.INVALID_REQUEST if is_theirs else None,
        payload=told,
    )


def _moment(text: Any) -> datetime | None:
    """A plus sign that stands in a query as it is reads as a space; a time without a zone is none."""
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except (ValueError, AttributeError):
        return None
    return moment if moment.tzinfo else None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
