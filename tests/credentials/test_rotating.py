"""A new version is tried beside the one in use, which goes on until its provider has accepted the new one."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event
from time import sleep
from typing import Any
from uuid import UUID

import pytest
from django.db import connections
from django.db.models.functions import Now

from credentials import rotating, tasks, vault, versions
from credentials.models import Credential
from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution import schedules
from marketplace import quotas
from marketplace.models import Tier
from tests.credentials.twilio import (
    NEW,
    NEWEST,
    OLD,
    ManyTokensTwilio,
    bind,
    kept,
    rotate,
    secrets,
    send,
    shown,
)
from tests.launcher.running import eventually
from tests.make import Api, another_tenant, keyed
from tests.providers.carriers import Told

BIND_FAILED = "ERR_INTEGRATION_HUB_SVC_CREDENTIAL_BIND_FAILED"
NOT_FOUND = "ERR_INTEGRATION_HUB_SVC_CREDENTIAL_NOT_FOUND"
NOBODYS = "01975b9e-3c4d-7aaa-8bbb-0123456789ab"


def in_a_thread(what: Callable[[], Any]) -> Any:
    """Run it with connections of its own; the result is waited for by `.result()`."""

    def run() -> Any:
        try:
            return what()
        finally:
            connections.close_all()

    return ThreadPoolExecutor(1).submit(run)


def age(tenant: UUID, **ago: int) -> None:
    with tenant_scope(tenant):
        Credential.objects.for_tenant(tenant).filter(status="pending").update(created_at=Now() - timedelta(**ago))


def test_the_next_version_is_used_once_its_provider_accepts_it(api: Api, first: str, twilio: ManyTokensTwilio) -> None:
    send(api)
    answer = rotate(api, first)
    body = answer.json()
    assert (answer.status_code, body["version"], body["status"], body["verified"]) == (201, 2, "active", True)
    assert body["id"] != first
    assert shown(api) == [(2, "active"), (1, "superseded")]
    assert send(api).status_code == 200
    assert twilio.sent == {OLD: 1, NEW: 1}


def test_no_answer_holds_either_secret(api: Api, first: str) -> None:
    answers = [rotate(api, first), api.get("/credentials"), rotate(api, first, "not-a-token-that-is-known")]
    said = b"".join(answer.content for answer in answers)
    assert not [token for token in (OLD, NEW, "not-a-token-that-is-known") if token.encode() in said]


def test_the_version_in_use_goes_on_while_the_next_one_is_tried(api: Api, first: str, twilio: ManyTokensTwilio) -> None:
    is_asked, may_answer = Event(), Event()
    twilio.meanwhile = lambda: (is_asked.set(), may_answer.wait(10))
    rotation = in_a_thread(lambda: rotate(api, first))
    assert is_asked.wait(10)
    assert shown(api) == [(2, "pending"), (1, "active")]
    assert send(api).status_code == 200
    may_answer.set()
    assert rotation.result().status_code == 201
    assert twilio.sent == {OLD: 1}


def test_no_connection_is_held_while_a_provider_is_asked(api: Api, first: str, twilio: ManyTokensTwilio) -> None:
    pool = connections["default"].pool  # type: ignore[attr-defined]
    lent: list[int] = []
    twilio.meanwhile = lambda: lent.append(pool.get_stats()["pool_size"] - pool.get_stats()["pool_available"])
    rotate(api, first)
    assert lent == [0]


def test_a_version_that_is_refused_changes_nothing_and_its_secret_is_wiped(
    api: Api, first: str, twilio: ManyTokensTwilio
) -> None:
    twilio.known = {OLD}
    answer = rotate(api, first)
    body = answer.json()
    assert (answer.status_code, body["code"], body["retryable"]) == (400, BIND_FAILED, False)
    assert "the version in use goes on" in body["message"]
    assert {name: body["details"][name] for name in ("reason", "upstreamReason", "upstreamStatus")} == {
        "reason": "verification_failed",
        "upstreamReason": "twilio_20003",
        "upstreamStatus": 401,
    }
    assert kept(api) == [(1, "active", True), (2, "revoked", False)]
    assert send(api).status_code == 200
    assert twilio.sent == {OLD: 1}


def test_a_provider_that_cannot_be_asked_is_to_be_asked_again(api: Api, first: str, twilio: ManyTokensTwilio) -> None:
    twilio.answer = lambda _: Told(503)
    body = rotate(api, first).json()
    assert (body["code"], body["retryable"]) == (BIND_FAILED, True)
    assert kept(api) == [(1, "active", True), (2, "revoked", False)]
    twilio.answer = None
    assert rotate(api, first).json()["version"] == 3


def test_a_vault_that_cannot_seal_changes_nothing(api: Api, first: str) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE credentials_tenantkey SET kek_id = 'a-key-that-was-removed'")
    vault.forget()
    body = rotate(api, first).json()
    assert (body["code"], body["retryable"], body["details"]["reason"]) == (BIND_FAILED, False, "vault_unreadable")
    assert kept(api) == [(1, "active", True)]


def test_a_version_that_nobody_can_check_is_used_as_it_is(api: Api) -> None:
    body = {"provider_key": "quiet_sms", "credentials": {"api_key": "k"}}
    first = api.post("/credentials/bind", body).json()["id"]
    answer = api.post(f"/credentials/{first}/rotate", {"credentials": {"api_key": "l"}}).json()
    assert (answer["verified"], answer["status"]) == ("not_supported", "active")


def test_without_verification_the_provider_is_not_asked(api: Api, first: str, twilio: ManyTokensTwilio) -> None:
    body = rotate(api, first, verify=False).json()
    assert (body["verified"], body["status"], body["failing_since"]) == (False, "active", None)
    assert twilio.asked_with == {("GET", OLD): 1}


def test_a_new_version_has_an_expiry_of_its_own(api: Api, first: str) -> None:
    assert rotate(api, first, expires_at="2099-01-01T00:00:00Z").json()["expires_at"] == "2099-01-01T00:00:00.000Z"
    assert rotate(api, first, NEWEST).json()["expires_at"] is None


def test_every_fault_is_named_and_nothing_is_stored(api: Api, first: str, twilio: ManyTokensTwilio) -> None:
    more = {"expires_at": "2001-01-01T00:00:00Z", "verify": 1, "provider_key": "vonage_sms"}
    answer = rotate(api, first, token="short", **more)
    assert (answer.status_code, answer.json()["code"]) == (400, BIND_FAILED)
    fields = {fault["field"] for fault in answer.json()["details"]["fields"]}
    assert fields == {"credentials.auth_token", "expires_at", "verify", "provider_key"}
    assert (kept(api), twilio.hits) == ([(1, "active", True)], 1)


@pytest.mark.parametrize("deed", ["rotate", "verify", "rollback"])
def test_another_tenants_credential_is_like_an_unknown_one(api: Api, twilio: ManyTokensTwilio, deed: str) -> None:
    stranger = another_tenant()
    body = {"provider_key": "quiet_sms", "credentials": {"api_key": "k"}}
    theirs = stranger.post("/credentials/bind", body).json()["id"]
    answers = [
        api.post(f"/credentials/{each}/{deed}", {"credentials": secrets(NEW)} if deed == "rotate" else {})
        for each in (theirs, NOBODYS)
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(404, NOT_FOUND)}
    foreign, unknown = (answer.json()["message"] for answer in answers)
    assert foreign.replace(theirs, NOBODYS) == unknown


def test_any_version_names_the_credential(api: Api, first: str) -> None:
    rotate(api, first)
    assert rotate(api, first, NEWEST).json()["version"] == 3
    assert shown(api) == [(3, "active"), (2, "superseded"), (1, "superseded")]


def test_of_two_rotations_at_once_one_wins_and_the_other_is_told(
    api: Api, first: str, twilio: ManyTokensTwilio
) -> None:
    is_asked, may_answer = Event(), Event()
    twilio.meanwhile = lambda: (is_asked.set(), may_answer.wait(10))
    rotation = in_a_thread(lambda: rotate(api, first))
    assert is_asked.wait(10)
    second = rotate(api, first, NEWEST).json()
    may_answer.set()
    assert (second["code"], second["retryable"], second["details"]["reason"]) == (
        BIND_FAILED,
        True,
        "rotation_under_way",
    )
    assert rotation.result().json()["version"] == 2
    assert kept(api) == [(1, "superseded", True), (2, "active", True)]


def test_eight_rotations_at_once_leave_one_in_use_and_none_on_trial(api: Api, first: str) -> None:
    answers = [each.result() for each in [in_a_thread(lambda: rotate(api, first)) for _ in range(8)]]
    reasons = {answer.json()["details"]["reason"] for answer in answers if answer.status_code == 400}
    assert {answer.status_code for answer in answers} <= {201, 400}
    assert reasons <= {"rotation_under_way"}
    won = [answer.json()["version"] for answer in answers if answer.status_code == 201]
    statuses = [status for _, status, _ in kept(api)]
    assert (statuses.count("active"), statuses.count("pending")) == (1, 0)
    assert (max(won), "active", True) in kept(api)


def test_what_is_bound_meanwhile_is_not_replaced_by_what_was_tried_before(
    api: Api, first: str, twilio: ManyTokensTwilio
) -> None:
    is_asked, may_answer = Event(), Event()
    twilio.meanwhile = lambda: (is_asked.set(), may_answer.wait(10))
    rotation = in_a_thread(lambda: rotate(api, first))
    assert is_asked.wait(10)
    bind(api, NEWEST, verify=False)
    may_answer.set()
    assert rotation.result().json()["details"]["reason"] == "overtaken"
    assert kept(api) == [(1, "superseded", True), (2, "revoked", False), (3, "active", True)]


def test_a_version_that_is_revoked_on_trial_is_never_used(api: Api, first: str, twilio: ManyTokensTwilio) -> None:
    is_asked, may_answer = Event(), Event()
    twilio.meanwhile = lambda: (is_asked.set(), may_answer.wait(10))
    rotation = in_a_thread(lambda: rotate(api, first))
    assert is_asked.wait(10)
    tried = api.get("/credentials").json()["data"][0]["id"]
    assert api.delete(f"/credentials/{tried}").status_code == 204
    may_answer.set()
    assert rotation.result().json()["details"]["reason"] == "overtaken"
    assert kept(api) == [(1, "active", True), (2, "revoked", False)]


def leave_one_on_trial(api: Api, first: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a process does that dies while the provider is asked: nothing after the question is run."""

    def die(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr("credentials.checking.confirmed", die)
        with pytest.raises(SystemExit):
            rotate(api, first)


def test_a_version_left_on_trial_harms_nobody_and_the_next_rotation_clears_it(
    api: Api, first: str, twilio: ManyTokensTwilio, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_one_on_trial(api, first, monkeypatch)
    assert kept(api) == [(1, "active", True), (2, "pending", True)]
    assert send(api).status_code == 200
    assert rotate(api, first, NEWEST).json()["details"]["reason"] == "rotation_under_way"
    age(api.tenant, seconds=61)
    assert rotate(api, first, NEWEST).json()["version"] == 3
    assert kept(api) == [(1, "superseded", True), (2, "revoked", False), (3, "active", True)]
    assert send(api).status_code == 200
    assert twilio.sent == {OLD: 1, NEWEST: 1}


def test_the_schedule_wipes_what_was_left_on_trial_and_nothing_younger(
    api: Api, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_one_on_trial(api, first, monkeypatch)
    tasks.wipe_abandoned_rotations()
    assert kept(api)[1] == (2, "pending", True)
    age(api.tenant, seconds=61)
    tasks.wipe_abandoned_rotations()
    assert kept(api) == [(1, "active", True), (2, "revoked", False)]
    assert tasks.wipe_abandoned_rotations.name in [schedule.task for schedule in schedules.SCHEDULES]


def test_the_schedule_does_not_wipe_a_version_that_is_being_put_in_use(
    api: Api, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_in_use, sweeps = versions.put_in_use, []

    def slowly(*args: Any, **kwargs: Any) -> tuple[Credential, list[int]]:
        sweeps.append(in_a_thread(rotating.wipe_abandoned))
        sleep(0.3)
        return put_in_use(*args, **kwargs)

    monkeypatch.setattr(rotating, "ABANDONED_AFTER", timedelta(0))
    monkeypatch.setattr(versions, "put_in_use", slowly)
    assert rotate(api, first).status_code == 201
    assert [sweep.result() for sweep in sweeps] == [None]
    assert kept(api) == [(1, "superseded", True), (2, "active", True)]


def test_two_versions_before_the_one_in_use_keep_their_secret(api: Api, first: str) -> None:
    for token in (NEW, NEWEST, OLD):
        rotate(api, first, token)
    bind(api, NEW)
    assert kept(api) == [
        (1, "revoked", False),
        (2, "revoked", False),
        (3, "superseded", True),
        (4, "superseded", True),
        (5, "active", True),
    ]


def test_one_idempotency_key_rotates_once(api: Api, first: str) -> None:
    key = keyed()
    once, again = (rotate(api, first, **key) for _ in range(2))
    assert (once.content, again["Idempotent-Replayed"]) == (again.content, "true")
    assert len(kept(api)) == 2


@pytest.mark.slow
def test_no_execution_fails_while_credentials_are_rotated(api: Api, first: str, twilio: ManyTokensTwilio) -> None:
    """Two hundred executions on four threads; meanwhile two rotations that are accepted and one that is refused."""
    Tier.objects.filter(key="free").update(requests_per_minute=100_000)
    quotas._limits.clear()
    twilio.known = {OLD, NEW}
    twilio.meanwhile = lambda: sleep(0.1)
    under_way = [in_a_thread(lambda: [send(api) for _ in range(50)]) for _ in range(4)]
    statuses = []
    for number, token in enumerate((NEW, NEWEST, OLD, NEW)):
        eventually(
            lambda many=40 * number: twilio.sent.total() >= many, seconds=30, what="executions between rotations"
        )
        statuses.append(rotate(api, first, token).status_code)
    assert statuses == [201, 400, 201, 201]
    answers = [answer for each in under_way for answer in each.result()]
    assert [answer.content for answer in answers if answer.status_code != 200] == []
    assert (len(answers), twilio.sent.total(), set(twilio.sent)) == (200, 200, {OLD, NEW})
    assert twilio.asked_with["POST", NEWEST] == 0
