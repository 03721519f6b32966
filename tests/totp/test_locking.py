"""Who guesses is locked out for a while: by account, in the database, a right code too."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from oauth.totp import locking
from oauth.totp.errors import TotpInvalid
from oauth.totp.models import Enrolment
from tests.audit.reading import at_once, trail_of
from tests.make import Api
from tests.totp.authenticator import App, refusal

NOON = datetime(2031, 11, 25, 12, 0, 15, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def app(api: Api) -> App:
    return App(api)


def guessed(app: App, times: int) -> list[str]:
    return [refusal(app.type(app.wrong())) for _ in range(times)]


def why(app: App, code: str, now: datetime) -> str:
    """What the use case says at this moment."""
    try:
        app.verify(code, now)
    except TotpInvalid as error:
        return str(error.details["reason"])
    return "right"


def failed_before(app: App, *ages: timedelta, now: datetime = NOON) -> None:
    times = sorted(now - age for age in ages)
    Enrolment.objects.using("system").filter(id=app.id).update(failed_at=times)


def test_five_wrong_codes_lock_and_a_right_one_is_refused_too(app: App) -> None:
    assert guessed(app, 5) == ["wrong_code"] * 5
    answer = app.type(app.code())
    assert refusal(answer) == "locked"
    body = answer.json()
    assert 240 <= body["retryAfter"] <= 300
    assert body["details"] == {"reason": "locked", "retryAfter": body["retryAfter"]}
    assert answer["Retry-After"] == str(body["retryAfter"])


def test_meanwhile_nothing_is_counted_and_afterwards_a_right_code_is_right(app: App) -> None:
    assert [why(app, app.wrong(NOON), NOON) for _ in range(5)] == ["wrong_code"] * 5
    assert [why(app, app.wrong(NOON), NOON + MINUTE) for _ in range(50)] == ["locked"] * 50
    late = NOON + 5 * MINUTE - timedelta(milliseconds=1)
    assert why(app, app.code(0, late), late) == "locked"
    end = NOON + 5 * MINUTE
    assert why(app, app.code(0, end), end) == "right"


def test_a_right_code_does_not_wipe_out_wrong_ones(app: App) -> None:
    guessed(app, 4)
    assert app.type(app.code()).status_code == 200
    assert guessed(app, 2) == ["wrong_code", "locked"]


def test_wrong_codes_of_all_apps_of_an_account_count_together(app: App) -> None:
    other, somebody_else = App(app.api), App(app.api, "grace@example.com")
    assert guessed(app, 3) + guessed(other, 3) == ["wrong_code"] * 5 + ["locked"]
    assert refusal(app.type(app.code())) == "locked"
    assert somebody_else.type(somebody_else.code()).status_code == 200


def test_the_same_account_of_another_tenant_is_another_one(app: App) -> None:
    theirs = App(Api(type(app.api.tenant)(int=app.api.tenant.int ^ 1)))
    guessed(app, 5)
    assert theirs.type(theirs.code()).status_code == 200


def test_of_twenty_wrong_ones_at_once_five_are_looked_at(app: App) -> None:
    wrong = app.wrong()
    said = [refusal(answer) for answer in at_once(lambda _: app.type(wrong), 20)]
    assert sorted(said) == ["locked"] * 15 + ["wrong_code"] * 5
    assert len(app.row.failed_at) == 5


def test_twenty_at_once_over_two_apps_have_five_guesses_too(app: App) -> None:
    apps = [app, App(app.api)]
    wrong = [each.wrong() for each in apps]
    said = [refusal(answer) for answer in at_once(lambda n: apps[n % 2].type(wrong[n % 2]), 20)]
    assert said.count("wrong_code") == 5


@pytest.mark.parametrize(
    ("ages", "locked_for"),
    [
        ([MINUTE] * 4, None),
        ([5 * MINUTE + MINUTE * n for n in range(5)], None),
        ([MINUTE] * 5, 4 * MINUTE),
        ([MINUTE * (4 * n + 1) for n in range(5)], None),
        ([MINUTE * 2.9 * (n + 1) for n in range(20)], HOUR - MINUTE * 2.9),
        ([MINUTE * 2.9 * (n + 1) for n in range(19)], None),
        ([MINUTE * 28 * (n + 1) for n in range(50)], DAY - MINUTE * 28),
        ([MINUTE * 28 * (n + 1) for n in range(49)], None),
    ],
)
def test_five_in_five_minutes_twenty_in_an_hour_fifty_in_a_day(
    app: App, ages: list[timedelta], locked_for: timedelta | None
) -> None:
    failed_before(app, *ages)
    assert why(app, app.code(0, NOON), NOON) == ("locked" if locked_for else "right")
    if locked_for:
        assert why(app, app.code(0, NOON + locked_for), NOON + locked_for) == "right"


def test_a_patient_guesser_has_fifty_guesses_a_day(app: App) -> None:
    """Every second for two days, as the lock allows it."""
    now, guesses = NOON, 0
    for _ in range(200):
        with pytest.raises(TotpInvalid) as refused:
            app.verify(app.wrong(now), now)
        guesses += refused.value.details["reason"] == "wrong_code"
        now += timedelta(seconds=refused.value.retry_after or 1)
        if now > NOON + 2 * DAY:
            break
    assert now > NOON + 2 * DAY, "Two days have room for more questions than these."
    assert guesses <= 100
    assert len(app.row.failed_at) == locking.MOST_KEPT


def test_the_trail_tells_once_that_an_account_was_locked(app: App) -> None:
    guessed(app, 8)
    [entry] = trail_of(app.api.tenant, "totp.locked")
    assert (entry.actor, entry.about, set(entry.details)) == ("tester", f"totp:{app.id}", {"account", "until"})


def test_a_clock_put_back_does_not_unlock(app: App) -> None:
    for _ in range(5):
        why(app, app.wrong(NOON), NOON)
    back = NOON - 10 * MINUTE
    assert why(app, app.code(0, back), back) == "locked"


def test_removing_an_app_ends_the_lock_that_it_made(app: App) -> None:
    lost, kept = app, App(app.api)
    guessed(lost, 5)
    assert refusal(kept.type(kept.code())) == "locked"
    app.api.delete(f"/totp/{lost.id}")
    assert kept.type(kept.code()).status_code == 200


def test_a_lock_reads_times_in_any_order() -> None:
    rows: Any = [Enrolment(failed_at=[NOON, NOON + 2 * MINUTE]), Enrolment(failed_at=[NOON + MINUTE])]
    assert locking.failures(rows) == [NOON, NOON + MINUTE, NOON + 2 * MINUTE]
