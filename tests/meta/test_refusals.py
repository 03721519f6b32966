"""What Meta's answers are read as: its words, its waits, its odd shapes, and answers that never came."""

import json
import traceback
from typing import Any

import pytest

from integrationhub.core import catalogue
from providers.errors import Ambiguous, Next, Retry, Stop
from tests.meta.calling import TEXT, failing, graph_of, send, soon
from tests.meta.graph_server import GraphServer
from tests.providers import conformance


def test_details_tell_what_meta_told(meta: GraphServer) -> None:
    meta.fail(131026, 400, message="(#131026) Message undeliverable", details="Not on WhatsApp.", subcode=2494010)
    error = failing(lambda: send(meta))
    assert error.details["meta"] == {
        "code": 131026,
        "subcode": 2494010,
        "details": "Not on WhatsApp.",
        "fbtrace_id": "Az8or2yhq",
    }
    assert error.message == (
        "Meta answered: (#131026) Message undeliverable: Not on WhatsApp. (error 131026, HTTP 400)."
    )


def test_what_is_in_the_accounts_language_is_left_out(meta: GraphServer) -> None:
    """The server says its `error_user_*` in Portuguese, as live answers do."""
    meta.fail(100)
    error = failing(lambda: send(meta))
    assert "inválido" not in f"{error.message}{error.details}"


def test_an_error_under_a_status_of_200_is_an_error(meta: GraphServer) -> None:
    meta.fail(131030, 200)
    assert failing(lambda: send(meta)).entry is catalogue.META_UNDELIVERABLE
    meta.fail(999_999, 200)
    error = failing(lambda: send(meta))
    assert (type(error), error.entry) == (Stop, catalogue.META_INVALID_PARAM)


@pytest.mark.parametrize(
    ("said", "code", "details"),
    [
        ({"message": "Bad", "code": 131026}, 131026, "Bad"),
        ({"message": "Bad", "code": "131026"}, 131026, "Bad"),
        ({"message": "Bad", "code": 131026, "error_data": "Words alone."}, 131026, "Words alone."),
        ({"message": "Bad", "code": 131026, "error_data": ["?"]}, 131026, "Bad"),
        ({"message": "Bad", "code": True}, None, "Bad"),
        ({"message": ["Bad"], "code": {}}, None, ""),
        ("Bad", None, "Bad"),
    ],
)
def test_an_error_of_few_members_is_read_as_far_as_it_goes(
    meta: GraphServer, said: Any, code: int | None, details: str
) -> None:
    meta.fail(body={"error": said})
    told = failing(lambda: send(meta)).details["meta"]
    assert told == {"code": code, "subcode": None, "details": details, "fbtrace_id": None}


@pytest.mark.parametrize(
    ("status", "kind", "entry"),
    [
        (200, Ambiguous, catalogue.WHATSAPP_UNAVAILABLE),
        (400, Stop, catalogue.META_INVALID_PARAM),
        (401, Next, catalogue.META_UNAUTHORIZED),
        (429, Retry, catalogue.META_RATE_LIMIT),
        (502, Ambiguous, catalogue.WHATSAPP_UNAVAILABLE),
        (503, Retry, catalogue.WHATSAPP_UNAVAILABLE),
    ],
)
def test_a_page_instead_of_json_goes_by_its_status(meta: GraphServer, status: int, kind: type, entry: Any) -> None:
    meta.fail(status=status, body=b"<html><title>Bad Gateway</title></html>")
    error = failing(lambda: send(meta))
    assert (type(error), error.entry) == (kind, entry)
    assert error.details["meta"] == {"code": None, "subcode": None, "details": "", "fbtrace_id": None}


def usage(*items: Any) -> dict[str, str]:
    return {"X-Business-Use-Case-Usage": json.dumps({"102290129340398": list(items)})}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (usage({"type": "whatsapp", "estimated_time_to_regain_access": 19}), 1140),
        (usage({"estimated_time_to_regain_access": 1}, {"estimated_time_to_regain_access": 5}), 300),
        (usage({"estimated_time_to_regain_access": 10**9}), 86_400),
        (usage({"estimated_time_to_regain_access": 0}), None),
        (usage({"estimated_time_to_regain_access": "19"}, "?", None), None),
        ({"X-Business-Use-Case-Usage": "{not json"}, None),
        ({"X-Business-Use-Case-Usage": "[]"}, None),
        ({"Retry-After": "7"}, 7),
        ({**usage({"estimated_time_to_regain_access": 2}), "Retry-After": "7"}, 120),
    ],
)
def test_a_limit_says_when_access_comes_back(meta: GraphServer, headers: dict[str, str], seconds: float | None) -> None:
    meta.fail(80007, headers=headers)
    error = failing(lambda: send(meta))
    assert (error.entry, error.retry_after) == (catalogue.META_RATE_LIMIT, seconds)


def test_a_limit_of_one_recipient_stalls_no_other(meta: GraphServer) -> None:
    """What a Retry is told to wait, the executor waits with the whole provider."""
    meta.regain_minutes = 5
    meta.fail(131056, headers={"Retry-After": "300"})
    error = failing(lambda: send(meta))
    assert (type(error), error.retry_after, error.is_retryable) == (Retry, None, True)


def test_a_lost_answer_is_not_to_be_repeated(meta: GraphServer) -> None:
    """Meta took the message, and has no key against taking it twice."""
    meta.lose_answer()
    error = failing(lambda: send(meta))
    assert (type(error), error.reason, error.is_retryable) == (Ambiguous, "connection_lost", False)
    assert (error.entry, len(meta.sent)) == (catalogue.WHATSAPP_UNAVAILABLE, 1)


def test_silence_ends_with_the_deadline(meta: GraphServer) -> None:
    meta.be_silent()
    error = failing(lambda: graph_of(meta).send(TEXT, soon(2)))
    assert (type(error), error.reason, len(meta.sent)) == (Ambiguous, "read_timeout", 1)


def test_a_question_whose_answer_was_lost_may_be_asked_again(meta: GraphServer) -> None:
    meta.lose_answer()
    error = failing(lambda: graph_of(meta).phone_number(soon()))
    assert (type(error), error.is_retryable) == (Ambiguous, True)


def test_what_never_left_may_be_sent_by_another(meta: GraphServer) -> None:
    with conformance.refusing() as address:
        meta_elsewhere = graph_of(meta)
        meta_elsewhere._root = f"{address}/v25.0"
        error = failing(lambda: meta_elsewhere.send(TEXT, soon()))
    assert (type(error), error.reason, error.entry) == (Next, "refused", catalogue.WHATSAPP_UNAVAILABLE)


def test_a_wrong_token_is_told_without_the_token(meta: GraphServer) -> None:
    token = "EAAG-a-token-that-has-expired-0000"
    error = failing(lambda: send(meta, access_token=token))
    assert (error.entry, error.details["meta"]["subcode"]) == (catalogue.META_UNAUTHORIZED, 463)
    meta.fail(190, 401, details=f"Malformed access token {token}", fbtrace_id=token)
    error = failing(lambda: send(meta, access_token=token))
    told = "".join([str(error), repr(vars(error)), *traceback.format_exception(error)])
    assert token not in told
    assert error.details["meta"]["details"] == "Malformed access token [hidden]"


@pytest.mark.parametrize(("code", "status", "is_refused"), [(190, 400, True), (368, 403, False), (130497, 403, False)])
def test_the_token_is_blamed_by_the_code_and_not_by_the_status(
    meta: GraphServer, code: int, status: int, is_refused: bool
) -> None:
    meta.fail(code, status)
    assert failing(lambda: send(meta)).credential_refused is is_refused
