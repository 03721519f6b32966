"""MessageBird (Bird's SMS API at rest.messagebird.com).

Send: https://developers.messagebird.com/api/sms-messaging/#send-outbound-sms
Errors: https://developers.messagebird.com/api/#api-errors
"""

from http import HTTPStatus
from typing import Any

from integrationhub.core import catalogue
from integrationhub.core.outbound import Answer
from providers import answers, senders
from providers.adapter import Adapter, Call, Receipt
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
_ENDS_OF_FAILURE = ("delivery_failed", "expired")


class MessagebirdSms(Adapter):
    key = "messagebird_sms"
    display_name = "MessageBird"
    summary = "Text messages through MessageBird (Bird)."
    docs_url = "https://developers.messagebird.com/api/sms-messaging/"
    base_url = "https://rest.messagebird.com"
    intents = frozenset({"message.send.sms"})
    config_schema = {
        "type": "object",
        "properties": {
            "from": senders.member(
                description="the sender: a number in E.164, or a name of at most 11 letters and digits",
                example="IntegrHub",
            ),
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
        status = _status(said)
        if status in _ENDS_OF_FAILURE:
            raise self.failure(call, answer, kind=Ambiguous, reason=f"message_{status}")
        return Receipt(reference, {"status": status})

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


def _status(said: dict[str, Any]) -> str | None:
    """Of the only recipient: https://developers.messagebird.com/api/sms-messaging/#the-recipients-object"""
    recipients = said.get("recipients")
    items = recipients.get("items") if isinstance(recipients, dict) else None
    first = items[0] if isinstance(items, list) and items else None
    status = first.get("status") if isinstance(first, dict) else None
    return status if isinstance(status, str) else None
