"""Request bodies: how much of them is read, also when no Content-Length says how much there is."""

import io
from typing import Any

from django.http import HttpRequest
from django.http.request import UnreadablePostError
from gunicorn.http.errors import ParseException

from integrationhub.core.errors import InvalidRequest
from integrationhub.core.http import HubRequest

FORM = "multipart/form-data"
_CHUNK = 64 * 1024


def refuse_too_long(request: HttpRequest, limit: int) -> None:
    """Raise InvalidRequest (413) when the declared length exceeds `limit` bytes, before anything is read."""
    declared = request.META.get("CONTENT_LENGTH") or "0"
    if not declared.isascii() or not declared.isdigit():
        raise InvalidRequest("The Content-Length header is not a number.", reason="bad_content_length")
    if len(declared) > 18 or int(declared) > limit:
        raise _too_long(limit)


def read(request: HttpRequest, limit: int) -> bytes:
    """The whole body, read once and kept as `request.body`.

    Raises InvalidRequest: 413 over `limit` bytes (a chunked body is counted while it is read), 400 when the caller
    went away in mid-body, 415 for a compressed body.
    """
    refuse_too_long(request, limit)
    _refuse_compressed(request)
    if not hasattr(request, "_body"):
        request._body = _read_chunked(request, limit) if _is_chunked(request) else _read_declared(request)
    return request._body


def is_form(request: HttpRequest) -> bool:
    return (request.content_type or "").lower() == FORM


class Stream:
    """A body for a parser that takes it piece by piece, of at most `limit` bytes. `read` raises InvalidRequest as the
    function does."""

    def __init__(self, request: HttpRequest, limit: int) -> None:
        refuse_too_long(request, limit)
        _refuse_compressed(request)
        self.limit, self._taken = limit, 0
        self._declared = int(request.META.get("CONTENT_LENGTH") or 0)
        self._source = request.META["wsgi.input"] if _is_chunked(request) else request

    def read(self, size: int = _CHUNK) -> bytes:
        try:
            piece: bytes = self._source.read(size)
        except OSError as error:  # Django's UnreadablePostError is one.
            raise _incomplete() from error
        except ParseException as error:
            raise _malformed_chunk() from error
        self._taken += len(piece)
        if self._taken > self.limit:
            raise _too_long(self.limit)
        if not piece and self._taken < self._declared:
            raise _incomplete()
        return piece


def _refuse_compressed(request: HttpRequest) -> None:
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise InvalidRequest(
            "Compressed request bodies are not accepted.", status=415, reason="content_encoding", expected="identity"
        )


def _is_chunked(request: HttpRequest) -> bool:
    # Django reads nothing of a body without Content-Length; the server says by this flag that the stream ends itself.
    return not request.META.get("CONTENT_LENGTH") and bool(request.META.get("wsgi.input_terminated"))


def _read_declared(request: HttpRequest) -> bytes:
    try:
        body = request.body
    except UnreadablePostError as error:
        raise _incomplete() from error
    # A connection that ends early reads as a shorter body, which may even be valid JSON.
    if len(body) < int(request.META.get("CONTENT_LENGTH") or 0):
        raise _incomplete()
    return body


def _read_chunked(request: HttpRequest, limit: int) -> bytes:
    stream, body = request.META["wsgi.input"], bytearray()
    try:
        while chunk := stream.read(_CHUNK):
            body += chunk
            if len(body) > limit:
                raise _too_long(limit)
    except OSError as error:
        raise _incomplete() from error
    except ParseException as error:
        raise _malformed_chunk() from error
    return bytes(body)


def _too_long(limit: int) -> InvalidRequest:
    return InvalidRequest(
        f"The request body is longer than {limit} bytes.",
        status=413,
        reason="body_too_large",
        max_bytes=limit,
    )


def _malformed_chunk() -> InvalidRequest:
    return InvalidRequest("A chunk of the request body is malformed.", reason="malformed_chunk")


def _incomplete() -> InvalidRequest:
    return InvalidRequest("The request body ended before its declared length.", reason="incomplete_body")


class BodyRequest(HubRequest):
    """A request whose parser is asked about every body: an empty or chunked one too."""

    def _load_stream(self) -> None:
        view: Any = self.parser_context["view"]
        if view.max_form_bytes and is_form(self._request):
            self._stream: Any = Stream(self._request, view.max_form_bytes)
            return
        body = read(self._request, view.max_body_bytes)
        stream = None if view.body_is_optional and not body.strip() else io.BytesIO(body)
        self._stream = stream
