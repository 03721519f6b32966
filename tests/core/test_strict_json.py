"""The strict parser agrees with Python's own on everything it takes, and is as quick with what it refuses."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrationhub.core.errors import InvalidRequest
from integrationhub.core.strict_json import loads

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=30,
)


@settings(deadline=None)
@given(VALUES, st.booleans())
def test_what_is_valid_is_read_as_it_was_written(value: object, ascii_only: bool) -> None:
    assert loads(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        value = loads(raw)
    except InvalidRequest:
        return
    assert value == json.loads(raw)


HUGE = {
    "open brackets": b"[" * 16_000_000,
    "escaped quotes": b"[" * 40 + b'"' + b'\\"' * 8_000_000,
    "backslashes": b"[" * 40 + b'"' + b"\\" * 16_000_000,
    "quotes": b"[" * 40 + b'"' * 2_000_000,
}


@pytest.mark.parametrize("name", HUGE)
def test_huge_nonsense_is_refused_in_no_time(name: str) -> None:
    started = time.thread_time()
    with pytest.raises(InvalidRequest):
        loads(HUGE[name])
    assert time.thread_time() - started < 2


def test_refusal_names_the_place() -> None:
    with pytest.raises(InvalidRequest) as caught:
        loads(rb'{"payload": {"list": [1, {"to": "\u0000"}]}}')
    assert caught.value.details == {"reason": "nul_character", "field": "payload.list.1.to"}


def test_name_in_a_refusal_cannot_disturb_a_log_or_page() -> None:
    with pytest.raises(InvalidRequest) as caught:
        loads(b'{"\\u001b[31m": 1, "\\u001b[31m": 2}')
    assert caught.value.message.isprintable()
