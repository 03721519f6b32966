"""A right code is right once, within a step of our clock, and for nobody else's enrolment."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from oauth.totp.errors import TotpInvalid
from tests.audit.reading import at_once
from tests.database import refused_by_the_database
from tests.isolation.walls import QUERIES, ROW_SECURITY, without
from tests.isolation.world import told
from tests.make import Api, another_tenant, keyed
from tests.totp.authenticator import ACCOUNT, App, refusal

NOON = datetime(2031, 11, 25, 12, 0, 15, tzinfo=UTC)


@pytest.fixture
def app(api: Api) -> App:
    return App(api)


def test_the_first_right_code_confirms_the_enrolment(app: App) -> None:
    first, second = app.type(app.code()).json(), app.type(app.code(1)).json()
    assert first == {
        "id": app.id,
        "account": ACCOUNT,
        "verified": True,
        "confirmed_now": True,
        "confirmed_at": first["confirmed_at"],
    }
    assert second == {**first, "confirmed_now": False}
    assert app.row.confirmed_at is not None


def test_spaces_are_left_out(app: App) -> None:
    code = app.code()
    assert app.type(f" {code[:3]} {code[3:]} ").status_code == 200


def test_a_code_is_right_once(app: App) -> None:
    code = app.code()
    assert app.type(code).status_code == 200
    assert [refusal(app.type(code)) for _ in range(6)] == ["already_used"] * 6
    assert app.row.failed_at == [], "It is no guess."


def test_a_later_code_uses_up_those_before_it(app: App) -> None:
    assert app.verify(app.code(1, NOON), NOON)
    for steps in (1, 0, -1):
        with pytest.raises(TotpInvalid, match="used already"):
            app.verify(app.code(steps, NOON), NOON)


def test_one_step_of_drift_to_either_side_and_no_more(app: App) -> None:
    for steps, is_right in ((-2, False), (-1, True), (0, True), (1, True), (2, False)):
        if is_right:
            assert app.verify(app.code(steps, NOON), NOON).verified
        else:
            with pytest.raises(TotpInvalid, match="wrong"):
                app.verify(app.code(steps, NOON), NOON)


@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_clock_that_is_ten_minutes_off_lets_no_old_code_in(app: App, minutes: int) -> None:
    """Ahead, codes of the present are wrong; put back, what was used stays used."""
    app.verify(app.code(0, NOON), NOON)
    jumped = NOON + timedelta(minutes=minutes)
    with pytest.raises(TotpInvalid):
        app.verify(app.code(0, NOON), jumped)
    with pytest.raises(TotpInvalid, match="used already"):
        app.verify(app.code(0, NOON), NOON)


def test_an_idempotency_key_repeats_no_yes(app: App) -> None:
    key, code = keyed(), app.code()
    assert app.type(code, **key).status_code == 200
    assert refusal(app.type(code, **key)) == "already_used"


def test_of_twenty_at_once_with_one_code_one_is_right(app: App) -> None:
    code = app.code()
    answers = at_once(lambda _: app.type(code), 20)
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 19
    assert {refusal(answer) for answer in answers if answer.status_code != 200} == {"already_used"}


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "12345a", "１２３４５６", "1" * 60_000])  # noqa: RUF001
def test_what_is_not_six_digits_is_no_guess(app: App, typed: str) -> None:
    assert [refusal(app.type(typed)) for _ in range(6)] == ["not_six_digits"] * 6
    assert app.row.failed_at == []
    assert app.type(app.code()).status_code == 200


@pytest.mark.parametrize(
    ("over", "fields"),
    [
        ({"code": 123456}, ["code"]),
        ({"code": None, "id": 7}, ["code", "id"]),
        ({"secret": "AAAA", "now": 0}, ["now", "secret"]),
    ],
)
def test_every_fault_of_the_body_is_named(app: App, over: dict[str, Any], fields: list[str]) -> None:
    answer = app.api.post("/totp/verify", {"id": app.id, "code": app.code(), **over})
    assert answer.status_code == 400
    assert sorted(fault["field"] for fault in answer.json()["details"]["fields"]) == fields


def test_an_empty_body_names_what_is_missing(api: Api) -> None:
    answer = api.post("/totp/verify", {})
    assert [fault["field"] for fault in answer.json()["details"]["fields"]] == ["id", "code"]


@pytest.mark.parametrize("walls", [(), (ROW_SECURITY,), (QUERIES,)], ids=["both walls", "queries", "row security"])
def test_another_tenants_enrolment_is_answered_like_an_unknown_one(app: App, walls: tuple[str, ...]) -> None:
    stranger, unknown, code = another_tenant(), str(uuid4()), app.code()
    with without(*walls):
        answers = [
            told(stranger.post("/totp/verify", {"id": asked, "code": code}), asked) for asked in (app.id, unknown)
        ]
    assert answers[0] == answers[1]
    assert answers[0][0] == 404
    assert (app.row.last_used_step, app.row.failed_at) == (0, [])


def test_with_both_walls_down_the_leak_is_found(app: App) -> None:
    with without(ROW_SECURITY, QUERIES):
        assert another_tenant().post("/totp/verify", {"id": app.id, "code": app.code()}).status_code != 404


@pytest.mark.parametrize("named", ["", "x", "../etc", "é" * 200])
def test_what_is_no_id_is_not_found_either(api: Api, named: str) -> None:
    answer = api.post("/totp/verify", {"id": named, "code": "123456"})
    assert (answer.status_code, answer.json()["details"]["reason"]) == (404, "not_found")


@pytest.mark.parametrize("guess", ["right", "wrong"])
def test_what_cannot_be_counted_is_not_answered(app: App, guess: str) -> None:
    """Closed: while nothing can be written, neither a yes is given nor a guess is free."""
    with refused_by_the_database("UPDATE ON totp_enrolment"):
        answer = app.type(app.code() if guess == "right" else app.wrong())
    assert (answer.status_code, answer.json()["code"]) == (500, "ERR_UNEXPECTED")
    assert app.type(app.code()).status_code == 200
