"""Dead-lettered executions: what callers and operators see of them, and how they live again."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission, User
from django.db.models.functions import Now
from django.test import Client

from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution import ledger, queueing, settling, tasks
from integrationhub.execution.models import Execution
from integrationhub.outbox.models import OutboxMessage
from marketplace import quotas
from marketplace.models import Tier, Usage
from tests.make import LATER, Api, sms

PAGE = "/admin/execution/execution/"


@pytest.fixture
def dead(api: Api, tenant: UUID) -> UUID:
    """An execution of which five workers died before they began."""
    assert api.post("/marketplace/integrations/sandbox_primary/install", {}).status_code == 201
    answer = api.post("/execute", sms(), headers=LATER)
    execution_id = UUID(answer.json()["execution_id"])
    count_it(tenant, execution_id)
    die(tenant, execution_id)
    return execution_id


def count_it(tenant: UUID, execution_id: UUID) -> None:
    """As if it were a live run, which takes a unit of the quota."""
    period = quotas.usage(tenant).period
    with tenant_scope(tenant):
        Execution.objects.filter(pk=execution_id).update(quota_period=period)
        Usage.objects.create(tenant_id=tenant, period=period, used=1)


def die(tenant: UUID, execution_id: UUID) -> None:
    for _ in range(settling.MOST_TAKES):
        assert ledger.take(tenant, execution_id, 30)
        with tenant_scope(tenant):
            OutboxMessage.objects.all().delete()
            Execution.objects.update(lease_until=Now() - timedelta(seconds=1))
        settling.settle()


def row(execution_id: UUID) -> Execution:
    return Execution.objects.using("system").get(pk=execution_id)


def redrive(operator: Client, execution_id: UUID) -> str:
    """What the operator is told."""
    answer = operator.post(PAGE, {"action": "redrive", "_selected_action": [str(execution_id)]}, follow=True)
    return " ".join(str(message) for message in answer.context["messages"])


def test_its_caller_sees_a_failure_and_has_the_unit_back(api: Api, tenant: UUID, dead: UUID) -> None:
    body = api.get(f"/executions/{dead}").json()
    assert (body["status"], body["attempts"]) == ("failed", [])
    assert body["error"]["code"] == "ERR_INTEGRATION_HUB_SVC_EXECUTION_FAILED"
    assert quotas.usage(tenant).used == 0


def test_operators_find_it_among_the_others(api: Api, operator: Client, dead: UUID) -> None:
    other = api.post("/execute", sms()).json()["execution_id"]
    page = operator.get(PAGE, {"dead": "yes"}).content.decode()
    assert str(dead) in page
    assert "dead letter" in page
    assert other not in page


def test_a_redriven_one_runs_and_costs_its_unit_again(tenant: UUID, operator: Client, dead: UUID) -> None:
    assert "is queued again" in redrive(operator, dead)
    assert quotas.usage(tenant).used == 1
    with tenant_scope(tenant):
        assert OutboxMessage.objects.get().arguments["execution_id"] == str(dead)
    queueing.run_queued(tenant, dead)
    assert (row(dead).status, row(dead).dead_at, row(dead).error_code) == ("succeeded", None, "")


def test_a_redriven_one_has_five_lives_again(tenant: UUID, operator: Client, dead: UUID) -> None:
    redrive(operator, dead)
    die(tenant, dead)
    assert (row(dead).takes, row(dead).dead_at is not None) == (2 * settling.MOST_TAKES, True)


def test_a_worker_of_the_first_life_that_wakes_up_holds_nothing_of_the_second(
    tenant: UUID, operator: Client, dead: UUID
) -> None:
    redrive(operator, dead)
    lives = ledger.take(tenant, dead, 30)
    assert lives is not None
    assert lives.takes == settling.MOST_TAKES + 1


def test_a_used_up_quota_leaves_it_dead_and_tells_the_operator(tenant: UUID, operator: Client, dead: UUID) -> None:
    Tier.objects.using("system").update(monthly_quota=0)
    quotas._limits.forget(tenant)
    assert "stays dead" in redrive(operator, dead)
    assert row(dead).dead_at is not None
    with tenant_scope(tenant):
        assert not OutboxMessage.objects.exists()


def test_what_is_not_dead_is_left_alone(api: Api, operator: Client, dead: UUID) -> None:
    other = UUID(api.post("/execute", sms()).json()["execution_id"])
    assert "is left as it is" in redrive(operator, other)
    assert row(other).status == "succeeded"


def test_who_may_only_look_is_not_offered_to_redrive(dead: UUID) -> None:
    onlooker = User.objects.create_user("onlooker", password="onlookers-password", is_staff=True)
    onlooker.user_permissions.add(Permission.objects.get(codename="view_execution"))
    client = Client()
    client.force_login(onlooker)
    redrive(client, dead)
    assert row(dead).dead_at is not None


def test_after_a_week_its_payload_is_gone_and_it_cannot_be_redriven(operator: Client, dead: UUID) -> None:
    settling.forget_dead_payloads()
    assert row(dead).sealed_payload is not None
    Execution.objects.using("system").update(finished_at=Now() - timedelta(days=8))
    settling.forget_dead_payloads()
    assert row(dead).sealed_payload is None
    assert "is forgotten" in redrive(operator, dead)


def test_a_queued_run_waits_the_longer_for_its_next_message_the_longer_it_waits(api: Api, tenant: UUID) -> None:
    assert api.post("/marketplace/integrations/sandbox_primary/install", {}).status_code == 201
    execution_id = UUID(api.post("/execute", sms(), headers=LATER).json()["execution_id"])
    waits = []
    for age in (timedelta(0), timedelta(minutes=2), timedelta(days=1)):
        with tenant_scope(tenant):
            Execution.objects.update(lease_until=Now() - timedelta(seconds=1), created_at=Now() - age)
        settling.settle()
        left = row(execution_id)
        waits.append((left.lease_until - left.created_at - age).total_seconds())  # type: ignore[operator]
    # They count from the settling, which comes a moment after the update.
    assert [wanted <= wait < wanted + 5 for wait, wanted in zip(waits, (10, 60, 300), strict=True)] == [True] * 3, waits


def test_a_dead_message_keeps_no_run_from_being_posted_again(api: Api, tenant: UUID) -> None:
    assert api.post("/marketplace/integrations/sandbox_primary/install", {}).status_code == 201
    api.post("/execute", sms(), headers=LATER)
    with tenant_scope(tenant):
        OutboxMessage.objects.update(state="dead")
        Execution.objects.update(lease_until=Now() - timedelta(seconds=1))
    assert settling.settle() == 1
    with tenant_scope(tenant):
        assert sorted(OutboxMessage.objects.values_list("state", flat=True)) == ["dead", "waiting"]


def test_a_worker_settles_what_others_left_behind_between_its_runs(api: Api, tenant: UUID) -> None:
    assert api.post("/marketplace/integrations/sandbox_primary/install", {}).status_code == 201
    left, own = (UUID(api.post("/execute", sms(), headers=LATER).json()["execution_id"]) for _ in range(2))
    assert ledger.take(tenant, left, 30)
    with tenant_scope(tenant):
        Execution.objects.filter(pk=left).update(lease_until=Now() - timedelta(seconds=1))
    settling._settled_lately.clear()
    tasks.run_execution(tenant_id=str(tenant), execution_id=str(own))
    assert (row(own).status, row(left).status) == ("succeeded", "queued")
