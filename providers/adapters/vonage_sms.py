"""Vonage SMS API. It answers 200 to a refusal too: what counts is the status of each part of the message.

Send: https://developer.vonage.com/en/api/sms
Status codes: https://developer.vonage.com/en/api-errors/sms
"""

import re
from http import HTTPStatus
from typing import Any

from integrationhub.core.outbound import Answer
from providers import answers, gsm_alphabet, senders
from providers.adapter import Adapter, Call, Receipt
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


class VonageSms(Adapter):
    key = "vonage_sms"
    display_name = "Vonage"
    summary = "Text messages through Vonage."
    docs_url = "https://developer.vonage.com/en/api/sms"
    base_url = "https://rest.nexmo.com"
    intents = frozenset({"message.send.sms"})
    config_schema = {
        "type": "object",
        "properties": {
            "from": senders.member(
                description="the sender: a number of the account in E.164, or a sender name", example="IntegrHub"
            ),
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
    return form


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
