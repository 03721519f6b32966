"""`Idempotency-Key` on an execution: the claim is taken with the durable statement, the outcome is kept."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any

import structlog
from django.db import DatabaseError
from django.http import HttpResponse
from django.http.response import HttpResponseBase

from integrationhub.core.http import HubRequest
from integrationhub.core.representation import HubJSONRenderer
from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution import ledger
from integrationhub.execution.answer import represent
from integrationhub.execution.errors import Concluded, ExecutionFailed
from integrationhub.execution.models import Attempt, Execution
from integrationhub.idempotency import answers
from integrationhub.idempotency.keyed import key_of, replay
from providers.intents import Intent

log = structlog.get_logger(__name__)

# What a failure is answered with, and what a success.
Refused = Callable[[Exception], Any]
Succeeded = Callable[[Execution, Sequence[Attempt]], Any]

# Whoever ran it keeps its answer within this time of its end, or has died.
ANSWERED_WITHIN = timedelta(seconds=10)
# What of an answer's headers is part of the answer; the rest belongs to the one request.
KEPT_HEADERS = ("Content-Type", "Location", "Preference-Applied", "Retry-After", "WWW-Authenticate")


def keyed_execution(handler: Callable[..., Any]) -> Callable[..., Any]:
    """`post(view, request, key, **kwargs)`: what ran once under a key is answered again, byte for byte.

    Kept is whatever an attempt came to, failures too. A refusal before the first attempt leaves the key free.
    """

    @wraps(handler)
    def post(view: Any, request: HubRequest, **kwargs: Any) -> HttpResponseBase:
        key = key_of(request, request.user.tenant_id)
        if key is None:
            response: HttpResponseBase = handler(view, request, key=None, **kwargs)
            return response
        if known := told(key, answers.find(key), view.handle_exception, view.succeeded):
            return replay(known)
        try:
            response = handler(view, request, key=key, **kwargs)
        except ledger.KeyTaken:
            raise answers.still_running() from None
        except Concluded as failure:
            response = view.handle_exception(failure)
        answer = kept(key, response)
        return HttpResponse(answer.body, status=answer.status, headers=answer.headers)

    post.takes_idempotency_key = True  # type: ignore[attr-defined]  # OpenAPI lists the header.
    return post


def as_executed(execution: Execution, attempts: Sequence[Attempt]) -> HttpResponse:
    """As `POST /execute` answers."""
    body = HubJSONRenderer().render(represent(execution, attempts))
    return HttpResponse(body, content_type=HubJSONRenderer.media_type)


def told(
    key: answers.Key,
    known: answers.Answer | answers.Running | None,
    refused: Refused,
    succeeded: Succeeded = as_executed,
) -> answers.Answer | None:
    """The answer that `known` holds, or that its execution's row tells. Raises InvalidRequest 409 while it runs."""
    return _late(key, known, refused, succeeded) if isinstance(known, answers.Running) else known


def _late(key: answers.Key, running: answers.Running, refused: Refused, succeeded: Succeeded) -> answers.Answer:
    """The process that ran it has not kept its answer, or died before it could: the settled row tells what it was."""
    with tenant_scope(key.tenant_id):
        mine = Execution.objects.for_tenant(key.tenant_id)
        execution = mine.filter(id=running.execution_id).first() if running.execution_id else None
        if execution is None or not ledger.is_settled(execution):
            raise answers.still_running()
        attempts = ledger.attempts_of(execution)
    if execution.error_code:
        return kept(key, refused(Concluded(execution)))
    if not Intent.get(execution.intent).acts:
        return _unkept(execution, refused)
    return kept(key, succeeded(execution, attempts))


def _unkept(execution: Execution, refused: Refused) -> answers.Answer:
    """What it read was in the first answer alone, and that may come yet: so this one is not kept."""
    if execution.finished_at and datetime.now(UTC) - execution.finished_at < ANSWERED_WITHIN:
        raise answers.still_running()
    words = "It has succeeded, and what it read was in an answer that is lost. Read it again, with another key."
    lost = ExecutionFailed(words, reason="result_not_kept", retryable=False, execution_id=str(execution.id))
    return kept(None, refused(lost))


def kept(key: answers.Key | None, response: Any) -> answers.Answer:
    """The answer that goes out, kept under its key unless one is kept already (as a 202 is by its own transaction):
    the first one stands."""
    if hasattr(response, "data"):
        body, headers = HubJSONRenderer().render(response.data), {"Content-Type": HubJSONRenderer.media_type}
    else:
        body, headers = response.content, {name: response[name] for name in KEPT_HEADERS if name in response}
    answer = answers.Answer(response.status_code, headers, body)
    if key is None:
        return answer
    try:
        return answers.store(key, answer)
    except DatabaseError:
        # The execution is settled, and a repeat of the key is answered from its row: what happened is what is told.
        log.exception("An answer could not be kept.")
        return answer
