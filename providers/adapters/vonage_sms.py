"""Vonage SMS API. It answers 200 to a refusal too: what counts is the status of each part of the message.

Send: https://developer.vonage.com/en/api/sms
Status codes: https://developer.vonage.com/en/api-errors/sms, and that any but 0 was not queued for sending:
https://developer.vonage.com/en/messaging/sms/guides/troubleshooting-sms
Delivery receipts: https://developer.vonage.com/en/messaging/sms/guides/delivery-receipts
Their signatures: https://developer.vonage.com/en/getting-started/concepts/webhooks#decoding-signed-webhooks (JWT),
https://developer.vonage.com/en/getting-started/concepts/signing-messages (`sig`)
"""

import hashlib
import hmac
import re
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import jwt

from integrationhub.core import catalogue
from integrationhub.core.ids import read_id
from integrationhub.core.outbound import Answer
from providers import answers, callbacks, gsm_alphabet, senders
from providers.adapter import Adapter, Call, JSONObject, Receipt
from providers.callbacks import InboundEvent, Kind, Webhook
from providers.errors import Ambiguous, Next, ProviderError, Retry, Stop
from providers.retry_after import LONGEST_SECONDS

ACCEPTED = "0"
SHORTEST_TTL_SECONDS, LONGEST_TTL_SECONDS = 20, 604_800
# A status that is not listed is a refusal as well, of this message as far as anyone can tell.
_STATUSES: dict[str, dict[str, Any]] = {
    "1": {"kind": Retry},  # Throttled.
    "5": {"kind": Retry},  # Internal error; the message was not taken.
    "10": {"kind": Retry},  # Too many connections of this account.
    "4": {"kind": Next, "credential_refused": True},  # Key or secret is wrong.
    "8": {"kind": Next},  # The account is suspended.
    "9": {"kind": Next, "retry_after": LONGEST_SECONDS},  # Out of credit.
    "11": {"kind": Next},  # The account may not send by HTTP.
    "14": {"kind": Next, "credential_refused": True},  # The account wants signed requests.
    "15": {"kind": Next},  # The sender is not allowed.
    "29": {"kind": Next},  # A trial account sends to verified numbers only.
    "32": {"kind": Next, "credential_refused": True},  # Signature and secret were both given.
}
# What a receipt says. `unknown` is no news: https://developer.vonage.com/en/messaging/sms/guides/delivery-receipts
_RECEIPTS = {
    "accepted": Kind.SENT,
    "buffered": Kind.DEFERRED,
    "delivered": Kind.DELIVERED,
    **dict.fromkeys(("deleted", "expired", "failed", "rejected"), Kind.FAILED),
}
# Codes of receipts that are the recipient's own: gone for good, has barred the sender, wants none of these, too young.
# https://developer.vonage.com/en/messaging/sms/guides/delivery-receipts#dlr-error-codes
_RECIPIENTS_FAULTS = {"3", "4", "9", "13"}
# Which HMAC made a `sig`, by its length in hexadecimal digits. "MD5 hash", which is none, is not taken.
_HMACS = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}


class VonageSms(Adapter):
    key = "vonage_sms"
    display_name = "Vonage"
    summary = "Text messages through Vonage."
    docs_url = "https://developer.vonage.com/en/api/sms"
    base_url = "https://rest.nexmo.com"
    intents = frozenset({"message.send.sms"})
    tells = frozenset({Kind.SENT, Kind.DELIVERED})
    config_schema = {
        "type": "object",
        "properties": {
            "from": senders.member(
                description="the sender: a number of the account in E.164, or a sender name", example="IntegrHub"
            ),
            "callback_url": callbacks.CALLBACK_URL,
        },
        "additionalProperties": False,
    }
    credential_schema = {
        "type": "object",
        "properties": {
            "api_key": {
                "type": "string",
                "minLength": 6,
                "maxLength": 32,
                "x-secret": True,
                "description": "the account's API key",
                "examples": ["abcd1234"],
            },
            "api_secret": {
                "type": "string",
                "minLength": 6,
                "maxLength": 64,
                "x-secret": True,
                "description": "the account's API secret",
                "examples": ["abcdef0123456789Example"],
            },
            "signature_secret": {
                "type": "string",
                "minLength": 6,
                "maxLength": 128,
                "x-secret": True,
                "description": "the account's signature secret, by which Vonage signs what it tells of messages",
                "examples": ["an-example-of-a-signature-secret"],
            },
        },
        "required": ["api_key", "api_secret"],
        "additionalProperties": False,
    }

    def preflight(self, call: Call) -> None:
        if not _sender(call):
            raise senders.refused(self.display_name)

    def check(self, call: Call) -> bool:
        """https://developer.vonage.com/en/account/code-snippets/account-balance"""
        login = (call.secrets["api_key"], call.secrets["api_secret"])
        answer = self.ask(call, "GET", "/account/get-balance", auth=login)
        if answer.status != HTTPStatus.OK or "value" not in answers.document(answer):
            raise self.failure(call, answer)
        return True

    def execute(self, call: Call) -> Receipt:
        if not _sender(call):
            raise senders.unset(self.display_name)
        answer = self.ask(call, "POST", "/sms/json", data=_form(call))
        parts = _parts(answer)
        if not parts:
            raise self.failure(call, answer, answers.document(answer).get("error-code-label"))
        refused = [part for part in parts if part["status"] != ACCEPTED]
        if not refused:
            return Receipt(parts[0]["message-id"], {"message_ids": [part["message-id"] for part in parts]})
        if len(refused) < len(parts):
            raise self.failure(call, answer, kind=Ambiguous, reason="partly_accepted")
        raise self._refusal(call, answer, refused[0])

    def verify_webhook(self, hook: Webhook, secrets: JSONObject) -> None:
        """By the token of a signed webhook, or the `sig` of a signed receipt. What has neither is refused: Vonage signs
        receipts of SMS once its support has been asked to."""
        secret = secrets.get("signature_secret")
        if not secret:
            raise self.unverified("no signature_secret is bound.", reason="no_secret")
        kind, _, token = hook.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            self._verify_token(hook, token, secret)
        else:
            self._verify_sig(_fields(hook), secret)

    def _verify_token(self, hook: Webhook, token: str, secret: str) -> None:
        """A token is over the body alone."""
        if not hook.body:
            raise self.unverified("a token does not sign the query.", reason="wrong_digest")
        try:
            claims = jwt.decode(token, secret, algorithms=["HS256"], options={"require": ["iat", "payload_hash"]})
        except jwt.PyJWTError:
            raise self.unverified(
                "the token is not signed by the signature secret.", reason="wrong_signature"
            ) from None
        if not callbacks.is_same(str(claims["payload_hash"]), hashlib.sha256(hook.body).hexdigest()):
            raise self.unverified("the token is not the one of this body.", reason="wrong_digest")
        if not _is_recent(claims["iat"]):
            raise self.unverified("the token is too old.", reason="stale")

    def _verify_sig(self, fields: dict[str, Any], secret: str) -> None:
        given = fields.get("sig")
        if not isinstance(given, str) or not given:
            raise self.unverified("the receipt has neither a token nor a sig.", reason="missing_signature")
        digest = _HMACS.get(len(given))
        if digest is None:
            raise self.unverified("the sig is no HMAC in hexadecimal digits.", reason="malformed_signature")
        if not callbacks.is_same(given.lower(), _sig(fields, secret, digest)):
            raise self.unverified("the sig is not the one of these fields.", reason="wrong_signature")
        if not _is_recent(fields.get("timestamp")):
            raise self.unverified("the signed timestamp is missing or too old.", reason="stale")

    def parse_webhook(self, hook: Webhook) -> list[InboundEvent]:
        told = _fields(hook)
        reference, status, code = told["messageId"], told.get("status"), str(told.get("err-code") or "")
        kept = {name: value for name, value in told.items() if name not in ("sig", "nonce", "api-key")}
        at = _moment(told.get("message-timestamp"))
        if status is None:
            return [InboundEvent(Kind.RECEIVED, reference, reference, at, payload=kept)] if "text" in told else []
        kind = _RECEIPTS.get(status)
        if kind is None:
            return []
        code, reason = (code, f"vonage_dlr_{code or status}") if kind == Kind.FAILED else ("", "")
        ours = read_id(str(told.get("client-ref")))
        fault = catalogue.INVALID_REQUEST if code in _RECIPIENTS_FAULTS else None
        return [InboundEvent(kind, reference, f"{reference} {status}", at, ours, reason, code, fault, kept)]

    def _refusal(self, call: Call, answer: Answer, part: dict[str, str]) -> ProviderError:
        status = part["status"]
        known = _STATUSES.get(status, {"kind": Stop})
        return self.failure(call, answer, part.get("error-text"), reason=f"vonage_{status}", **known)


def _sender(call: Call) -> str:
    """The payload's sender before the installation's; empty without either. Numbers go without their plus sign."""
    return senders.chosen(call).removeprefix("+")


def _form(call: Call) -> dict[str, str]:
    payload = call.payload
    form = {"api_key": call.secrets["api_key"], "api_secret": call.secrets["api_secret"], "from": _sender(call)}
    form |= {"to": payload["to"].removeprefix("+"), "text": payload["text"]}
    if not gsm_alphabet.fits(payload["text"]):
        form["type"] = "unicode"
    if "ttl_seconds" in payload:
        seconds = min(LONGEST_TTL_SECONDS, max(SHORTEST_TTL_SECONDS, payload["ttl_seconds"]))
        form["ttl"] = str(1000 * seconds)
    if "reference" in payload:
        form["client-ref"] = payload["reference"]
    if callback_url := call.config.get("callback_url"):
        # Without a query of ours: an account may have its receipts by GET. What comes back with them is this.
        form = {"client-ref": str(call.attempt_id), **form, "callback": callback_url}
    return form


def _fields(hook: Webhook) -> dict[str, Any]:
    """Of a receipt, in whichever of its three forms the account has chosen; empty where it cannot be read.

    Where there is a body it counts, whatever the method: what is verified has to be what is read later, and by then the
    method is forgotten.
    """
    if not hook.body:
        return hook.query()
    try:
        told = hook.json() if "json" in hook.headers.get("content-type", "") else hook.form()
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _sig(fields: dict[str, Any], secret: str, digest: str) -> str:
    """Each field but the signature, sorted: what would divide them is replaced in their values."""
    signed = "".join(
        f"&{name}={str(fields[name]).replace('&', '_').replace('=', '_')}" for name in sorted(fields) if name != "sig"
    )
    return hmac.new(secret.encode(), signed.encode("utf-8", "replace"), digest).hexdigest()


def _is_recent(seconds: Any) -> bool:
    return re.fullmatch("[0-9]{1,12}", str(seconds)) is not None and callbacks.is_recent(int(seconds))


def _moment(value: Any) -> datetime | None:
    """In UTC, without saying so."""
    try:
        return datetime.strptime(value, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except (TypeError, ValueError):
        return None


def _parts(answer: Answer) -> list[dict[str, str]]:
    """What became of each part of the message; empty unless all of them can be read."""
    said = answers.document(answer)
    parts = said.get("messages")
    if answer.status != HTTPStatus.OK or not isinstance(parts, list) or not all(map(_is_part, parts)):
        return []
    return parts if said.get("message-count", str(len(parts))) in (str(len(parts)), len(parts)) else []


def _is_part(part: Any) -> bool:
    if not isinstance(part, dict) or not isinstance(status := part.get("status"), str):
        return False
    if status != ACCEPTED:
        return re.fullmatch("[1-9][0-9]{0,3}", status) is not None
    return isinstance(part.get("message-id"), str) and bool(part["message-id"])
