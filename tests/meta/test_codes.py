"""Every code of Meta's arrives as the entry that it means; `codes.tsv` is the map that was agreed on, row by row."""

import csv
from pathlib import Path

import pytest

from integrationhub.core import catalogue
from providers import meta_codes
from providers.errors import Ambiguous, Next, Retry, Stop
from tests.meta.calling import failing, send
from tests.meta.graph_server import GraphServer

_FILE = Path(__file__).with_name("codes.tsv")
with _FILE.open(newline="") as file:
    ROWS = {row["meta_code"]: row for row in csv.DictReader(file, delimiter="\t")}
NUMBERED = {int(code): row for code, row in ROWS.items() if code.isdigit()}
REFERENCE = {
    190: catalogue.META_UNAUTHORIZED,
    100: catalogue.META_INVALID_PARAM,
    131048: catalogue.META_UNDELIVERABLE,
    133000: catalogue.META_TEMPLATE_NOT_FOUND,
    132000: catalogue.META_TEMPLATE_PAUSED,
    4: catalogue.META_RATE_LIMIT,
}


def test_the_six_rows_of_the_reference_hold_as_they_are_written() -> None:
    assert {code: meta_codes.meaning_of(code, 400).entry for code in REFERENCE} == REFERENCE


def test_the_table_holds_the_codes_that_were_agreed_on_and_no_others() -> None:
    assert meta_codes.CODES.keys() == NUMBERED.keys()
    assert len(NUMBERED) == 97


@pytest.mark.parametrize("code", NUMBERED)
def test_a_code_arrives_as_what_it_means(meta: GraphServer, code: int) -> None:
    """Whatever the status beside it: limits come with 400, and failed registrations with 500."""
    wanted = NUMBERED[code]
    for status in (400, 403, 500):
        meta.fail(code, status, details="Meta's own words.")
        error = failing(lambda: send(meta))
        assert (error.entry.code, str(error.entry.status)) == (wanted["our_code"], wanted["our_http"])
        assert error.reason == f"meta_{code}"
        assert error.details["meta"]["code"] == code


@pytest.mark.parametrize("code", [code for code, row in NUMBERED.items() if row["retry"].startswith("no")])
def test_what_meta_says_not_to_repeat_is_not_retryable(meta: GraphServer, code: int) -> None:
    meta.fail(code)
    error = failing(lambda: send(meta))
    assert (isinstance(error, Retry), error.is_retryable) == (False, False)


@pytest.mark.parametrize("code", [code for code, row in NUMBERED.items() if row["retry"].startswith("yes")])
def test_what_meta_says_to_repeat_is_retryable(meta: GraphServer, code: int) -> None:
    meta.fail(code)
    assert failing(lambda: send(meta)).is_retryable


@pytest.mark.parametrize(("code", "is_permission"), [(199, False), (200, True), (299, True), (300, False)])
def test_the_two_hundreds_are_permissions(meta: GraphServer, code: int, is_permission: bool) -> None:
    meta.fail(code)
    error = failing(lambda: send(meta))
    wanted = catalogue.META_UNAUTHORIZED if is_permission else catalogue.META_INVALID_PARAM
    assert (error.entry, error.credential_refused) == (wanted, is_permission)


@pytest.mark.parametrize(
    ("status", "row"), [(429, "http_429"), (401, "http_401"), (500, "http_5xx"), (503, "http_5xx"), (404, "default")]
)
def test_a_code_that_nobody_knows_goes_by_its_status(meta: GraphServer, status: int, row: str) -> None:
    meta.fail(999_999, status)
    assert failing(lambda: send(meta)).entry.code == ROWS[row]["our_code"]


def test_a_missing_parameter_of_a_template_is_told_from_others(meta: GraphServer) -> None:
    meta.fail(131008, details="buttons: Button at index 0 of type Url requires a parameter")
    assert failing(lambda: send(meta)).entry is catalogue.INVALID_TEMPLATE_PARAMS
    meta.fail(131008, details="Parameter 'to' is missing")
    assert failing(lambda: send(meta)).entry is catalogue.META_INVALID_PARAM


def test_the_unknown_error_goes_by_status_and_by_what_meta_says_of_it(meta: GraphServer) -> None:
    for status, is_transient, kind in ((400, False, Stop), (500, False, Ambiguous), (400, True, Retry)):
        meta.fail(1, status, is_transient=is_transient)
        error = failing(lambda: send(meta))
        assert (type(error), error.entry) == (kind, catalogue.WHATSAPP_UNAVAILABLE)


KINDS = {190: Next, 131005: Next, 4: Retry, 80007: Retry, 131056: Retry, 131000: Retry, 131042: Next, 133010: Next}
KINDS |= {100: Stop, 131026: Stop, 131047: Stop, 132000: Stop, 132001: Stop, 132015: Stop, 131053: Stop, 131064: Next}


@pytest.mark.parametrize("code", KINDS)
def test_each_failure_lands_in_the_class_that_the_executor_acts_by(meta: GraphServer, code: int) -> None:
    meta.fail(code, 500)
    assert type(failing(lambda: send(meta))) is KINDS[code]
