"""Its owner is told of a credential's end fourteen, seven and one day ahead, and once it has come; each once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connections

from credentials import binding, expiring, tasks
from credentials.models import Credential
from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution import schedules
from tests.credentials.twilio import events, rotate
from tests.database import locked, locks_given_up_on
from tests.make import Api, another_tenant

END = datetime(2099, 6, 15, 12, tzinfo=UTC)
HOURS = timedelta(hours=1)
DAYS = timedelta(days=1)
SECRETS = {"account": "AC1", "auth_token": "a-long-auth-token-1234"}


def bound(tenant: UUID, expires_at: datetime | None = END) -> Credential:
    return binding.bind(tenant_id=tenant, provider_key="parcel_sms", secrets=SECRETS, expires_at=expires_at)


def told(api: Api) -> list[tuple[str, Any]]:
    return [(kind, data.get("days_left")) for kind, data in events(api)]


def test_each_warning_and_the_end_are_told_once_in_time(api: Api) -> None:
    credential = bound(api.tenant)
    for hours in range(-15 * 24, 3 * 24):
        expiring.tell(END + hours * HOURS)
    assert told(api) == [
        ("credential.expiring", 14),
        ("credential.expiring", 7),
        ("credential.expiring", 1),
        ("credential.expired", None),
    ]
    assert events(api)[0][1] == {
        "credential_id": str(credential.id),
        "provider_key": "parcel_sms",
        "version": 1,
        "expires_at": "2099-06-15T12:00:00.000Z",
        "days_left": 14,
    }


@pytest.mark.parametrize(
    ("left", "what"),
    [
        (14 * DAYS + HOURS, []),
        (14 * DAYS, [("credential.expiring", 14)]),
        (7 * DAYS + HOURS, [("credential.expiring", 8)]),
        (5 * DAYS, [("credential.expiring", 5)]),
        (HOURS, [("credential.expiring", 1)]),
        (0 * DAYS, [("credential.expired", None)]),
        (-90 * DAYS, [("credential.expired", None)]),
    ],
)
def test_what_passed_unseen_is_told_by_its_last_step(api: Api, left: timedelta, what: list[tuple[str, Any]]) -> None:
    bound(api.tenant)
    assert expiring.tell(END - left) == len(what)
    assert expiring.tell(END - left) == 0
    assert told(api) == what


def test_two_beats_at_once_tell_each_once(api: Api) -> None:
    tenants = [another_tenant() for _ in range(12)]
    for other in tenants:
        bound(other.tenant)

    def tell(_: int) -> int:
        try:
            return expiring.tell(END - DAYS)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(tell, range(4))) == 12
    assert [told(other) for other in tenants] == [[("credential.expiring", 1)]] * 12


def test_more_than_a_batch_is_told_in_one_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiring, "BATCH", 2)
    for _ in range(5):
        bound(another_tenant().tenant)
    assert expiring.tell(END) == 5


def test_one_row_that_cannot_be_told_keeps_no_other_waiting() -> None:
    stuck, *others = (bound(another_tenant().tenant) for _ in range(3))
    with locks_given_up_on(), locked("credentials_credential", stuck.id):
        assert expiring.tell(END) == len(others)
    assert expiring.tell(END) == 1


def test_a_new_version_is_told_of_anew_and_the_one_before_no_more(api: Api, first: str) -> None:
    rotate(api, first, expires_at=END.isoformat())
    expiring.tell(END - DAYS)
    rotate(api, first, expires_at=END.isoformat())
    expiring.tell(END - DAYS)
    assert [(kind, data["version"]) for kind, data in events(api)] == [
        ("credential.expiring", 2),
        ("credential.expiring", 3),
    ]


def test_what_has_no_end_or_is_revoked_is_not_told_of(api: Api) -> None:
    binding.revoke(tenant_id=api.tenant, credential_id=str(bound(api.tenant).id), subject="tester")
    bound(api.tenant, expires_at=None)
    assert expiring.tell(END + 900 * DAYS) == 0


def test_the_schedule_tells_of_what_ends_by_the_clock(api: Api) -> None:
    credential = bound(api.tenant)
    with tenant_scope(api.tenant):
        Credential.objects.filter(id=credential.id).update(expires_at=datetime.now(UTC) + 3 * DAYS)
    tasks.tell_expiry()
    assert told(api) == [("credential.expiring", 3)]
    assert tasks.tell_expiry.name in [schedule.task for schedule in schedules.SCHEDULES]
