"""Forms that other sites have a browser post here."""

from django.http import HttpRequest, QueryDict

from integrationhub.core import bodies
from integrationhub.core.errors import InvalidRequest

FORM = "application/x-www-form-urlencoded"
MAX_FORM_BYTES = 1024 * 1024


def read(request: HttpRequest) -> QueryDict:
    """The fields. Raises InvalidRequest for a body of another kind, or one that is too long."""
    if request.content_type != FORM:
        raise InvalidRequest("Send a form.", status=415, reason="unsupported_media_type", expected=FORM)
    return QueryDict(bodies.read(request, MAX_FORM_BYTES), encoding="utf-8")
