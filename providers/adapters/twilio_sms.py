"""Twilio Programmable Messaging.

Send: https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource
Error codes: https://www.twilio.com/docs/api/errors
Callbacks: https://www.twilio.com/docs/messaging/guides/outbound-message-status-in-status-callbacks
Their signature: https://www.twilio.com/docs/usage/webhooks/webhooks-security
"""

import base64
import hashlib
import hmac
import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from integrationhub.core import catalogue
from integrationhub.core.catalogue import Entry
from integrationhub.core.outbound import Answer
from providers import answers, callbacks, senders
from providers.adapter import Adapter, Call, JSONObject, Receipt
from providers.callbacks import InboundEvent, Kind, Webhook
from providers.errors import Ambiguous, Next, ProviderError, Retry, Stop
from providers.retry_after import LONGEST_SECONDS

# https://www.twilio.com/docs/api/errors/90007
LONGEST_VALIDITY_SECONDS = 36_000
_CODES: dict[int, dict[str, Any]] = {
    20429: {"kind": Retry},  # Too many requests: https://www.twilio.com/docs/api/errors/20429
    20003: {"kind": Next, "credential_refused": True},  # Sid or token is wrong, or the account is suspended.
    20404: {"kind": Next},  # There is no such account.
    21408: {"kind": Next},  # The account may not send to this country.
    21606: {"kind": Next},  # The sender is not this account's, or cannot send SMS.
    21608: {"kind": Next},  # A trial account sends to verified numbers only.
    21611: {"kind": Next},  # The sender's queue is full.
    21612: {"kind": Next},  # No route from this sender to this number.
    21659: {"kind": Next},  # The sender is no number of Twilio's.
    21660: {"kind": Next},  # The sender belongs to another account.
    21703: {"kind": Next},  # The messaging service has no sender.
    63038: {"kind": Next, "retry_after": LONGEST_SECONDS},  # The account's limit for the day is used up.
    21211: {"kind": Stop, "entry": catalogue.INVALID_PHONE},
    21610: {"kind": Stop},  # The recipient has opted out.
    21614: {"kind": Stop},  # The recipient cannot receive SMS.
    30005: {"kind": Stop},  # Nobody has this number.
    30006: {"kind": Stop},  # A landline, or of a carrier that takes no SMS.
}

_ENDS_OF_FAILURE = ("failed", "undelivered", "canceled")
# https://www.twilio.com/docs/messaging/api/message-resource#message-status-values
_KINDS = {
    **dict.fromkeys(("accepted", "scheduled", "queued", "sending"), Kind.ACCEPTED),
    "sent": Kind.SENT,
    "delivered": Kind.DELIVERED,
    "read": Kind.READ,
    "received": Kind.RECEIVED,
    **dict.fromkeys(_ENDS_OF_FAILURE, Kind.FAILED),
}
_FORM = "application/x-www-form-urlencoded"


class TwilioSms(Adapter):
    key = "twilio_sms"
    display_name = "Twilio"
    summary = "Text messages through Twilio."
    docs_url = "https://www.twilio.com/docs/messaging/api/message-resource"
    base_url = "https://api.twilio.com"
    intents = frozenset({"message.send.sms"})
    tells = frozenset({Kind.SENT, Kind.DELIVERED})
    config_schema = {
        "type": "object",
        "properties": {
            "from": senders.member(
                description="the sender: a number of the account in E.164, a short code or a sender name",
                example="+15005550006",
            ),
            "messaging_service_sid": {
                "type": "string",
                "pattern": "^MG[0-9a-fA-F]{32}$",
                "description": "MG and 32 hexadecimal digits: the messaging service that sends where `from` is not set",
                "examples": ["MG00000000000000000000000000000001"],
            },
            "callback_url": callbacks.CALLBACK_URL,
        },
        "additionalProperties": False,
    }
    credential_schema = {
        "type": "object",
        "properties": {
            "account_sid": {
                "type": "string",
                "pattern": "^AC[0-9a-fA-F]{32}$",
                "description": "AC and 32 hexadecimal digits: the account's SID",
                "examples": ["AC00000000000000000000000000000001"],
            },
            "auth_token": {
                "type": "string",
                "minLength": 16,
                "maxLength": 100,
                "x-secret": True,
                "description": "the account's auth token",
                "examples": ["0123456789abcdef0123456789abcdef"],
            },
            "api_key_sid": {
                "type": "string",
                "pattern": "^SK[0-9a-fA-F]{32}$",
                "x-secret": True,
                "description": "SK and 32 hexadecimal digits: an API key's SID, in place of the auth token",
            },
            "api_key_secret": {
                "type": "string",
                "minLength": 16,
                "maxLength": 100,
                "x-secret": True,
                "description": "the API key's secret",
            },
            "webhook_auth_token": {
                "type": "string",
                "minLength": 16,
                "maxLength": 100,
                "x-secret": True,
                "description": "beside an API key, the account's auth token: Twilio signs its callbacks by it alone",
            },
        },
        "required": ["account_sid"],
        "oneOf": [
            {
                "required": ["auth_token"],
                "properties": {"api_key_sid": False, "api_key_secret": False, "webhook_auth_token": False},
            },
            {"required": ["api_key_sid", "api_key_secret"], "properties": {"auth_token": False}},
        ],
        "additionalProperties": False,
    }

    def preflight(self, call: Call) -> None:
        if not _sender(call):
            raise senders.refused(self.display_name)

    def check(self, call: Call) -> bool:
        """Read the account, or with an API key the list of messages, since a standard key may not read the account.

        https://www.twilio.com/docs/iam/api/account#fetch-an-account-resource, https://www.twilio.com/docs/iam/api-keys
        """
        if "auth_token" in call.secrets:
            return self._check_account(call)
        answer = self.ask(call, "GET", _path(call, "/Messages.json?PageSize=1"), auth=_login(call))
        if answer.status != HTTPStatus.OK or not isinstance(answers.document(answer).get("messages"), list):
            raise self._failure(call, answer)
        return True

    def _check_account(self, call: Call) -> bool:
        answer = self.ask(call, "GET", _path(call, ".json"), auth=_login(call))
        said = answers.document(answer)
        if answer.status != HTTPStatus.OK or str(said.get("sid")).lower() != call.secrets["account_sid"].lower():
            raise self._failure(call, answer)
        if (status := said.get("status")) in ("suspended", "closed"):
            raise self.failure(call, answer, kind=Next, reason=f"account_{status}", credential_refused=True)
        if status != "active":
            raise self._failure(call, answer)
        return True

    def execute(self, call: Call) -> Receipt:
        sender = _sender(call)
        if not sender:
            raise senders.unset(self.display_name)
        form = {**sender, "To": call.payload["to"], "Body": call.payload["text"]}
        if "ttl_seconds" in call.payload:
            form["ValidityPeriod"] = str(min(LONGEST_VALIDITY_SECONDS, call.payload["ttl_seconds"]))
        if callback_url := call.config.get("callback_url"):
            form["StatusCallback"] = callbacks.address(callback_url, call.attempt_id)
        answer = self.ask(call, "POST", _path(call, "/Messages.json"), data=form, auth=_login(call))
        said = answers.document(answer)
        if answer.status in (HTTPStatus.OK, HTTPStatus.CREATED) and _is_text(said.get("sid")):
            if fault := _fault(said):
                raise self.failure(call, answer, said.get("error_message"), **fault)
            return Receipt(said["sid"], _result(said))
        raise self._failure(call, answer)

    def verify_webhook(self, hook: Webhook, secrets: JSONObject) -> None:
        """The address as we gave it, and the fields of a form; of another body the address holds the digest."""
        token = secrets.get("auth_token") or secrets.get("webhook_auth_token")
        if not token:
            raise self.unverified("no auth token is bound, by which Twilio signs.", reason="no_secret")
        given = hook.headers.get("x-twilio-signature", "")
        if not given:
            raise self.unverified("the request has no X-Twilio-Signature.", reason="missing_signature")
        fields = _signed_fields(hook)
        if fields is None:
            raise self.unverified("the body is not the one whose digest is in the address.", reason="wrong_digest")
        # With the port or without: https://www.twilio.com/docs/usage/webhooks/webhooks-security#a-few-notes
        fits = [callbacks.is_same(given, _signature(url, fields, token)) for url in _spellings(hook.url)]
        if not any(fits):
            raise self.unverified(
                "the signature is not the one of this request by the account's auth token.", reason="wrong_signature"
            )

    def parse_webhook(self, hook: Webhook) -> list[InboundEvent]:
        told = hook.json() if "json" in hook.headers.get("content-type", "") else hook.form()
        event = _event(told["MessageSid"], told.get("MessageStatus") or told["SmsStatus"], told.get("ErrorCode"), told)
        return [event] if event else []

    def status(self, call: Call, reference: str) -> InboundEvent | None:
        """https://www.twilio.com/docs/messaging/api/message-resource#fetch-a-message-resource"""
        if not re.fullmatch("[SM]M[0-9a-fA-F]{32}", reference):
            return None
        answer = self.ask(call, "GET", _path(call, f"/Messages/{reference}.json"), auth=_login(call))
        said = answers.document(answer)
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        if answer.status != HTTPStatus.OK or said.get("sid") != reference:
            raise self._failure(call, answer)
        kept: dict[str, Any] = {
            name: said[name] for name in ("sid", "status", "error_code", "date_updated") if name in said
        }
        return _event(reference, said.get("status"), said.get("error_code"), kept, _moment(said.get("date_updated")))

    def _failure(self, call: Call, answer: Answer) -> ProviderError:
        """A code counts in a refusal only: beside a 5xx it says nothing about whether Twilio acted."""
        said = answers.document(answer)
        known = _known(said.get("code")) if 400 <= answer.status < 500 else {}
        return self.failure(call, answer, said.get("message"), **known)


def _sender(call: Call) -> dict[str, str]:
    """The payload's sender before the installation's, and either before its messaging service; empty without any."""
    if sender := senders.chosen(call):
        return {"From": sender}
    service = call.config.get("messaging_service_sid")
    return {"MessagingServiceSid": service} if service else {}


def _path(call: Call, rest: str) -> str:
    return f"/2010-04-01/Accounts/{call.secrets['account_sid']}{rest}"


def _login(call: Call) -> tuple[str, str]:
    if "auth_token" in call.secrets:
        return call.secrets["account_sid"], call.secrets["auth_token"]
    return call.secrets["api_key_sid"], call.secrets["api_key_secret"]


def _known(code: Any) -> dict[str, Any]:
    """What a code of Twilio's tells of a failure; nothing where it is none."""
    if type(code) is not int:
        return {}
    reason = {"reason": f"twilio_{code}"}
    return {**reason, "credential_refused": False, **_CODES[code]} if code in _CODES else reason


def _fault(said: dict[str, Any]) -> dict[str, Any]:
    """What is known of a message that was created and has failed already; empty for one that is on its way.

    `failed` says that Twilio could not send it, and its code why. The other ends, and a code beside another status, do
    not tell how far it came: https://www.twilio.com/docs/messaging/api/message-resource#message-status-values
    """
    status, code = said.get("status"), said.get("error_code")
    if status not in _ENDS_OF_FAILURE and code is None:
        return {}
    reason = f"message_{status}" if status in _ENDS_OF_FAILURE else ""
    known = {"reason": reason, **_known(code)}
    return {"kind": Next, **known} if status == "failed" else {"kind": Ambiguous, "reason": known["reason"]}


def _event(
    sid: str, status: Any, code: Any, told: dict[str, Any], occurred_at: datetime | None = None
) -> InboundEvent | None:
    """None for a status that is none of a message's."""
    if not (_is_text(sid) and _is_text(status) and (kind := _KINDS.get(status))):
        return None
    code = str(code) if code and kind == Kind.FAILED else ""
    reason = f"twilio_{code}" if code else f"message_{status}" if kind == Kind.FAILED else ""
    return InboundEvent(
        kind, sid, f"{sid} {status}", occurred_at, reason=reason, code=code, fault=_fault_named(code), payload=told
    )


def _fault_named(code: str) -> Entry | None:
    """The row of the error reference for a code that says that the recipient or the content is at fault."""
    known = _CODES.get(int(code), {}) if code.isascii() and code.isdigit() and len(code) < 10 else {}
    return known.get("entry", catalogue.INVALID_REQUEST) if known.get("kind") is Stop else None


def _moment(value: Any) -> datetime | None:
    """As RFC 2822 writes it."""
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else None


def _signed_fields(hook: Webhook) -> str | None:
    """What is signed after the address: of a form each field's name and value, sorted; None where the body is neither
    a form nor the one whose digest the address holds."""
    digests = parse_qs(urlsplit(hook.url).query).get("bodySHA256")
    if digests:
        return "" if callbacks.is_same(digests[0], hashlib.sha256(hook.body).hexdigest()) else None
    if not hook.body:
        return ""
    if hook.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        return None
    try:
        fields = set(parse_qsl(hook.body.decode(), keep_blank_values=True))
    except ValueError:
        return None
    return "".join(name + value for name, value in sorted(fields))


def _signature(url: str, fields: str, token: str) -> str:
    signed = (url + fields).encode("utf-8", "surrogatepass")
    return base64.b64encode(hmac.new(token.encode(), signed, hashlib.sha1).digest()).decode()


def _spellings(url: str) -> tuple[str, str]:
    """The address without a port and with one."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = parts.netloc.removesuffix(f":{parts.port}")
    # Cut out of the text, since taking it apart and putting it together may spell the rest in another way.
    rest = url[len(parts.scheme) + 3 + len(parts.netloc) :]
    return f"{parts.scheme}://{host}{rest}", f"{parts.scheme}://{host}:{port}{rest}"


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _result(said: dict[str, Any]) -> dict[str, Any]:
    """A messaging service says 0 segments at first, since it has chosen no sender yet: that is not known, then."""
    segments = str(said.get("num_segments") or "")
    is_known = re.fullmatch("[1-9][0-9]{0,3}", segments)
    status = said.get("status")
    return {"status": status if _is_text(status) else None, "segments": int(segments) if is_known else None}
