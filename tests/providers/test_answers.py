import base64
import re
import time
from collections.abc import Callable
from urllib.parse import quote

import pytest

from integrationhub.core.outbound import Answer
from providers.answers import LONGEST_READ, class_of, document, failure_of, quoted
from providers.errors import Ambiguous, Next, ProviderError, Retry, Stop

SECRETS = {"auth_token": "s3cret/with+signs", "account": {"keys": ["nested-secret-value"], "port": 5}, "empty": ""}


def answer(status: int = 200, body: bytes = b"", **headers: str) -> Answer:
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


@pytest.mark.parametrize(
    ("kind", "statuses"),
    [
        (Retry, [429, 503]),
        (Next, [401, 402, 403]),
        (Stop, [400, 404, 405, 409, 413, 415, 422, 451, 499]),
        (Ambiguous, [100, 200, 201, 202, 204, 206, 301, 302, 304, 308, 408, 500, 501, 502, 504, 507, 520, 599]),
    ],
)
def test_every_status_has_its_class(kind: type[ProviderError], statuses: list[int]) -> None:
    assert {class_of(status) for status in statuses} == {kind}


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'"x"', b"{", b"\xff\xfe", b'{"a": NaN}', b"[" * 100_000])
def test_what_is_no_object_has_no_members(body: bytes) -> None:
    assert document(answer(body=body)) == {}


def test_a_failure_names_provider_status_and_words() -> None:
    error = failure_of(answer(400), "Acme", "bad text")
    assert (type(error), error.reason, error.upstream_status) == (Stop, "upstream_400", 400)
    assert str(error) == "Acme refused the request (HTTP 400): bad text"


def test_what_the_adapter_knows_better_counts() -> None:
    error = failure_of(answer(400), "Acme", kind=Next, reason="acme_7", retry_after=300)
    assert (type(error), error.reason, error.retry_after) == (Next, "acme_7", 300)


def test_a_success_that_cannot_be_read_says_so() -> None:
    assert failure_of(answer(200), "Acme").reason == "unreadable_answer"


def test_only_what_may_be_called_again_tells_when() -> None:
    waits = {status: failure_of(answer(status, Retry_After="9"), "Acme").retry_after for status in (503, 401, 500, 400)}
    assert waits == {503: 9, 401: 9, 500: None, 400: None}


@pytest.mark.parametrize(
    "said",
    [
        "the token s3cret/with+signs is wrong",
        "the token s3cret%2Fwith%2Bsigns is wrong",
        "the keys are nested-secret-value.",
        "Authorization: Basic QUMxMjM6czNjcmV0",
        "a s3cret/with+signss3cret/with+signs b",
    ],
)
def test_a_quotation_holds_no_secret(said: str) -> None:
    told = quoted(said, SECRETS)
    assert "[hidden]" in told
    assert [secret for secret in ("s3cret", "nested-secret", "QUMxMjM6") if secret in told] == []


@pytest.mark.parametrize("before", ["", "a", "ab", "api:", "AC1:"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_quotation_holds_no_secret_in_base64(before: str, encode: Callable[[bytes], bytes]) -> None:
    login = encode(f"{before}s3cret/with+signs".encode()).decode()
    for spelling in (login, login.rstrip("="), quote(login)):
        told = quoted(f"cannot parse header {spelling} of yours", SECRETS)
        assert re.fullmatch(r"cannot parse header \S{0,8}\[hidden\]\S{0,8} of yours", told)


def test_a_quotation_holds_no_login_made_of_two_secrets() -> None:
    login = base64.b64encode(b"nested-secret-value:s3cret/with+signs").decode()
    assert re.fullmatch(r"\[hidden\]\S{0,3}\[hidden\]\S{0,3}", quoted(login, SECRETS))


def test_a_text_of_ten_megabytes_is_quoted_as_quickly_as_a_short_one() -> None:
    started = time.process_time()
    assert len(quoted("s3cret/with+sign " * 600_000, SECRETS)) == 500
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize("kept", range(1, 17))
def test_a_secret_where_a_long_text_is_cut_leaves_no_beginning_of_it(kept: int) -> None:
    """White space takes no room in the quotation, so that what is last before the cut is in it."""
    assert quoted(" " * (LONGEST_READ - kept) + "s3cret/with+signs", SECRETS) == "[hidden]"


def test_secrets_that_overlap_are_both_hidden() -> None:
    assert quoted("one-two-three", {"a": "one-two", "b": "two-three"}) == "[hidden]"


def test_a_secret_that_is_no_text_of_unicode_spoils_no_quotation() -> None:
    assert quoted("bad", {"token": "half a pair: \ud800"}) == "bad"


def test_a_quotation_is_one_short_line() -> None:
    assert quoted("a\r\nb\x1b[31m\u2028c\x00", {}) == "a b [31m c"
    assert len(quoted("long " * 1000, {})) == 500


def test_a_secret_at_the_cut_leaves_no_beginning_of_it() -> None:
    assert "s3cret" not in quoted("x" * 495 + " s3cret/with+signs", SECRETS)


@pytest.mark.parametrize("said", [None, 5, ["x"], {"a": "b"}, ""])
def test_what_is_no_text_is_not_quoted(said: object) -> None:
    assert quoted(said, {}) == ""
