from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from integrationhub.core import exception_handler
from integrationhub.core.errors import HubError, InvalidRequest
from integrationhub.core.representation import JSON, encode
from integrationhub.pages import forms, refusals
from integrationhub.pages.connect.scopes import in_words
from oauth import addresses, returning, sessions, table
from oauth.models import ConnectSession
from oauth.returning import Outcome

GONE = 410


def one_time(view: Any) -> Any:
    """A page for one person at one moment: kept nowhere, told to no other host, and open to the window it came from."""

    @wraps(view)
    def answer(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        try:
            response: HttpResponse = view(request, **kwargs)
        except HubError as error:
            response = refusals.answer(error, request, "pages/connect/refused.html")
        response["Cache-Control"] = "no-store"
        response["Referrer-Policy"] = "no-referrer"
        # Who opened this in a pop-up has to see it close.
        response["Cross-Origin-Opener-Policy"] = "unsafe-none"
        return response

    return answer


# The token in the path is what lets in; no cookie does, so that no other site can ride on one.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@one_time
def choose(request: HttpRequest, token: str) -> HttpResponse:
    """What may be connected and what for; the choice goes on to the provider."""
    session = sessions.find(token)
    if session is None:
        raise InvalidRequest("There is no such link.", status=404, reason="link_not_found")
    if not sessions.is_open(session):
        return render(request, "pages/connect/over.html", {"is_used": session.used_at is not None}, status=GONE)
    if request.method == "POST":
        return HttpResponseRedirect(sessions.begin(session, forms.read(request).get("provider", ""), token).url)
    shown = {"choices": _choices(session), "asked_by": sessions.asked_by(session)}
    return render(request, "pages/connect/choose.html", shown)


@csrf_exempt  # Apple posts from its own site; the state is what is checked.
@one_time
def came_back(request: HttpRequest, provider_key: str) -> HttpResponse:
    """A provider's answer, in a person's browser: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2"""
    method = table.get(provider_key).callback_method
    if request.method != method:
        raise InvalidRequest(
            f"{provider_key} answers by {method}.",
            status=405,
            reason="method_not_allowed",
            headers={"Allow": method},
            allowed=[method],
        )
    said = forms.read(request) if method == "POST" else request.GET
    outcome = returning.came_back(provider_key, {name: str(said[name]) for name in said})
    if not refusals.wants_page(request):
        return _for_programs(request, outcome)
    if outcome.error is not None:
        return _failed(request, outcome, outcome.error)
    if outcome.start and outcome.start.return_to:
        return HttpResponseRedirect(_where_to(outcome))
    return _done(request, outcome)


def _choices(session: ConnectSession) -> list[dict[str, Any]]:
    return [{"provider": provider, "scopes": in_words(list(scopes))} for provider, scopes in sessions.choices(session)]


def _where_to(outcome: Outcome) -> str:
    said = {"provider": outcome.provider.key}
    if outcome.connection:
        said |= {"status": "connected", "connection_id": str(outcome.connection.id)}
    elif outcome.error:
        said |= {"status": "failed", "error": outcome.error.entry.code}
    return addresses.with_outcome(outcome.start.return_to, **said) if outcome.start else ""


def _done(request: HttpRequest, outcome: Outcome) -> HttpResponse:
    shown = {
        "connection": outcome.connection,
        "provider": outcome.provider,
        "missing": in_words(outcome.connection.missing_scopes) if outcome.connection else [],
        "opener_origin": outcome.opener_origin,
    }
    return render(request, "pages/connect/done.html", shown)


def _failed(request: HttpRequest, outcome: Outcome, error: HubError) -> HttpResponse:
    """The page stays open: what went wrong, in the provider's own words, and what can be done."""
    shown = {
        "error": error,
        "provider": outcome.provider,
        "redirect_uri": outcome.start.redirect_uri if outcome.start else "",
        "said": error.details.get("provider_error") or {},
        "is_about_the_address": "redirect_uri" in str(error.details.get("provider_error", "")),
        "try_again": addresses.connect_url(outcome.link) if outcome.link else "",
        "can_come_again": outcome.can_come_again,
        "back": _where_to(outcome) if outcome.start and outcome.start.return_to else "",
        "request_id": exception_handler.request_id_of(request),
    }
    return render(request, "pages/connect/failed.html", shown, status=error.status)


def _for_programs(request: HttpRequest, outcome: Outcome) -> HttpResponse:
    if outcome.error is not None or outcome.connection is None:
        return refusals.answer(outcome.error or InvalidRequest(reason="nothing_connected"), request)
    said = {"status": "connected", "provider": outcome.provider.key, "connection_id": str(outcome.connection.id)}
    return HttpResponse(encode(said), content_type=JSON)
