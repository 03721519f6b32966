"""`Idempotency-Key` on an execution: the claim is taken with the durable statement, the outcome is kept."""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase

from integrationhub.core.http import HubRequest
from integrationhub.core.representation import HubJSONRenderer
from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution import ledger
from integrationhub.execution.answer import represent
from integrationhub.execution.errors import Concluded
from integrationhub.execution.models import Execution
from integrationhub.idempotency import answers
from integrationhub.idempotency.keyed import key_of, replay

# What of an answer's headers is part of the answer; the rest belongs to the one request.
KEPT_HEADERS = ("Content-Type", "Retry-After")


def keyed_execution(handler: Callable[..., Any]) -> Callable[..., Any]:
    """`post(view, request, version, key)`: what ran once under a key is answered again, byte for byte.

    Kept is whatever an attempt came to, failures too. A refusal before the first attempt leaves the key free.
    """

    @wraps(handler)
    def post(view: Any, request: HubRequest, version: str) -> HttpResponseBase:
        key = key_of(request, version)
        if key is None:
            response: HttpResponseBase = handler(view, request, version=version, key=None)
            return response
        if known := _known(view, key):
            return known
        try:
            response = handler(view, request, version=version, key=key)
        except ledger.KeyTaken:
            raise answers.still_running() from None
        except Concluded as failure:
            response = view.handle_exception(failure)
        return _kept(key, response)

    post.takes_idempotency_key = True  # type: ignore[attr-defined]  # OpenAPI lists the header.
    return post


def _known(view: Any, key: answers.Key) -> HttpResponseBase | None:
    known = answers.find(key)
    if isinstance(known, answers.Answer):
        return replay(known)
    if isinstance(known, answers.Running):
        return _kept(key, _late(view, key, known))
    return None


def _late(view: Any, key: answers.Key, running: answers.Running) -> Any:
    """The process that ran it died before it could keep its answer: the settled row tells what it was."""
    with tenant_scope(key.tenant_id):
        mine = Execution.objects.for_tenant(key.tenant_id)
        execution = mine.filter(id=running.execution_id).first() if running.execution_id else None
        if execution is None or not ledger.is_settled(execution):
            raise answers.still_running()
        attempts = ledger.attempts_of(execution)
    if execution.error_code:
        return view.handle_exception(Concluded(execution))
    return HttpResponse(HubJSONRenderer().render(represent(execution, attempts)), content_type="application/json")


def _kept(key: answers.Key, response: HttpResponseBase) -> HttpResponseBase:
    """Keep an answer and give it; one that was kept by its own transaction (a 202) comes as it is."""
    if hasattr(response, "data"):
        body, headers = HubJSONRenderer().render(response.data), {"Content-Type": HubJSONRenderer.media_type}
    elif isinstance(response, HttpResponse) and response.status_code != HTTPStatus.ACCEPTED:
        body, headers = response.content, {name: response[name] for name in KEPT_HEADERS if name in response}
    else:
        return response
    answer = answers.Answer(response.status_code, headers, body)
    with tenant_scope(key.tenant_id):
        answers.store(key, answer)
    return HttpResponse(answer.body, status=answer.status, headers=answer.headers)
