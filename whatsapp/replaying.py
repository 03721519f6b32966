"""`Idempotency-Key` on a message: the claim is taken with its delivery, and never outlives what is known of it.

Kept is whatever the call came to, refusals of Meta's too. What is refused before it leaves the key free.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any

import structlog
from django.db import DatabaseError
from django.http import HttpResponse
from django.http.response import HttpResponseBase

from integrationhub.core.http import HubRequest
from integrationhub.core.representation import JSON, HubJSONRenderer
from integrationhub.core.tenancy import tenant_scope
from integrationhub.idempotency import answers
from integrationhub.idempotency.keyed import key_of, replay
from whatsapp.answer import represent
from whatsapp.deliveries import KeyTaken
from whatsapp.errors import NotDelivered, outcome_unknown
from whatsapp.models import Delivery, DeliveryStatus

log = structlog.get_logger(__name__)

# After this a call is over, and its process has told what came of it, or died.
CALL_IS_OVER_AFTER = timedelta(seconds=20)
KEPT_HEADERS = ("Content-Type", "Retry-After", "WWW-Authenticate")


def keyed_delivery(handler: Callable[..., Any]) -> Callable[..., Any]:
    """`post(view, request, key, **kwargs)`: what was sent under a key is answered again, byte for byte."""

    @wraps(handler)
    def post(view: Any, request: HubRequest, **kwargs: Any) -> HttpResponseBase:
        key = key_of(request, request.user.tenant_id)
        if key is None:
            response: HttpResponseBase = handler(view, request, key=None, **kwargs)
            return response
        known = answers.find(key)
        if isinstance(known, answers.Running):
            known = _late(view, key, known)
        if known:
            return replay(known)
        try:
            response = handler(view, request, key=key, **kwargs)
        except KeyTaken:
            raise answers.still_running() from None
        except NotDelivered as failure:
            response = view.handle_exception(failure)
        answer = _kept(key, response)
        return HttpResponse(answer.body, status=answer.status, headers=answer.headers)

    post.takes_idempotency_key = True  # type: ignore[attr-defined]  # OpenAPI lists the header.
    return post


def _late(view: Any, key: answers.Key, running: answers.Running) -> answers.Answer:
    """The process that sent has not kept its answer, or died before it could: the row tells what is known."""
    with tenant_scope(key.tenant_id):
        mine = Delivery.objects.for_tenant(key.tenant_id)
        row = mine.filter(id=running.execution_id).first() if running.execution_id else None
    if row is None:
        raise answers.still_running()
    if row.status == DeliveryStatus.UNKNOWN:
        if datetime.now(UTC) < row.created_at + CALL_IS_OVER_AFTER:
            raise answers.still_running()
        # Not kept: a webhook may tell more by the next repeat.
        return _answer(view.handle_exception(NotDelivered(str(row.id), row.error or outcome_unknown())))
    if row.error:
        return _kept(key, view.handle_exception(NotDelivered(str(row.id), row.error)))
    return _kept(key, HttpResponse(HubJSONRenderer().render(represent(row)), status=202, content_type=JSON))


def _answer(response: Any) -> answers.Answer:
    if hasattr(response, "data"):
        body = HubJSONRenderer().render(response.data)
        return answers.Answer(response.status_code, {"Content-Type": JSON}, body)
    headers = {name: response[name] for name in KEPT_HEADERS if name in response}
    return answers.Answer(response.status_code, headers, response.content)


def _kept(key: answers.Key, response: Any) -> answers.Answer:
    """Keep an answer, unless one is kept already; the first one stands."""
    answer = _answer(response)
    try:
        return answers.store(key, answer)
    except DatabaseError:
        # The row stands, and a repeat of the key is answered from it.
        log.exception("An answer could not be kept.")
        return answer
