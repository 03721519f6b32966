"""One JSON object per line, with who and which request, and without secrets."""

import io
import json
import logging
import logging.config
import time
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from integrationhub.core.logs import HIDDEN, logging_config, redact
from tests.make import Api, token


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What the configured handler writes."""
    written, root = io.StringIO(), logging.getLogger()
    kept, level = root.handlers[:], root.level
    logging.config.dictConfig(logging_config("INFO"))
    handler = next(handler for handler in root.handlers if type(handler) is logging.StreamHandler)
    handler.setStream(written)
    yield written
    root.handlers[:] = kept
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_line_has_time_level_logger_event_and_context(stream: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r-1", tenant_id="t-1", execution_id="e-1"):
        logging.getLogger("anybody").warning("it happened", extra={"attempt": 2})
    (line,) = lines(stream)
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning",
        "logger": "anybody",
        "event": "it happened",
        "attempt": 2,
        "request_id": "r-1",
        "tenant_id": "t-1",
        "execution_id": "e-1",
    }


@pytest.mark.parametrize("forged", ['a\n{"level":"error"}', "a\r\nb", "a\x1b[31mred", "a\u2028b", "a\x85b", "a\u2029b"])
def test_nothing_in_a_value_begins_a_new_line(stream: io.StringIO, forged: str) -> None:
    logging.getLogger("x").info(forged, extra={"name_": forged})
    assert stream.getvalue().count("\n") == 1
    assert len(stream.getvalue().splitlines()) == 1
    assert stream.getvalue().isascii()
    assert lines(stream)[0]["event"] == forged


SECRETS = [
    "Authorization: Bearer abcdef0123456789",
    "got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.abcdef0123456789",
    "postgres://hub:abcdef0123456789@db/hub",
    "password=abcdef0123456789 failed",
    '{"client_secret": "abcdef0123456789"}',
    "GET /x?access_token=abcdef0123456789&b=1",
    "Basic abcdef0123456789==",
]


@pytest.mark.parametrize("text", SECRETS)
def test_text_that_looks_like_a_secret_is_hidden(stream: io.StringIO, text: str) -> None:
    logging.getLogger("x").info(text, extra={"deep": [{"text": text}]})
    logging.getLogger("x").info("said %s", text)
    assert "abcdef0123456789" not in stream.getvalue()
    assert HIDDEN in stream.getvalue()


@pytest.mark.parametrize("name", ["password", "api_key", "JWT_SECRET", "accessToken", "Authorization", "credentials"])
def test_member_whose_name_says_secret_is_hidden(stream: io.StringIO, name: str) -> None:
    logging.getLogger("x").info("bound", extra={name: "plain", "inner": {name: ["plain"]}})
    assert "plain" not in stream.getvalue()


def test_traceback_shows_lines_but_no_values(stream: io.StringIO) -> None:
    def fail() -> None:
        canary = "canary-" + "value-77"
        raise RuntimeError(f"{len(canary)} password=abcdef0123456789")

    try:
        fail()
    except RuntimeError:
        logging.getLogger("x").exception("failed")
    (line,) = lines(stream)
    assert "in fail" in line["exception"]
    assert "canary-value-77" not in stream.getvalue()
    assert "abcdef0123456789" not in stream.getvalue()


def test_request_leaves_one_line_with_status_time_and_tenant(api: Api, stream: io.StringIO) -> None:
    api.get("/echo", headers={"x-request-id": "request-0001"})
    (line,) = [line for line in lines(stream) if line["logger"] == "integrationhub.access"]
    assert (line["method"], line["path"], line["status"]) == ("GET", "/integrationhub/v1/echo", 200)
    assert (line["request_id"], line["tenant_id"]) == ("request-0001", str(api.tenant))
    assert line["ms"] >= 0


def test_context_of_one_request_does_not_reach_the_next(api: Api, stream: io.StringIO) -> None:
    api.get("/echo")
    api.client.get("/integrationhub/v1/echo")
    assert "tenant_id" not in lines(stream)[-1]


def test_token_and_query_are_in_no_line(api: Api, stream: io.StringIO) -> None:
    secret = token(api.tenant)
    api.get("/echo?code=abcdef0123456789", headers={"Authorization": f"Bearer {secret}"})
    api.get("/faulty/bug", headers={"Authorization": f"Bearer {secret}x"})
    assert secret[:40] not in stream.getvalue()
    assert "abcdef0123456789" not in stream.getvalue()


def test_token_in_an_address_is_in_no_line(api: Api, stream: io.StringIO) -> None:
    assert api.client.get("/connect/abcdef0123456789").status_code == 200
    assert lines(stream)[-1]["path"] == f"/connect/{HIDDEN}"


@pytest.mark.parametrize("text", ["a-" * 20_000, "eyJ-" * 10_000, "Bearer " * 6_000, "://" * 10_000])
def test_redaction_of_long_text_takes_no_time(text: str) -> None:
    begun = time.thread_time()
    redact(text)
    assert time.thread_time() - begun < 0.5


def test_what_becomes_text_only_at_the_end_is_redacted_too() -> None:
    shown = redact({"error": ValueError("password=hunter2222"), "raw": b"Bearer abcdefghijkl"})
    assert "hunter2222" not in str(shown)
    assert "abcdefghijkl" not in str(shown)
