"""What went wrong with a call to Meta, as one of the four errors, with the entry that Meta's code names.

https://developers.facebook.com/docs/graph-api/guides/error-handling
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integrationhub.core import catalogue
from integrationhub.core.catalogue import Entry
from integrationhub.core.outbound import AddressBlocked, Answer, NotSent, OutboundError
from providers import answers, meta_codes
from providers.errors import Ambiguous, Blocked, Next, ProviderError, Retry
from providers.meta_codes import Meaning
from providers.retry_after import LONGEST_SECONDS, seconds_to_wait

MEDIA_LOST = catalogue.WHATSAPP_MEDIA_DOWNLOAD_FAILED
USAGE = "X-Business-Use-Case-Usage"
# Meta's windows last an hour or a day; more is no time to wait.
LONGEST_REGAIN_SECONDS = 86_400
# `details.meta` where Meta was not asked, or said nothing.
NOTHING_SAID: dict[str, Any] = {"code": None, "subcode": None, "details": "", "fbtrace_id": None}


@dataclass(frozen=True, slots=True)
class Said:
    """Meta's `error` as far as it can be read. Its `error_user_*` are in the language of the account: left unread."""

    code: int | None
    subcode: int | None
    words: str
    details: str
    fbtrace_id: str | None
    is_transient: bool


def said_in(document: Mapping[str, Any], secrets: Any) -> Said | None:
    """The error that a body holds, also one of HTTP 200; quoted without the secrets."""
    error = document.get("error")
    if not error:
        return None
    error = error if isinstance(error, dict) else {"message": error}
    data = error.get("error_data")
    words = answers.quoted(error.get("message"), secrets)
    details = answers.quoted(data.get("details") if isinstance(data, dict) else data, secrets)
    return Said(
        _whole(error.get("code")),
        _whole(error.get("error_subcode")),
        words,
        details or words,
        answers.quoted(error.get("fbtrace_id"), secrets) or None,
        error.get("is_transient") is True,
    )


def refused(answer: Answer, said: Said | None, *, acts: bool, entry: Entry | None = None) -> ProviderError:
    """The error for an answer that is not the one that was hoped for. `acts`: doing it twice would be seen."""
    said = said or Said(None, None, "", "", None, False)
    meaning = meta_codes.meaning_of(said.code, answer.status, details=said.details, is_transient=said.is_transient)
    kind = meaning.kind or answers.class_of(answer.status)
    is_known = meaning.kind is not None
    return kind(
        _sentence(answer, said),
        reason=_reason(answer, said),
        upstream_status=answer.status,
        retry_after=_wait(answer, meaning, kind),
        entry=entry or meaning.entry,
        retryable=_is_retryable(meaning, kind, acts=acts),
        credential_refused=meaning.entry is catalogue.META_UNAUTHORIZED if is_known else None,
        meta={
            "code": said.code,
            "subcode": said.subcode,
            "details": said.details,
            "fbtrace_id": said.fbtrace_id,
        },
    )


def unfinished(reason: str, message: str) -> Ambiguous:
    """Answers that make no sense together."""
    return Ambiguous(message, reason=reason, entry=meta_codes.HTTP_5XX.entry, meta=dict(NOTHING_SAID))


def no_medium(kind: type[ProviderError], reason: str, message: str) -> ProviderError:
    return kind(message, reason=reason, entry=MEDIA_LOST, meta=dict(NOTHING_SAID))


def not_exchanged(error: OutboundError, *, acts: bool, entry: Entry | None = None) -> ProviderError:
    """The error for a call that never left, or whose answer never came."""
    entry, meta = entry or meta_codes.HTTP_5XX.entry, dict(NOTHING_SAID)
    if isinstance(error, NotSent):
        words = f"Meta cannot be reached ({error.reason}); nothing was sent."
        kind = Blocked if isinstance(error, AddressBlocked) else Next
        return kind(words, reason=error.reason, entry=entry, meta=meta)
    words = f"Meta was asked, and its answer was lost ({error.reason})."
    return Ambiguous(words, reason=error.reason, entry=entry, retryable=not acts, meta=meta)


def _sentence(answer: Answer, said: Said) -> str:
    if said.code is None and not said.words and 200 <= answer.status < 300:
        return f"Meta's answer cannot be read (HTTP {answer.status})."
    number = f"error {said.code}, " if said.code is not None else ""
    words = ": ".join(dict.fromkeys(filter(None, (said.words, said.details))))
    return f"Meta answered: {words or 'nothing to be read'} ({number}HTTP {answer.status})."


def _reason(answer: Answer, said: Said) -> str:
    if said.code is not None:
        return f"meta_{said.code}"
    return "unreadable_answer" if 200 <= answer.status < 300 else f"upstream_{answer.status}"


def _is_retryable(meaning: Meaning, kind: type[ProviderError], *, acts: bool) -> bool | None:
    """What was perhaps done is not to be done again."""
    return False if acts and kind is Ambiguous else meaning.retryable


def _wait(answer: Answer, meaning: Meaning, kind: type[ProviderError]) -> float | None:
    if not meaning.asks_to_wait:
        return meaning.wait
    if kind is Retry or meaning.entry is catalogue.META_RATE_LIMIT:
        told = _regain_seconds(answer.headers) or seconds_to_wait(answer.headers)
        return told if told is not None else meaning.wait
    if answer.status == 402 and kind is Next:
        return LONGEST_SECONDS
    return meaning.wait


def _regain_seconds(headers: Mapping[str, str]) -> float | None:
    """When access comes back, by the header in which Meta counts the calls of each business account, in minutes.

    https://developers.facebook.com/docs/graph-api/overview/rate-limiting
    """
    try:
        usage = json.loads(headers.get(USAGE, ""))
    except (ValueError, RecursionError):
        return None
    accounts = usage.values() if isinstance(usage, dict) else []
    items = [item for account in accounts if isinstance(account, list) for item in account if isinstance(item, dict)]
    minutes = [item.get("estimated_time_to_regain_access") for item in items]
    seconds = [60.0 * each for each in minutes if isinstance(each, int | float) and math.isfinite(each) and each > 0]
    return min(LONGEST_REGAIN_SECONDS, max(seconds)) if seconds else None


def _whole(number: Any) -> int | None:
    """Meta's codes are numbers; some gateways make texts of them."""
    if isinstance(number, str) and number.isascii() and number.isdigit() and len(number) < 10:
        return int(number)
    return number if isinstance(number, int) and not isinstance(number, bool) and abs(number) < 2**31 else None
