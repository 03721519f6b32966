"""What a page may load: nothing from other hosts, and no script that stands in the page."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

_NOTHING_ELSE = "object-src 'none'; base-uri 'self'; frame-ancestors 'none'"
PAGES = f"default-src 'self'; img-src 'self' data:; {_NOTHING_ELSE}"
# The admin's theme sets styles in the markup, and its Alpine.js evaluates the expressions of attributes:
# https://alpinejs.dev/advanced/csp
ADMIN = (
    "default-src 'self'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    f"img-src 'self' data:; form-action 'self'; {_NOTHING_ELSE}"
)


class ContentSecurity:
    """Puts the policy on every HTML answer that does not bring its own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.get("Content-Type", "").startswith("text/html"):
            policy = ADMIN if request.path.startswith("/admin/") else PAGES
            response.headers.setdefault("Content-Security-Policy", policy)
        return response
