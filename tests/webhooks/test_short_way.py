"""The short way of a webhook: in everything that a provider or an operator sees, it is Django's own."""

import io
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.wsgi import get_wsgi_application
from django.db import connection, connections
from prometheus_client import CollectorRegistry, generate_latest

from integrationhub.core import request_times
from integrationhub.core.short_way import ShortWay
from integrationhub.webhooks import receiving
from tests.webhooks.posting import ROOT, count, messages, signature

BODY = messages("wamid.1")
OF_THIS_REQUEST = re.compile(rb'"(requestId|timestamp)":"[^"]*"')


def asked(body: bytes = BODY, method: str = "POST", **over: Any) -> dict[str, Any]:
    known = {
        "REQUEST_METHOD": method,
        "PATH_INFO": ROOT,
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "testserver",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_X_HUB_SIGNATURE_256": signature(body),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.url_scheme": "http",
    }
    return {name: value for name, value in {**known, **over}.items() if value is not None}


def answered(application: Callable[..., Any], environ: dict[str, Any]) -> tuple[str, dict[str, str], bytes]:
    begun: list[tuple[str, list[tuple[str, str]]]] = []
    body = b"".join(application(environ, lambda status, headers: begun.append((status, headers))))
    [(status, headers)] = begun
    # The length follows the id that a caller may give.
    told = {name.lower(): value for name, value in headers if name.lower() not in ("x-request-id", "content-length")}
    return status, told, OF_THIS_REQUEST.sub(b"", body)


@pytest.fixture
def both() -> tuple[Callable[..., Any], ShortWay]:
    """Django's application, and one that has nothing behind its short way."""
    return get_wsgi_application(), ShortWay(lambda *_: pytest.fail("it went the long way"), [ROOT])


@pytest.mark.parametrize(
    "over",
    [
        {},
        {"HTTP_X_REQUEST_ID": "of-the-caller-1"},
        {"HTTP_X_HUB_SIGNATURE_256": "sha256=00"},
        {"HTTP_X_HUB_SIGNATURE_256": None},
        {"HTTP_HOST": "elsewhere.example"},
        {"CONTENT_LENGTH": str(5 * 1024 * 1024)},
        {"CONTENT_LENGTH": "many"},
        {"HTTP_CONTENT_ENCODING": "gzip"},
        {"HTTP_X_LONG": "x" * 9000},
        {"QUERY_STRING": "%00"},
        {"HTTP_ACCEPT": "application/problem+json", "HTTP_X_HUB_SIGNATURE_256": "sha256=00"},
    ],
)
def test_every_answer_is_the_one_of_the_long_way(both: tuple[Any, ShortWay], over: dict[str, Any]) -> None:
    long, short = both
    assert answered(short, asked(**over)) == answered(long, asked(**over))


def test_what_was_taken_is_stored(both: tuple[Any, ShortWay]) -> None:
    assert answered(both[1], asked())[0] == "200 OK"
    assert count("webhooks_post") == 1


@pytest.mark.parametrize("over", [{"method": "GET"}, {"method": "PUT"}, {"PATH_INFO": f"{ROOT}/"}, {"PATH_INFO": "/"}])
def test_every_other_request_goes_the_long_way(over: dict[str, Any]) -> None:
    def long(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("204 No Content", [])
        return []

    assert answered(ShortWay(long, [ROOT]), asked(**over))[0] == "204 No Content"


def test_a_redirect_to_https_holds_there_too(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    short = ShortWay(get_wsgi_application(), [ROOT])
    assert answered(short, asked())[:2] == answered(get_wsgi_application(), asked())[:2]
    assert count("webhooks_post") == 0


def test_a_fault_of_ours_is_told_in_the_envelope(both: tuple[Any, ShortWay], monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError("no such thing")

    monkeypatch.setattr(receiving, "receive", fails)
    status, _, body = answered(both[1], asked())
    assert (status, b'"code":"ERR_UNEXPECTED"' in body) == ("500 Internal Server Error", True)


def test_it_is_logged_and_counted_as_any_other(
    both: tuple[Any, ShortWay], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def counted() -> float:
        registry = CollectorRegistry()
        request_times.register(registry)
        line = r'hub_http_request_seconds_count\{method="POST",route="/webhooks",status="2xx"\} ([0-9.]+)'
        found = re.search(line, generate_latest(registry).decode())
        return float(found[1]) if found else 0

    before = counted()
    with caplog.at_level(logging.INFO, "integrationhub.access"):
        answered(both[1], asked())
    [line] = [record for record in caplog.records if record.name == "integrationhub.access"]
    assert (line.path, line.status, line.method) == (ROOT, 200, "POST")  # type: ignore[attr-defined]
    assert counted() == before + 1


def test_no_connection_stays_with_the_thread(both: tuple[Any, ShortWay], monkeypatch: pytest.MonkeyPatch) -> None:
    given_back = []

    def borrows(*_: Any) -> None:
        connection.ensure_connection()

    monkeypatch.setattr(receiving, "receive", borrows)
    monkeypatch.setattr(connections["default"], "close_if_unusable_or_obsolete", lambda: given_back.append(True))
    answered(both[1], asked())
    assert given_back == [True]
