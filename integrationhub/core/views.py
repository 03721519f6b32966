"""The base of every view of the API: it declares its roles, and meets every request in one order of checks."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from rest_framework.request import Request
from rest_framework.views import APIView

from integrationhub.core import bodies, throttling
from integrationhub.core.catalogue import Entry
from integrationhub.core.errors import HubError, InvalidRequest, Unexpected
from integrationhub.core.http import HubRequest
from integrationhub.core.representation import is_acceptable


class HubView(APIView):
    """A view is: validate, one call, represent. Handlers get `version: str` as a keyword from the URL.

    A view without a token sets `authentication_classes = permission_classes = throttle_classes = []`.
    """

    # The methods that the API knows. OPTIONS is not one: the API is described by its OpenAPI document.
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]

    roles: ClassVar[Mapping[str, str]] = {}  # HTTP method -> lowest role; "user" where it is not named
    platform_only: ClassVar[frozenset[str]] = frozenset()  # methods for admins of the platform's own tenant alone
    failures: ClassVar[Mapping[str, tuple[Entry, ...]]] = {}  # HTTP method -> entries beyond the common ones
    rate_limit: ClassVar[str] = "requests"  # which of the tenant's two windows a request counts in
    max_body_bytes: ClassVar[int] = 1024 * 1024
    max_form_bytes: ClassVar[int] = 0  # of a form with files, where `multipart.FormParser` reads such; see `bodies`
    gives_files: ClassVar[bool] = False  # of any media type, so that Accept excludes none
    body_is_optional: ClassVar[bool] = False  # an empty body then reads as {}
    # What a database that is away, or a fault of ours, is called on this path.
    unforeseen: ClassVar[type[HubError]] = Unexpected

    def initialize_request(self, request: Any, *args: Any, **kwargs: Any) -> HubRequest:
        parsed: Any = super().initialize_request(request, *args, **kwargs)
        return bodies.BodyRequest(
            parsed._request,
            parsers=parsed.parsers,
            authenticators=parsed.authenticators,
            negotiator=parsed.negotiator,
            parser_context=parsed.parser_context,
        )

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Who, which tenant, which role, how often; only then what HTTP itself can find wrong."""
        self.perform_authentication(request)
        self.check_permissions(request)
        self.check_throttles(request)
        if (request.method or "").lower() not in self.http_method_names or not self._handles(request):
            self.http_method_not_allowed(request)
        if not self.gives_files and not is_acceptable(request._request):
            raise InvalidRequest(
                f"This path answers with application/json, which the Accept header "
                f"'{request.headers['Accept'][:200]}' excludes.",
                status=406,
                reason="not_acceptable",
                available=["application/json"],
            )
        request.accepted_renderer, request.accepted_media_type = self.perform_content_negotiation(request, force=True)
        is_form = self.max_form_bytes and bodies.is_form(request._request)
        bodies.refuse_too_long(request._request, self.max_form_bytes if is_form else self.max_body_bytes)

    def tenant_of(self, request: HubRequest) -> UUID | None:
        """Whose Idempotency-Key it is. None where the request does not say: it is refused, and nothing is kept."""
        return request.user.tenant_id

    def _handles(self, request: Request) -> bool:
        return hasattr(self, (request.method or "").lower())

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """One renderer; `initial` has settled whether the caller accepts it."""
        renderer = self.get_renderers()[0]
        return renderer, renderer.media_type

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        answer = super().finalize_response(request, response, *args, **kwargs)
        if decision := getattr(request._request, "rate_limit_decision", None):
            for name, value in throttling.headers(decision).items():
                answer[name] = value
        return answer
