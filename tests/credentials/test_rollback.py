"""The version before comes back: at its owner's word, or by itself when the provider refuses the new one in use."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from credentials.models import Credential
from integrationhub.core import tenant_version
from integrationhub.core.tenancy import tenant_scope
from tests.credentials.twilio import (
    NEW,
    NEWEST,
    OLD,
    ManyTokensTwilio,
    bind,
    events,
    kept,
    rotate,
    send,
    shown,
)
from tests.make import Api, keyed

NOT_FOUND = "ERR_INTEGRATION_HUB_SVC_CREDENTIAL_NOT_FOUND"
EXPIRED = "ERR_INTEGRATION_HUB_SVC_CREDENTIAL_EXPIRED"


def roll_back(api: Api, credential_id: str, **kwargs: Any) -> Any:
    return api.post(f"/credentials/{credential_id}/rollback", **kwargs)


def change(api: Api, number: int, **columns: Any) -> None:
    """Change a version's row; requests see it from now on."""
    with tenant_scope(api.tenant):
        Credential.objects.for_tenant(api.tenant).filter(version=number).update(**columns)
        tenant_version.changed(api.tenant)


def kinds(api: Api) -> list[str]:
    return [kind for kind, _ in events(api)]


@pytest.fixture
def second(api: Api, first: str) -> str:
    """The id of a second version, in use since just now."""
    return rotate(api, first).json()["id"]


@pytest.fixture
def refused(second: str, twilio: ManyTokensTwilio) -> str:
    """A second version that may read the account, and is refused when it sends."""
    twilio.sending = {OLD}
    return second


def test_the_version_before_is_in_use_again(api: Api, first: str, second: str, twilio: ManyTokensTwilio) -> None:
    answer = roll_back(api, second)
    body = answer.json()
    assert (answer.status_code, body["id"], body["version"], body["status"]) == (200, first, 1, "active")
    assert send(api).status_code == 200
    assert twilio.sent == {OLD: 1}
    assert kept(api) == [(1, "active", True), (2, "rolled_back", False)]
    assert events(api) == [
        (
            "credential.rolled_back",
            {
                "credential_id": second,
                "provider_key": "twilio_sms",
                "version": 2,
                "version_in_use": 1,
                "automatic": False,
            },
        )
    ]


def test_a_version_that_was_rolled_back_is_not_gone_back_to(api: Api, first: str, second: str) -> None:
    roll_back(api, second)
    rotate(api, first, NEWEST)
    assert roll_back(api, first).json()["version"] == 1
    assert shown(api) == [(3, "rolled_back"), (2, "rolled_back"), (1, "active")]


def test_before_the_first_version_there_is_none(api: Api, first: str) -> None:
    answer = roll_back(api, first)
    assert (answer.status_code, answer.json()["code"]) == (404, NOT_FOUND)
    assert answer.json()["details"]["reason"] == "no_version_before"
    assert shown(api) == [(1, "active")]


def test_a_version_that_was_revoked_does_not_come_back(api: Api, first: str, second: str) -> None:
    api.delete(f"/credentials/{first}")
    assert roll_back(api, second).json()["code"] == NOT_FOUND
    assert kept(api) == [(1, "revoked", False), (2, "active", True)]


def test_with_nothing_in_use_there_is_nothing_to_go_back_from(api: Api, first: str, second: str) -> None:
    change(api, 2, status="revoked")
    assert roll_back(api, first).json()["code"] == NOT_FOUND
    assert shown(api) == [(1, "superseded")]


def test_a_version_that_has_expired_does_not_come_back(api: Api, second: str) -> None:
    change(api, 1, expires_at=Now() - timedelta(seconds=1))
    answer = roll_back(api, second)
    assert (answer.status_code, answer.json()["code"]) == (400, EXPIRED)
    assert shown(api) == [(2, "active"), (1, "superseded")]


def test_one_idempotency_key_goes_back_once(api: Api, first: str, second: str) -> None:
    rotate(api, second, NEWEST)
    key = keyed()
    once, again = (roll_back(api, second, **key) for _ in range(2))
    assert (once.json()["version"], again.content, again["Idempotent-Replayed"]) == (2, once.content, "true")
    assert shown(api) == [(3, "rolled_back"), (2, "active"), (1, "superseded")]


def test_three_refusals_bring_the_version_before_back(api: Api, refused: str, twilio: ManyTokensTwilio) -> None:
    assert [send(api).status_code for _ in range(4)] == [503, 503, 503, 200]
    assert twilio.asked_with == {("GET", OLD): 1, ("GET", NEW): 1, ("POST", NEW): 3, ("POST", OLD): 1}
    assert kept(api) == [(1, "active", True), (2, "rolled_back", False)]
    assert kinds(api) == ["credential.failing", "credential.rolled_back"]
    _, said = events(api)[-1]
    assert (said["credential_id"], said["automatic"], said["reason"]) == (refused, True, "twilio_20003")


def test_what_was_bound_over_another_is_watched_too(api: Api, first: str, twilio: ManyTokensTwilio) -> None:
    bind(api, NEW)
    twilio.sending = {OLD}
    assert [send(api).status_code for _ in range(4)] == [503, 503, 503, 200]


def test_half_of_the_calls_refused_bring_it_back_too(api: Api, refused: str, twilio: ManyTokensTwilio) -> None:
    for sending in ({OLD}, {NEW}, {OLD}, {NEW}, {OLD}):
        twilio.sending = sending
        send(api)
    assert kept(api) == [(1, "active", True), (2, "rolled_back", False)]
    assert kinds(api).count("credential.rolled_back") == 1
    assert {send(api).status_code for _ in range(5)} == {200}


def test_fewer_refusals_than_one_call_in_five_keep_the_new_version(
    api: Api, refused: str, twilio: ManyTokensTwilio
) -> None:
    for sending in [{NEW}] * 13 + [{OLD}] * 3:
        twilio.sending = sending
        send(api)
    assert shown(api) == [(2, "active"), (1, "superseded")]
    send(api)
    assert shown(api) == [(2, "rolled_back"), (1, "active")]


def test_what_the_version_before_did_well_does_not_speak_for_the_new_one(
    api: Api, first: str, twilio: ManyTokensTwilio
) -> None:
    assert {send(api).status_code for _ in range(13)} == {200}
    rotate(api, first)
    twilio.sending = {OLD}
    assert [send(api).status_code for _ in range(4)] == [503, 503, 503, 200]


def test_other_failures_than_refusals_bring_nothing_back(api: Api, second: str, twilio: ManyTokensTwilio) -> None:
    twilio.answer = lambda _: twilio.refusal("a fault of the text")
    for _ in range(4):
        send(api)
    assert shown(api) == [(2, "active"), (1, "superseded")]


@pytest.mark.parametrize(
    ("number", "columns"),
    [
        (2, {"watched_until": Now() - timedelta(seconds=1)}),
        (1, {"failing_since": Now()}),
        (1, {"expires_at": Now() - timedelta(seconds=1)}),
        (1, {"status": "revoked"}),
    ],
    ids=["in use for long", "the one before was refused too", "it has expired", "it was revoked"],
)
def test_the_new_version_stays_when_it_is(api: Api, refused: str, number: int, columns: dict[str, Any]) -> None:
    change(api, number, **columns)
    assert {send(api).status_code for _ in range(5)} == {503}
    assert (2, "active") in shown(api)
    assert "credential.rolled_back" not in kinds(api)


def test_what_came_back_is_not_sent_away_again(api: Api, first: str, twilio: ManyTokensTwilio) -> None:
    rotate(api, first)
    rotate(api, first, NEWEST)
    twilio.sending = set()
    assert {send(api).status_code for _ in range(9)} == {503}
    assert shown(api) == [(3, "rolled_back"), (2, "active"), (1, "superseded")]
    assert kinds(api).count("credential.rolled_back") == 1


def test_a_rotation_that_is_under_way_goes_on_over_a_rollback(
    api: Api, first: str, second: str, twilio: ManyTokensTwilio
) -> None:
    twilio.meanwhile = lambda: roll_back_in_another_thread(api, second)
    assert rotate(api, second, NEWEST).json()["version"] == 3
    assert shown(api) == [(3, "active"), (2, "rolled_back"), (1, "superseded")]


def roll_back_in_another_thread(api: Api, credential_id: str) -> None:
    try:
        assert roll_back(api, credential_id).status_code == 200
    finally:
        connections.close_all()


def test_sixteen_refusals_at_once_go_one_version_back(api: Api, first: str, twilio: ManyTokensTwilio) -> None:
    rotate(api, first, OLD)
    rotate(api, first)
    twilio.sending = {OLD}

    def send_in_a_thread(_: int) -> int:
        try:
            return send(api).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(send_in_a_thread, range(16)))
    assert set(statuses) <= {200, 503}
    assert kinds(api).count("credential.rolled_back") == 1
    assert kept(api) == [(1, "superseded", True), (2, "active", True), (3, "rolled_back", False)]
    assert send(api).status_code == 200


def test_a_success_asks_nothing_of_credentials_while_they_are_watched(api: Api, second: str) -> None:
    send(api)
    with CaptureQueriesContext(connections["default"]) as asked:
        assert send(api).status_code == 200
    assert [query["sql"] for query in asked.captured_queries if "credentials_credential" in query["sql"]] == []
