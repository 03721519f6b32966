"""`POST /execute/batch`: up to a hundred orders in one request, each with the answer that it would have had alone."""

import contextvars
import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import connections
from django.http import HttpResponse

from integrationhub.core import catalogue
from integrationhub.core.errors import HubError, InvalidRequest
from integrationhub.core.representation import JSON, encode
from integrationhub.core.tenancy import let_go_of_connection
from integrationhub.execution import errors, executor, ledger, queueing, replaying
from integrationhub.execution.answer import represent
from integrationhub.execution.order import BODY_SCHEMA, Order
from integrationhub.idempotency import answers
from providers import schema_faults
from providers.adapter import LARGEST_TOLD

MOST_ITEMS = 100
# How many of a batch run at the same time: it holds one thread of the web process, and must not hold its connections.
AT_ONCE = 4
# None is begun later. With the longest deadline of an execution all ends before a claim on the batch's key counts as
# abandoned (`answers.ABANDONED_AFTER`), and before the minute after which many a proxy gives a request up.
BEGUN_WITHIN_SECONDS = 30.0

# An item with one of these is at fault itself, and would be so again.
OWN_FAULTS = frozenset({catalogue.INVALID_REQUEST, catalogue.INVALID_INTENT, catalogue.INVALID_PHONE})

BATCH_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["items"],
    "additionalProperties": False,
    "properties": {
        "items": {
            "type": "array",
            "minItems": 1,
            "maxItems": MOST_ITEMS,
            "description": "Bodies of `POST /execute`. Each is checked, counted and answered by itself.",
            "items": BODY_SCHEMA,
        }
    },
}
# An item is checked when its turn comes, so that a bad one spoils its own answer alone.
_list = schema_faults.compiled(
    {**BATCH_SCHEMA, "properties": {"items": {**BATCH_SCHEMA["properties"]["items"], "items": {}}}}
)


def items_of(body: Mapping[str, Any], *, most: int | None) -> list[Any]:
    """The items of a parsed body; `most` is how many executions the caller may ask for in a minute, if that is limited.

    Raises InvalidRequest where it is no list of 1 to 100, or of more than could ever find room in a minute.
    """
    faults = schema_faults.faults(_list, body)
    if not faults and most is not None and len(body["items"]) > most:
        expected = f"at most {most} items, which is what the tier allows in a minute"
        faults = [{"field": "items", "reason": "too_many", "expected": expected}]
    if faults:
        names = ", ".join(fault["field"] for fault in faults)
        raise InvalidRequest(f"The batch is not valid: {names}.", reason="invalid_fields", fields=faults)
    return list(body["items"])


@dataclass(frozen=True, slots=True)
class Item:
    """What one item is answered with. `has_begun`: an attempt was started or it was queued, so it stands; `may_differ`:
    nothing was, and sent again unchanged it may be done."""

    answer: answers.Answer
    has_begun: bool
    may_differ: bool = False

    def shown(self, index: int) -> dict[str, Any]:
        member = "result" if self.answer.status < 400 else "error"
        return {"index": index, "status": self.answer.status, member: json.loads(self.answer.body)}


@dataclass(frozen=True, slots=True)
class Batch:
    """What all items have in common: how a body is read, and how a failure is answered; `is_later`: all are queued."""

    read: Callable[[Mapping[str, Any]], Order]
    refused: replaying.Refused
    executions_at: str
    is_later: bool
    key: answers.Key | None
    count: int
    begun: float = field(default_factory=time.monotonic)

    def run(self, bodies: Sequence[Any]) -> list[Item]:
        """Run what has not been run under the batch's key before, some at a time; the answers are in the order asked.

        Raises InvalidRequest 409 while an item of an earlier request under this key still runs: nothing is begun then.
        """
        keys = [self.key.part(index, body) for index, body in enumerate(bodies)] if self.key else []
        known = [replaying.told(*each, self.refused) for each in zip(keys, answers.find_parts(keys), strict=True)]
        # Each has a copy of what the log lines of this request say.
        contexts = [contextvars.copy_context() for _ in bodies]
        let_go_of_connection()
        with ThreadPoolExecutor(min(AT_ONCE, len(bodies)), "batch") as pool:
            turns = [
                pool.submit(
                    context.run, self._item, body, keys[index] if keys else None, known[index] if keys else None
                )
                for index, (context, body) in enumerate(zip(contexts, bodies, strict=True))
            ]
            return [turn.result() for turn in turns]

    def _item(self, body: Any, key: answers.Key | None, known: answers.Answer | None) -> Item:
        if known:
            return Item(known, has_begun=True)
        try:
            return Item(self._done(body, key), has_begun=True)
        except Exception as failure:  # noqa: BLE001  The boundary of one item, as a view is of one request.
            return self._failed(failure, key)
        finally:
            connections.close_all()

    def _done(self, body: Any, key: answers.Key | None) -> answers.Answer:
        order = self.read(body)
        if self.is_later or order.options.is_for_a_worker:
            return queueing.enqueue(order, executions_at=self.executions_at, key=key)[0]
        if time.monotonic() - self.begun > BEGUN_WITHIN_SECONDS:
            raise errors.ExecutionFailed(
                "The time of the batch was over before this item's turn; nothing was sent for it.",
                reason="batch_deadline",
                retryable=True,
            )
        # One answer tells it all, and no more of it than that of one execution.
        order = replace(order, largest=LARGEST_TOLD // self.count)
        run = executor.execute(order, key)
        return replaying.kept(key, HttpResponse(encode(represent(run.execution, run.attempts)), content_type=JSON))

    def _failed(self, failure: Exception, key: answers.Key | None) -> Item:
        if isinstance(failure, ledger.KeyTaken):
            failure = answers.still_running()
        has_ended = isinstance(failure, errors.Concluded)
        has_begun = has_ended or (isinstance(failure, HubError) and failure.details.get("reason") == "outcome_unknown")
        answer = replaying.kept(key if has_ended else None, self.refused(failure))
        is_at_fault = isinstance(failure, HubError) and failure.status == 400 and failure.entry in OWN_FAULTS
        return Item(answer, has_begun=has_begun, may_differ=not (has_begun or is_at_fault))


def is_kept(items: Sequence[Item]) -> bool:
    """Whether the batch's key answers with this from now on. Else a repeat runs what was not begun, and that alone."""
    return any(item.has_begun for item in items) and not any(item.may_differ for item in items)


def shown(items: Sequence[Item]) -> dict[str, Any]:
    statuses = [item.answer.status for item in items]
    return {
        "items": [item.shown(index) for index, item in enumerate(items)],
        "succeeded": statuses.count(200),
        "queued": statuses.count(202),
        "failed": sum(status >= 400 for status in statuses),
    }
