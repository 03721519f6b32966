"""`@keyed` on a view's `post`: the same Idempotency-Key acts once and gets the same answer."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.db import DatabaseError
from django.http import HttpResponse

from integrationhub.core.http import HubRequest
from integrationhub.core.representation import HubJSONRenderer
from integrationhub.idempotency import answers

logger = logging.getLogger(__name__)

REPLAYED = "Idempotent-Replayed"
Handler = Callable[..., Any]


def key_of(request: HubRequest, tenant_id: UUID) -> answers.Key | None:
    """The request's key in this tenant's scope, or None when it has none. Raises InvalidRequest for a malformed key."""
    value = request.headers.get("Idempotency-Key")
    if value is None:
        return None
    path = "/" + request.path.split("/", 3)[3]  # /integrationhub/<version>/<path>
    return answers.Key.of(tenant_id=tenant_id, path=path, value=value, body=request.data)


def replay(answer: answers.Answer) -> HttpResponse:
    """The stored answer, byte for byte, marked as a repeat."""
    return HttpResponse(answer.body, status=answer.status, headers={**answer.headers, REPLAYED: "true"})


def keyed(handler: Handler) -> Handler:
    """Answers of 2xx are kept; a refusal gives the key back, so that the corrected request may use it.

    So does an answer whose `is_kept` is false: a repeat may have something left to do.
    """

    @wraps(handler)
    def post(view: Any, request: HubRequest, **kwargs: Any) -> Any:
        tenant_id = view.tenant_of(request)
        key = key_of(request, tenant_id) if tenant_id else None
        if key is None:
            return handler(view, request, **kwargs)
        known = answers.find(key)
        if isinstance(known, answers.Answer):
            return replay(known)
        claim_id = answers.claim(key)
        if claim_id is None:
            raise answers.still_running()
        return _answered(key, claim_id, lambda: handler(view, request, **kwargs))

    post.takes_idempotency_key = True  # type: ignore[attr-defined]  # OpenAPI lists the header.
    return post


def _answered(key: answers.Key, claim_id: UUID, act: Callable[[], Any]) -> HttpResponse:
    is_kept = False
    try:
        response = act()
        is_kept = getattr(response, "is_kept", True)
    finally:
        if not is_kept:
            answers.release(key, claim_id=claim_id)
    body = HubJSONRenderer().render(response.data)
    answer = answers.Answer(response.status_code, {"Content-Type": HubJSONRenderer.media_type}, body)
    try:
        if is_kept:
            answers.store(key, answer, claim_id=claim_id)
    except DatabaseError:
        # It was done: the answer goes out, and the claim stays, so that a repeat does not do it again.
        logger.exception("An answer could not be kept.")
    return HttpResponse(answer.body, status=answer.status, headers=answer.headers)
