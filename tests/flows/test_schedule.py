"""`options.send_at` and `options.expires_at`: not before one time, not begun after another."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connections

from integrationhub.core.representation import moment
from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution import settling
from integrationhub.execution.models import Attempt, Execution, Mode
from integrationhub.outbox import relay, scheduling
from integrationhub.outbox.models import OutboxMessage
from marketplace import quotas
from tests.flows.test_later import lapse, run_what_is_queued
from tests.make import Api, keyed, sms


def at(**ahead: float) -> str:
    return moment(datetime.now(UTC) + timedelta(**ahead))


def scheduled(api: Api, send_at: str, **options: Any) -> Any:
    answer = api.post("/execute", sms(send_at=send_at, **options))
    assert answer.status_code == 202, answer.content
    return answer


def later(seconds: float) -> None:
    """As if so much time had passed: for what waits in the outbox, for leases, and for what was asked."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE outbox_outboxmessage SET due_at = due_at - make_interval(secs => %s)", [seconds])
        cursor.execute(
            "UPDATE execution_execution SET lease_until = lease_until - make_interval(secs => %s)", [seconds]
        )
        for name in ("send_at", "expires_at"):
            cursor.execute(
                """UPDATE execution_execution SET options = jsonb_set(options, ARRAY[%(name)s], to_jsonb(
                   to_char((options ->> %(name)s)::timestamptz AT TIME ZONE 'UTC' - make_interval(secs => %(seconds)s),
                           'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))) WHERE options ? %(name)s""",
                {"name": name, "seconds": seconds},
            )


def states(tenant: UUID) -> list[str]:
    with tenant_scope(tenant):
        return list(OutboxMessage.objects.for_tenant(tenant).values_list("state", flat=True))


def claimed() -> int:
    return len(relay._claim(32))


def test_the_answer_says_when_and_where_to_look(api: Api) -> None:
    send_at, expires_at = at(hours=1), at(hours=2)
    answer = scheduled(api, send_at, expires_at=expires_at)
    body = api.get(answer["Location"].removeprefix("/integrationhub/v1")).json()
    assert (body["status"], body["send_at"], body["expires_at"]) == ("queued", send_at, expires_at)


def test_it_waits_for_its_time_and_is_run_then(api: Api, tenant: UUID) -> None:
    execution_id = scheduled(api, at(hours=1)).json()["execution_id"]
    assert (scheduling.wake(), claimed(), settling.settle()) == (0, 0, 0)
    later(3590)
    assert (scheduling.wake(), claimed(), settling.settle()) == (0, 0, 0)
    later(11)
    assert (scheduling.wake(), states(tenant), settling.settle(), claimed()) == (1, ["waiting"], 0, 1)
    run_what_is_queued(tenant)
    assert api.get(f"/executions/{execution_id}").json()["status"] == "succeeded"


def test_a_bell_that_is_lost_rings_again_once_its_time_has_come(api: Api, tenant: UUID) -> None:
    scheduled(api, at(hours=1))
    with tenant_scope(tenant):
        OutboxMessage.objects.all().delete()
    assert settling.settle() == 0
    later(3620)
    assert settling.settle() == 1
    assert states(tenant) == ["waiting"]


def test_a_relay_that_was_down_for_long_sends_late_unless_it_has_expired(api: Api, tenant: UUID) -> None:
    late = scheduled(api, at(minutes=1)).json()["execution_id"]
    over = scheduled(api, at(minutes=1), expires_at=at(minutes=30)).json()["execution_id"]
    later(7200)
    settling.settle()
    assert scheduling.wake() == 2
    assert states(tenant) == ["waiting"] * 2
    run_what_is_queued(tenant)
    assert api.get(f"/executions/{late}").json()["status"] == "succeeded"
    told = api.get(f"/executions/{over}").json()
    assert (told["status"], told["attempts"]) == ("failed", [])
    assert told["error"]["code"] == "ERR_INTEGRATION_HUB_SVC_EXECUTION_FAILED"
    with tenant_scope(tenant):
        details = Execution.objects.get(pk=over).error_details
        assert (details["reason"], details["retryable"]) == ("expired", False)
        assert Attempt.objects.filter(execution_id=over).count() == 0


def test_what_has_expired_gives_its_unit_back(api: Api, tenant: UUID) -> None:
    scheduled(api, at(minutes=1), expires_at=at(minutes=2))
    with tenant_scope(tenant):  # As a live one, which takes a unit.
        period = quotas.period_of(datetime.now(UTC))
        quotas.reserve(tenant, period)
        Execution.objects.update(quota_period=period)
    later(300)
    run_what_is_queued(tenant)
    assert quotas.usage(tenant).used == 0


@pytest.mark.parametrize(
    ("options", "field", "reason"),
    [
        ({"send_at": timedelta(days=36)}, "options.send_at", "too_far_ahead"),
        ({"send_at": "tomorrow"}, "options.send_at", "wrong_form"),
        ({"send_at": "2026-12-01T10:00:00"}, "options.send_at", "wrong_form"),
        ({"send_at": 5}, "options.send_at", "wrong_type"),
        ({"expires_at": timedelta(seconds=-5)}, "options.expires_at", "in_the_past"),
        ({"send_at": timedelta(hours=2), "expires_at": timedelta(hours=1)}, "options.expires_at", "before_send_at"),
    ],
)
def test_times_that_cannot_be_are_named(api: Api, options: dict[str, Any], field: str, reason: str) -> None:
    now = datetime.now(UTC)
    given = {name: moment(now + value) if isinstance(value, timedelta) else value for name, value in options.items()}
    fault = api.post("/execute", sms(**given)).json()["details"]["fields"][0]
    assert (fault["field"], fault["reason"]) == (field, reason)


def test_a_time_to_send_that_has_passed_is_now(api: Api, tenant: UUID) -> None:
    scheduled(api, at(hours=-1))
    assert (states(tenant), claimed()) == (["waiting"], 1)


def test_without_a_time_to_send_what_has_not_expired_is_run_at_once(api: Api) -> None:
    answer = api.post("/execute", sms(expires_at=at(hours=1), send_at=None))
    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")


def test_it_can_be_cancelled_until_then(api: Api, tenant: UUID) -> None:
    execution_id = scheduled(api, at(days=30)).json()["execution_id"]
    assert api.post(f"/executions/{execution_id}/cancel").json()["status"] == "cancelled"
    assert states(tenant) == []
    retried = api.post(f"/executions/{execution_id}/retry")
    assert (retried.status_code, "send_at" in retried.json()) == (200, False)


def test_a_repeated_key_schedules_once(api: Api, tenant: UUID) -> None:
    key, body = keyed(), sms(send_at=at(hours=1))
    first, again = (api.post("/execute", body, **key) for _ in range(2))
    assert (again.status_code, again.content, states(tenant)) == (202, first.content, ["scheduled"])


def test_items_of_a_batch_are_scheduled_one_by_one(api: Api, tenant: UUID) -> None:
    items = api.post("/execute/batch", {"items": [sms(), sms(send_at=at(hours=1))]}).json()["items"]
    assert ([item["status"] for item in items], states(tenant)) == ([200, 202], ["scheduled"])


def test_who_waits_for_a_provider_waits_from_its_own_time_on(api: Api, tenant: UUID) -> None:
    """Not from when it was asked for: it would be given up at its first try."""
    scheduled(api, at(days=3))
    later(3 * 86400)
    with tenant_scope(tenant):
        execution = Execution.objects.get()
        assert abs((datetime.now(UTC) - execution.due_at).total_seconds()) < 60
        Execution.objects.update(mode=Mode.SANDBOX)
    lapse(tenant)
    settling.settle()
    with tenant_scope(tenant):
        waits = Execution.objects.get().lease_until - datetime.now(UTC)
    assert waits < timedelta(seconds=60)


def test_ten_thousand_that_wait_for_their_time_cost_the_relay_nothing(api: Api, tenant: UUID) -> None:
    """They lie in no index that is searched for what is due."""
    scheduled(api, at(hours=1))
    with connections["system"].cursor() as cursor:
        cursor.execute(
            """INSERT INTO outbox_outboxmessage (id, tenant_id, task, queue, arguments, request_id, state, failures,
                 faults, last_error, due_at)
               SELECT gen_random_uuid(), gen_random_uuid(), 't', 'execute', '{}', '', 'scheduled', 0, 0, '',
                 now() + interval '1 hour' FROM generate_series(1, 10000)"""
        )
        cursor.execute("ANALYZE outbox_outboxmessage")
        for statement, values in ((relay.CLAIM_FAIRLY, {"seconds": 1, "most": 9}), (scheduling.WAKE, [9])):
            cursor.execute("EXPLAIN (ANALYZE, FORMAT TEXT) " + statement, values)
            plan = "\n".join(line for (line,) in cursor.fetchall())
            assert "Seq Scan" not in plan
            assert "Rows Removed" not in plan
