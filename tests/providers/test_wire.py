"""The comparison of requests tells every difference that matters, and none that does not."""

import json
from typing import Any

import pytest

from tests.providers.answering import Asked
from tests.providers.wire import assert_same, differences, spots

JSON, FORM = "application/json", "application/x-www-form-urlencoded"


def asked(body: Any = b"", kind: str = JSON, method: str = "POST", path: str = "/send", **headers: str) -> Asked:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Asked(method, path, {"Content-Type": kind, **headers}, content)


def multipart(boundary: str, *parts: tuple[str, str, str]) -> Asked:
    lines = [
        f"--{boundary}\r\nContent-Disposition: form-data; {name}\r\n{kind}\r\n{text}\r\n" for name, kind, text in parts
    ]
    return asked("".join([*lines, f"--{boundary}--\r\n"]).encode(), f"multipart/form-data; boundary={boundary}")


PHOTO = ('name="photo"; filename="a.png"', "Content-Type: image/png\r\n", "png")
LOGIN = {"Authorization": "Basic YTpi"}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (asked({"to": 1, "text": "ü"}), asked(b'{ "text": "\\u00fc", "to": 1 }', "application/json; charset=UTF-8")),
        (asked(b"a=1&b=%20", FORM), asked(b"b=+&a=1", FORM)),
        (asked(b"", path="/send?a=1&b=2"), asked(b"", path="/send?b=2&a=1")),
        (asked({}, **LOGIN), asked({}, authorization="basic YTpi")),
        (asked({}, **{"User-Agent": "us"}), asked({}, **{"User-Agent": "them"})),
        (multipart("x", PHOTO, ('name="to"', "", "me")), multipart("yy", ('name="to"', "", "me"), PHOTO)),
    ],
)
def test_what_means_the_same_is_the_same(ours: Asked, theirs: Asked) -> None:
    assert_same(ours, theirs)


@pytest.mark.parametrize(
    ("ours", "theirs", "line"),
    [
        (asked(), asked(method="PUT"), "method: ours 'POST', theirs 'PUT'"),
        (asked(), asked(path="/Send"), "path: ours '/send', theirs '/Send'"),
        (asked(path="/send?a=1"), asked(), "query.a: ours '1', theirs nothing"),
        (asked(path="/send?a=1&a=2"), asked(path="/send?a=2&a=1"), "query.a: ours ['1', '2'], theirs ['2', '1']"),
        (asked(), asked(**LOGIN), "authorization: ours nothing, theirs 'Basic a:b'"),
        (asked({}), asked(b""), "body: ours {}, theirs nothing"),
        (asked({}), asked(b"a=1", FORM), "content: ours 'json', theirs 'form'"),
        (asked({"a": {"b": [1]}}), asked({"a": {"b": [True]}}), "body.a.b[0]: ours 1, theirs True"),
        (asked({"a": []}), asked({}), "body.a: ours [], theirs nothing"),
        (asked({"a": None}), asked({"a": "None"}), "body.a: ours None, theirs 'None'"),
        (asked(b"a=", FORM), asked(b"b=", FORM), "body.a: ours '', theirs nothing"),
        (asked(b"x", "text/csv"), asked(b"y", "text/csv"), "body: ours b'x', theirs b'y'"),
        (
            multipart("x", PHOTO),
            multipart("x", (PHOTO[0], "Content-Type: image/gif\r\n", PHOTO[2])),
            "body.photo(a.png): ours ('image/png', b'png'), theirs ('image/gif', b'png')",
        ),
    ],
)
def test_a_difference_is_named(ours: Asked, theirs: Asked, line: str) -> None:
    assert line in differences(spots(ours), spots(theirs)).values()
    with pytest.raises(AssertionError, match="is not the library's") as caught:
        assert_same(ours, theirs)
    assert line in str(caught.value)


def test_a_header_counts_where_it_is_the_login() -> None:
    ours, theirs = asked(**{"X-Server-Token": "a"}), asked(**{"x-server-token": "b"})
    assert_same(ours, theirs)
    with pytest.raises(AssertionError, match=r"header\.x-server-token: ours 'a', theirs 'b'"):
        assert_same(ours, theirs, headers=["X-Server-Token"])


def test_what_differs_on_purpose_is_named_and_nothing_else_is_let_through() -> None:
    ours, theirs = asked({"a": {"b": 1}, "ab": 1}), asked({"ab": 1})
    assert_same(ours, theirs, apart={"body.a": "we say more"})
    with pytest.raises(AssertionError, match=r"body\.ab: ours 1, theirs 2"):
        assert_same(ours, asked({"ab": 2}), apart={"body.a": "we say more"})


def test_a_purpose_that_is_gone_is_told() -> None:
    with pytest.raises(AssertionError, match=r"do not: body\.a"):
        assert_same(asked({"a": 1}), asked({"a": 1}), apart={"body.a": "we say more"})
