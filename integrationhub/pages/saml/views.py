from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from integrationhub.core.errors import HubError, InvalidRequest
from integrationhub.core.ids import read_id
from integrationhub.core.representation import JSON, encode
from integrationhub.pages import forms, refusals
from oauth.saml import asking, signing_in
from oauth.saml.metadata import service_provider
from oauth.saml.serializers import SignInBody

View = Callable[..., HttpResponse]


def only(method: str) -> Callable[[View], View]:
    """The view for one method; another one, and whatever it raises, becomes a page or the envelope."""

    def decorate(view: View) -> View:
        @wraps(view)
        def answer(request: HttpRequest, **kwargs: Any) -> HttpResponse:
            try:
                if request.method != method:
                    message, headers = f"This path answers to {method} only.", {"Allow": method}
                    raise InvalidRequest(message, status=405, reason="method_not_allowed", headers=headers)
                return view(request, **kwargs)
            except HubError as error:
                return refusals.answer(error, request)

        return answer

    return decorate


@only("GET")
def metadata(request: HttpRequest) -> HttpResponse:
    """This hub as a tenant's service provider, in XML."""
    return HttpResponse(service_provider(_tenant(request)), content_type="application/samlmetadata+xml")


@never_cache
@only("GET")
def login(request: HttpRequest) -> HttpResponse:
    """On to the tenant's identity provider."""
    tenant_id, relay_state = _tenant(request), request.GET.get("RelayState", "")
    if relay_state and not asking.is_path(relay_state):
        raise _invalid("RelayState", "a path on this hub that begins with one '/', 512 characters at most")
    return HttpResponseRedirect(asking.sign_in_url(tenant_id=tenant_id, relay_state=relay_state))


# The form is posted from the identity provider's page: what vouches for it is a signature, and no cookie of ours.
@csrf_exempt
@never_cache
@only("POST")
def acs(request: HttpRequest, tenant_id: UUID) -> HttpResponse:
    """Who has signed in: a page, or JSON by `Accept`."""
    form = forms.read(request)
    signed_in = signing_in.sign_in(
        tenant_id=tenant_id,
        saml_response=form.get("SAMLResponse", ""),
        relay_state=form.get("RelayState", ""),
    )
    if not refusals.wants_page(request):
        return HttpResponse(encode(SignInBody(signed_in).data), content_type=JSON)
    return render(request, "pages/signed_in.html", {"signed_in": signed_in})


def _tenant(request: HttpRequest) -> UUID:
    if (tenant_id := read_id(request.GET.get("tenant_id", ""))) is None:
        raise _invalid("tenant_id", "a UUID")
    return tenant_id


def _invalid(field: str, expected: str) -> InvalidRequest:
    fields = [{"field": field, "reason": "wrong_form", "expected": expected}]
    return InvalidRequest(f"Not valid: {field}.", reason="invalid_fields", fields=fields)
