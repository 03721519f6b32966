"""No secret of a tenant's goes without a word of it in the audit trail."""

from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.core.management import call_command

from credentials import rotating, tasks, versions
from credentials.models import Credential
from integrationhub.core.ids import read_id
from tests.audit.reading import trail_of
from tests.credentials.test_rotating import age, in_a_thread, leave_one_on_trial
from tests.credentials.twilio import NEW, NEWEST, OLD, ManyTokensTwilio, bind, install, kept, rotate
from tests.database import locked, locks_given_up_on
from tests.environment import PLATFORM_TENANT
from tests.make import Api, another_tenant


def told(tenant: UUID, *actions: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Action, actor and details without those that each entry has."""
    common = ("provider_key", "verified", "expires_at")
    return [
        (entry.action, entry.actor, {name: value for name, value in entry.details.items() if name not in common})
        for entry in trail_of(tenant, *actions)
    ]


def test_the_version_in_use_goes_with_all_before_it_and_one_entry(api: Api, first: str) -> None:
    for token in (NEW, NEWEST):
        newest = rotate(api, first, token).json()["id"]
    assert api.delete(f"/credentials/{newest}").status_code == 204
    assert kept(api) == [(1, "revoked", False), (2, "revoked", False), (3, "revoked", False)]
    assert told(api.tenant, "credential.revoked") == [
        ("credential.revoked", "tester", {"version": 3, "wiped": [1, 2, 3]})
    ]


def test_an_older_version_goes_alone(api: Api, first: str) -> None:
    rotate(api, first)
    assert api.delete(f"/credentials/{first}").status_code == 204
    assert kept(api) == [(1, "revoked", False), (2, "active", True)]
    assert told(api.tenant, "credential.revoked") == [("credential.revoked", "tester", {"version": 1, "wiped": [1]})]


def test_a_rotation_does_not_bring_back_what_was_deleted_meanwhile(
    api: Api, first: str, twilio: ManyTokensTwilio
) -> None:
    twilio.meanwhile = lambda: in_a_thread(lambda: api.delete(f"/credentials/{first}")).result()
    assert rotate(api, first).json()["details"]["reason"] == "overtaken"
    assert kept(api) == [(1, "revoked", False), (2, "revoked", False)]
    assert told(api.tenant)[2:] == [
        ("credential.revoked", "tester", {"version": 1, "wiped": [1, 2]}),
        ("credential.rotation_failed", "tester", {"version": 2, "reason": "overtaken"}),
    ]


def test_a_rotation_does_not_begin_on_what_was_deleted_while_it_was_sealed(
    api: Api, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = versions.sealed

    def slowly(*args: Any) -> Credential:
        in_a_thread(lambda: api.delete(f"/credentials/{first}")).result()
        return sealed(*args)

    monkeypatch.setattr(versions, "sealed", slowly)
    assert rotate(api, first).status_code == 404
    assert kept(api) == [(1, "revoked", False)]


def test_a_rotation_that_is_refused(api: Api, first: str, twilio: ManyTokensTwilio) -> None:
    twilio.known = {OLD}
    rotate(api, first)
    assert told(api.tenant)[2:] == [
        ("credential.rotation_failed", "tester", {"version": 2, "reason": "verification_failed", "wiped": [2]})
    ]


def test_a_rotation_that_a_binding_overtakes(api: Api, first: str, twilio: ManyTokensTwilio) -> None:
    twilio.meanwhile = lambda: in_a_thread(lambda: bind(api, NEWEST, verify=False)).result()
    rotate(api, first)
    assert told(api.tenant, "credential.rotation_failed") == [
        ("credential.rotation_failed", "tester", {"version": 2, "reason": "overtaken", "wiped": [2]})
    ]


@pytest.mark.parametrize("by", ["the schedule", "the next rotation"])
def test_a_rotation_whose_process_died(api: Api, first: str, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    leave_one_on_trial(api, first, monkeypatch)
    age(api.tenant, seconds=61)
    tasks.wipe_abandoned_rotations() if by == "the schedule" else rotate(api, first)
    assert told(api.tenant, "credential.rotation_failed") == [
        ("credential.rotation_failed", "system", {"version": 2, "reason": "abandoned", "wiped": [2]})
    ]


def test_what_replaces_the_third_last_names_what_was_wiped(api: Api, first: str) -> None:
    for token in (NEW, NEWEST, OLD):
        rotate(api, first, token)
    bind(api, NEW)
    assert told(api.tenant)[3:] == [
        ("credential.rotated", "tester", {"version": 3}),
        ("credential.rotated", "tester", {"version": 4, "wiped": [1]}),
        ("credential.bound", "tester", {"version": 5, "wiped": [2]}),
    ]


def test_a_locked_version_does_not_keep_the_schedule_from_others(
    api: Api, first: str, twilio: ManyTokensTwilio, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = another_tenant()
    install(other, twilio)
    theirs = bind(other)
    monkeypatch.setattr(rotating, "ABANDONED_AFTER", rotating.ABANDONED_AFTER * 0)
    for one, credential_id in ((api, first), (other, theirs)):
        leave_one_on_trial(one, credential_id, monkeypatch)
    newest = read_id(api.get("/credentials").json()["data"][0]["id"])
    with locks_given_up_on(), locked("credentials_credential", newest):
        rotating.wipe_abandoned()
    assert (kept(api)[1], kept(other)[1]) == ((2, "pending", True), (2, "revoked", False))


def test_a_rotation_of_keys_stands_in_the_platforms_trail(api: Api, first: str) -> None:
    platform = UUID(PLATFORM_TENANT)
    call_command("rotate_keys", "--dry-run", stdout=StringIO())
    assert told(platform) == []
    call_command("rotate_keys", stdout=StringIO())
    [(action, actor, details)] = told(platform)
    assert (action, actor) == ("keys.rotated", "system")
    assert (details["data keys re-wrapped"], details["unreadable"]) == (0, 0)
