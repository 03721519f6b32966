"""What the sandbox providers do: the recipient alone selects the outcome, so that a test needs no setup.

Recipients are `+1500555` and four digits (SMS, WhatsApp), `sandbox-` and four digits (push token or topic, chat
channel), or four digits `@sandbox.test` (e-mail, the first such address in `to`). Any other recipient is delivered to.
The meanings of 0001, 0004 and 0006 are those of Twilio's test numbers: https://www.twilio.com/docs/iam/test-credentials
"""

import re
from collections.abc import Callable
from typing import Any, ClassVar

from integrationhub.core import catalogue
from integrationhub.core.catalogue import Entry
from providers.adapter import Adapter, Call, JSONObject, Receipt
from providers.errors import Ambiguous, Next, ProviderError, Retry, Stop
from providers.intents import INTENTS

_NUMBERED = re.compile(r"(?:\+1500555|sandbox-)([0-9]{4})|([0-9]{4})@sandbox\.test")
_NAMED = {"fail-503@sandbox.test": "0503", "all-fail@sandbox.test": "9503"}
_RECIPIENT_MEMBERS = ("to", "token", "topic", "channel")

Failure = Callable[[], ProviderError]


def outcome_selected_by(payload: JSONObject) -> str:
    """The four digits of the recipient, or an empty string for one that selects nothing."""
    named = next((payload[member] for member in _RECIPIENT_MEMBERS if member in payload), "")
    for recipient in [named] if isinstance(named, str) else named:
        if match := _NUMBERED.fullmatch(recipient):
            return match[1] or match[2]
        if recipient in _NAMED:
            return _NAMED[recipient]
    return ""


def _unavailable() -> Retry:
    return Retry("The sandbox provider answered 503 Service Unavailable.", reason="upstream_503", upstream_status=503)


def _unreachable() -> Next:
    return Next("The sandbox provider did not accept a connection within 1 s.", reason="connect_timeout")


def _silent() -> Ambiguous:
    return Ambiguous("The sandbox provider took the request and did not answer in time.", reason="read_timeout")


def _throttling() -> Retry:
    return Retry(
        "The sandbox provider answered 429 Too Many Requests.",
        reason="upstream_429",
        upstream_status=429,
        retry_after=2,
    )


def _refusal(entry: Entry, reason: str, message: str, **more: Any) -> Failure:
    return lambda: Stop(message, reason=reason, entry=entry, **more)


def _meta(entry: Entry, number: int, status: int, words: str, **more: Any) -> Failure:
    """A refusal in the shape of Meta's, whose number is what callers look up."""
    meta = {"code": number, "subcode": None, "details": words, "fbtrace_id": "sandbox"}
    message = f"Meta refused the message with error {number}: {words}"
    return _refusal(entry, f"meta_{number}", message, upstream_status=status, meta=meta, **more)


# `sandbox_primary` fails, wherever it stands in the chain; every other provider delivers.
FIRST_FAILS: dict[str, Failure] = {
    "0503": _unavailable,
    "0504": _unreachable,
    "0505": _silent,
    "0429": _throttling,
}
EVERY_ONE_FAILS: dict[str, Failure] = {
    "9503": _unavailable,
    "9504": _unreachable,
    "0001": _refusal(
        catalogue.INVALID_PHONE, "invalid_phone", "The sandbox provider calls this number invalid.", upstream_status=400
    ),
    "0004": _meta(catalogue.META_UNDELIVERABLE, 131048, 400, "The recipient blocked this business."),
    "1048": _meta(catalogue.META_UNDELIVERABLE, 131048, 400, "The sender was limited for spam."),
    "0024": _refusal(
        catalogue.TEMPLATE_REQUIRED,
        "window_closed",
        "The recipient's last message is more than 24 hours old, so only a template may be sent.",
        upstream_status=400,
    ),
    "0100": _meta(catalogue.META_INVALID_PARAM, 100, 400, "Invalid parameter."),
    "0190": _meta(catalogue.META_UNAUTHORIZED, 190, 401, "The access token has expired."),
    "2000": _meta(catalogue.META_TEMPLATE_PAUSED, 132000, 400, "The template is paused."),
    "3000": _meta(catalogue.META_TEMPLATE_NOT_FOUND, 133000, 404, "There is no such template."),
    "4004": _meta(catalogue.META_RATE_LIMIT, 4, 429, "Too many calls of this app.", retry_after=2),
}
# Decided before anything is stored, as the real conditions are.
REFUSED_BEFORE: dict[str, Failure] = {
    "0401": _refusal(catalogue.CREDENTIAL_EXPIRED, "credential_expired", "The sandbox credential has expired."),
    "0422": _refusal(catalogue.QUOTA_EXCEEDED, "quota_exceeded", "The sandbox plays a used-up monthly quota."),
    "0428": _refusal(
        catalogue.EXECUTION_RATE_LIMIT_EXCEEDED,
        "rate_limited",
        "The sandbox plays an exhausted rate limit.",
        retry_after=2,
    ),
}
ADAPTER_BREAKS = "0500"


class SandboxAdapter(Adapter):
    """A provider that reaches nothing. Its two subclasses differ in which of them is "the first"."""

    summary = "Reaches nothing; the recipient selects the outcome."
    intents = frozenset(name for name, intent in INTENTS.items() if intent.category == "messaging")
    is_sandbox = True
    is_first: ClassVar[bool]

    def preflight(self, call: Call) -> None:
        refused = REFUSED_BEFORE.get(outcome_selected_by(call.payload))
        if refused is not None:
            raise refused()

    def execute(self, call: Call) -> Receipt:
        outcome = outcome_selected_by(call.payload)
        if outcome == ADAPTER_BREAKS:
            raise RuntimeError("The sandbox plays an adapter with a bug.")
        failure = EVERY_ONE_FAILS.get(outcome) or (FIRST_FAILS.get(outcome) if self.is_first else None)
        if failure is not None:
            raise failure()
        return Receipt(reference=f"sandbox-{call.attempt_id}")
