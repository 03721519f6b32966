from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from providers.retry_after import seconds_to_wait

DATE = "Sun, 06 Nov 1994 08:49:07 GMT"


def seconds(said: str, date: str = DATE) -> float | None:
    return seconds_to_wait({"Retry-After": said, "Date": date})


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        ("0", 0),
        ("7", 7),
        ("007", 7),
        ("1.5", 1.5),
        ("2.", 2),
        ("  30 ", 30),
        ("300", 300),
        ("301", 300),
        ("999999999", 300),
        ("9" * 5000, 300),
        ("5, 60", 60),
        ("60,5", 60),
    ],
)
def test_numbers_are_seconds_up_to_five_minutes(said: str, wait: float) -> None:
    assert seconds(said) == wait


@pytest.mark.parametrize(
    "said",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun, 06 Nov 1994 09:49:37 +0100",
        "  Sun, 06 Nov 1994 08:49:37 GMT ",
    ],
)
def test_every_form_of_a_date_is_measured_from_the_answers_own(said: str) -> None:
    assert seconds(said) == 30


def test_a_date_in_the_past_is_no_wait_and_one_far_away_the_longest() -> None:
    assert seconds("Sun, 06 Nov 1994 08:49:00 GMT") == 0
    assert seconds("Sun, 06 Nov 2094 08:49:00 GMT") == 300


def test_without_a_date_of_the_answer_this_machines_clock_counts() -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert 55 < (seconds(until, date="") or 0) <= 60
    assert 55 < (seconds(until, date="yesterday") or 0) <= 60


@pytest.mark.parametrize(
    "said",
    ["", " ", "-1", "-0.5", "+5", "1e3", "0x10", "five", "5 s", "5;6", ",", "nan", "inf", "٣", "\uff15", "½", "5\x00",
     "Sun, 99 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 99:99:99 GMT", "GMT", "é", "\x85"],
)  # fmt: skip
def test_what_says_nothing_usable_is_none(said: str) -> None:
    assert seconds(said) is None


def test_no_header_is_none_and_its_name_has_no_case() -> None:
    assert seconds_to_wait({}) is None
    assert seconds_to_wait(CaseInsensitiveDict({"retry-AFTER": "4"})) == 4


@settings(deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_at_all_breaks_it(said: str, date: str) -> None:
    wait = seconds(said, date)
    assert wait is None or 0 <= wait <= 300
