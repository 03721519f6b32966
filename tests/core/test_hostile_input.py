"""What hostile or careless clients send to an endpoint that takes JSON: always a 4xx of the catalogue."""

import io
import json
from typing import Any

import pytest

from tests.core.envelopes import assert_envelope
from tests.make import Api, token

DEEP = 3_000
# name -> (body, status, reason)
BODIES: dict[str, tuple[bytes, int, str]] = {
    "nul in a value": (rb'{"a": "x\u0000y"}', 400, "nul_character"),
    "nul in a key": (rb'{"a\u0000": 1}', 400, "nul_character"),
    "raw nul": (b'{"a": "x\0y"}', 400, "malformed_json"),
    "raw newline in a string": (b'{"a": "x\ny"}', 400, "malformed_json"),
    "lone high surrogate": (rb'{"a": "\ud800"}', 400, "lone_surrogate"),
    "lone low surrogate in a key": (rb'{"\udfff": 1}', 400, "lone_surrogate"),
    "surrogate deep inside": (rb'{"a": [{"b": "\ud834x"}]}', 400, "lone_surrogate"),
    "surrogate as bytes": (b'{"a": "\xed\xa0\x80"}', 400, "bad_encoding"),
    "33 levels": (b'{"a":' + b"[" * 32 + b"]" * 32 + b"}", 400, "too_deep"),
    "900 levels": (b'{"a":' * 900 + b"1" + b"}" * 900, 400, "too_deep"),
    "3,000 levels": (b"[" * DEEP + b"]" * DEEP, 400, "too_deep"),
    "100,000 open brackets": (b"[" * 100_000, 400, "too_deep"),
    "100,000 open braces": (b'{"":' * 100_000, 400, "too_deep"),
    "5,000 digits": (b'{"a": ' + b"9" * 5_000 + b"}", 400, "number_too_large"),
    "int8 overflow": (b'{"a": 9223372036854775808}', 400, "number_too_large"),
    "negative int8 overflow": (b'{"a": -9223372036854775809}', 400, "number_too_large"),
    "NaN": (b'{"a": NaN}', 400, "not_finite"),
    "Infinity": (b'{"a": Infinity}', 400, "not_finite"),
    "minus Infinity": (b'{"a": [-Infinity]}', 400, "not_finite"),
    "1e400": (b'{"a": 1e400}', 400, "number_too_large"),
    "duplicate key": (b'{"a": 1, "a": 2}', 400, "duplicate_key"),
    "duplicate key inside": (b'{"a": {"b": 1, "b": 1}}', 400, "duplicate_key"),
    "duplicate key, escaped": (rb'{"a": 1, "\u0061": 2}', 400, "duplicate_key"),
    "list": (b"[]", 400, "not_an_object"),
    "string": (b'"x"', 400, "not_an_object"),
    "null": (b"null", 400, "not_an_object"),
    "number": (b"1", 400, "not_an_object"),
    "empty": (b"", 400, "malformed_json"),
    "spaces": (b"  \n ", 400, "malformed_json"),
    "truncated": (b'{"a": ', 400, "malformed_json"),
    "trailing comma": (b'{"a": 1,}', 400, "malformed_json"),
    "two documents": (b"{}{}", 400, "malformed_json"),
    "single quotes": (b"{'a': 1}", 400, "malformed_json"),
    "comment": (b"{/* x */}", 400, "malformed_json"),
    "bad escape": (rb'{"a": "\x41"}', 400, "malformed_json"),
    "unterminated string of quotes": (b'{"a": "' + rb"\"" * 20_000, 400, "malformed_json"),
    "byte order mark": (b"\xef\xbb\xbf{}", 400, "malformed_json"),
    "bad UTF-8": (b'{"a": "\xff\xfe"}', 400, "bad_encoding"),
    "overlong UTF-8": (b'{"a": "\xc0\x80"}', 400, "bad_encoding"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), 400, "bad_encoding"),
    "3 MB": (b'{"a": "' + b"x" * 3_000_000 + b'"}', 413, "body_too_large"),
    "one byte too many": (b'{"a":"' + b"x" * (1024 * 1024 - 7) + b'"}', 413, "body_too_large"),
    "a long string": (b'{"a": "' + b"x" * 70_000 + b'"}', 400, "string_too_long"),
    "a long key": (b'{"' + b"x" * 70_000 + b'": 1}', 400, "string_too_long"),
    "many values": (json.dumps({"a": [0] * 20_001}).encode(), 400, "too_many_values"),
    "gzip magic": (b"\x1f\x8b\x08\x00\x00\x00\x00\x00", 400, "bad_encoding"),
    "form": (b"a=1&b=2", 400, "malformed_json"),
}


@pytest.mark.parametrize("name", BODIES)
def test_body_is_refused_by_name(api: Api, name: str) -> None:
    body, status, reason = BODIES[name]
    assert_envelope(api.post("/echo", body, headers={"Content-Type": "application/json"}), status, reason)


CONTENT: dict[str, tuple[dict[str, str], int, str]] = {
    "unknown charset": ({"Content-Type": "application/json; charset=klingon"}, 415, "charset"),
    "UTF-16 charset": ({"Content-Type": 'application/json; charset="utf-16"'}, 415, "charset"),
    "form": ({"Content-Type": "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"),
    "multipart": ({"Content-Type": "multipart/form-data; boundary=x"}, 415, "unsupported_media_type"),
    "text": ({"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
    "no content type": ({"Content-Type": ""}, 415, "unsupported_media_type"),
    "nonsense": ({"Content-Type": ";;;=/"}, 415, "unsupported_media_type"),
    "gzip": ({"Content-Encoding": "gzip"}, 415, "content_encoding"),
    "deflate": ({"Content-Encoding": "deflate, gzip"}, 415, "content_encoding"),
    "only XML accepted": ({"Accept": "application/xml"}, 406, "not_acceptable"),
    "JSON refused": ({"Accept": "application/json;q=0"}, 406, "not_acceptable"),
    "nonsense accepted": ({"Accept": "%%%,,;q=x"}, 406, "not_acceptable"),
}


@pytest.mark.parametrize("name", CONTENT)
def test_content_header_is_refused_by_name(api: Api, name: str) -> None:
    headers, status, reason = CONTENT[name]
    assert_envelope(api.post("/echo", b"{}", headers=headers), status, reason)


URLS: dict[str, tuple[str, int, str]] = {
    "unknown path": ("/nowhere", 404, "unknown_path"),
    "trailing slash": ("/echo/", 404, "unknown_path"),
    "NUL in the path": ("/ec%00ho", 400, "nul_character"),
    "NUL in the query": ("/echo?name=%00", 400, "nul_character"),
    "bytes that are no UTF-8": ("/echo%FF", 404, "unknown_path"),
    "query that is no UTF-8": ("/echo?a=%FF", 400, "bad_encoding"),
    "surrogate in the query": ("/echo?a=%ED%A0%80", 400, "bad_encoding"),
    "half a percent": ("/echo?a=%4", 400, "bad_encoding"),
    "5,000 characters": ("/" + "a" * 5_000, 414, "url_too_long"),
    "long query": ("/echo?a=" + "a" * 5_000, 414, "url_too_long"),
    "dots": ("/../v1/echo", 404, "unknown_path"),
    "encoded dots": ("/%2e%2e/v1/echo", 404, "unknown_path"),
    "double slash": ("//echo", 404, "unknown_path"),
    "CRLF": ("/echo%0d%0aX-Evil:1", 404, "unknown_path"),
    "20-digit limit": ("/rows?limit=99999999999999999999", 400, "invalid_fields"),
    "negative limit": ("/rows?limit=-1", 400, "invalid_fields"),
    "zero limit": ("/rows?limit=0", 400, "invalid_fields"),
    "limit in words": ("/rows?limit=ten", 400, "invalid_fields"),
    "limit in other digits": ("/rows?limit=%D9%A1", 400, "invalid_fields"),
    "empty limit": ("/rows?limit=", 400, "invalid_fields"),
    "made-up cursor": ("/rows?cursor=abc", 400, "invalid_fields"),
    "empty cursor": ("/rows?cursor=", 400, "invalid_fields"),
    "cursor of colons": ("/rows?cursor=::::", 400, "invalid_fields"),
}


@pytest.mark.parametrize("name", URLS)
def test_url_is_refused_by_name(api: Api, name: str) -> None:
    path, status, reason = URLS[name]
    response = api.get(path)
    assert_envelope(response, status, reason)
    assert "X-Evil" not in response.headers


@pytest.mark.parametrize("method", ["PATCH", "OPTIONS", "TRACE", "PROPFIND", "XXXXXXXXXX"])
def test_method_that_the_path_does_not_have_is_405_and_names_those_it_has(api: Api, method: str) -> None:
    response = api.request(method, "/echo")
    assert_envelope(response, 405, "method_not_allowed")
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "POST", "PUT", "DELETE"}


@pytest.mark.parametrize("host", ["evil.example", "", "a b", "x" * 300, "testserver@evil.example"])
def test_unknown_host_is_refused_as_json(api: Api, host: str) -> None:
    response = api.client.get("/integrationhub/v1/echo", headers={"Host": host})
    if host:
        assert_envelope(response, 400, "unknown_host")
    else:
        assert response.status_code < 500


@pytest.mark.parametrize("size", [9_000, 40_000])
def test_large_header_is_431(api: Api, size: int) -> None:
    assert_envelope(api.get("/echo", headers={"X-Large": "a" * size}), 431, "headers_too_large")


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize(("path", "status"), [("html", 403), ("redirect", 404), ("nowhere", 404), ("bug", 500)])
def test_no_layer_answers_the_api_with_html(api: Api, settings: Any, path: str, status: int, debug: bool) -> None:
    settings.DEBUG = debug
    response = api.get(f"/{path}")
    assert_envelope(response, status)
    assert b"canary" not in response.content


def test_nested_body_within_the_limits_is_taken_as_it_is(api: Api) -> None:
    body = {"a": [{"b": [1, -2.5, True, None, "é\u2028😀"]}], "max": 2**63 - 1, "deep": eval("[" * 30 + "]" * 30)}  # noqa: S307
    assert api.post("/echo", body).json() == {"body": body}


def test_escaped_backslash_before_u0000_is_no_nul(api: Api) -> None:
    assert api.post("/echo", rb'{"a": "\\u0000"}').json() == {"body": {"a": r"\u0000"}}


def test_brackets_inside_strings_are_no_nesting(api: Api) -> None:
    body = {"a": "[" * 100 + '"{' * 100 + "\\"}
    assert api.post("/echo", body).json() == {"body": body}


def test_file_in_base64_may_be_longer_than_other_strings(api: Api) -> None:
    for member in ("content", "html", "text", "SAMLResponse"):
        assert api.post("/echo", {"payload": {member: "A" * 200_000}}).status_code == 201


def test_chunked_body_is_read_without_a_length_and_counted(api: Api) -> None:
    def send(size: int) -> Any:
        return api.client.generic(
            "POST",
            "/integrationhub/v1/optional",
            b"replaced",
            content_type="application/json",
            headers=_headers(api),
            CONTENT_LENGTH="",
            **{"wsgi.input": io.BytesIO(b'{"a": "' + b"x" * size + b'"}'), "wsgi.input_terminated": True},
        )

    assert send(5).json() == {"body": {"a": "xxxxx"}}
    assert_envelope(send(1024 * 1024), 413, "body_too_large")


def test_body_may_be_empty_where_the_view_says_so(api: Api) -> None:
    assert api.post("/optional", headers={"Content-Type": ""}).json() == {"body": {}}
    assert_envelope(api.post("/optional", b"[]"), 400, "not_an_object")


def _headers(api: Api) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(api.tenant, 'admin')}", "x-tenant-id": str(api.tenant)}
