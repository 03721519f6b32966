"""What a provider's answer means where its adapter knows no better, and how its words may be quoted."""

import re
from typing import Any

from integrationhub.core.logs import redact
from integrationhub.core.outbound import Answer, AnswerLost
from providers import hiding
from providers.errors import Ambiguous, Next, ProviderError, Retry, Stop
from providers.retry_after import LONGEST_SECONDS, seconds_to_wait

LONGEST_QUOTE = 500
LONGEST_READ = 8192
_CLASSES: dict[int, type[ProviderError]] = {429: Retry, 503: Retry, 401: Next, 402: Next, 403: Next, 408: Ambiguous}
_SAYINGS: dict[type[ProviderError], str] = {
    Retry: "is busy and did not act",
    Next: "does not do this for this account",
    Ambiguous: "gave an answer that does not tell whether it acted",
    Stop: "refused the request",
}


def class_of(status: int) -> type[ProviderError]:
    """The class by HTTP status alone: a 4xx refuses the request, and what is not listed says nothing about it."""
    return _CLASSES.get(status) or (Stop if 400 <= status < 500 else Ambiguous)


def document(answer: Answer) -> dict[str, Any]:
    """The body as a JSON object; empty where it is anything else, so that a missing member is all to look out for."""
    try:
        body = answer.json()
    except AnswerLost:
        return {}
    return body if isinstance(body, dict) else {}


def items(answer: Answer) -> list[dict[str, Any]]:
    """The objects of a body that is a JSON list; empty where it is anything else."""
    try:
        body = answer.json()
    except AnswerLost:
        return []
    return [item for item in body if isinstance(item, dict)] if isinstance(body, list) else []


def failure_of(
    answer: Answer,
    provider: str,
    said: str = "",
    *,
    kind: type[ProviderError] | None = None,
    reason: str = "",
    retry_after: float | None = None,
    **more: Any,
) -> ProviderError:
    """The failure that an answer stands for; `kind` and `reason` are those of its status unless given.

    `said` are the provider's words, quoted already. How long to leave the provider alone is what its Retry-After says;
    an account out of money (402) is left alone as long as can be.
    """
    kind = kind or class_of(answer.status)
    if retry_after is None:
        retry_after = LONGEST_SECONDS if answer.status == 402 else seconds_to_wait(answer.headers)
    own_reason = "unreadable_answer" if 200 <= answer.status < 300 else f"upstream_{answer.status}"
    return kind(
        f"{provider} {_SAYINGS[kind]} (HTTP {answer.status}){f': {said}' if said else '.'}",
        reason=reason or own_reason,
        upstream_status=answer.status,
        retry_after=retry_after if kind in (Retry, Next) else None,
        **more,
    )


def word(code: Any) -> str:
    """A provider's own code in camel case as a lower_snake word; empty for anything that is none."""
    if not isinstance(code, str) or not re.fullmatch("[A-Za-z][A-Za-z0-9]{0,59}", code):
        return ""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", code).lower()


def quoted(said: Any, secrets: Any) -> str:
    """A provider's words on one line, at most 500 characters, without any of the secrets that this call was made with.

    Some providers repeat the key that they refuse. Words may be as long as an answer; only their beginning is read.
    """
    text = redact(hiding.without(said, secrets, LONGEST_READ)) if isinstance(said, str) else ""
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return text if len(text) <= LONGEST_QUOTE else f"{text[: LONGEST_QUOTE - 1]}…"
