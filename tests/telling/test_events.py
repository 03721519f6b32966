"""What is told: of executions, messages and usage, as docs/events.md has it, and of nothing to nobody."""

import ast
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connections

from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution import queueing, schedules
from integrationhub.outbox.models import Event
from integrationhub.webhooks.telling.kinds import KINDS
from marketplace import quotas, tasks, thresholds
from marketplace.models import Subscription, Tier, Usage
from tests.make import LATER, Api, another_tenant, sms
from tests.meta.fixtures import meta
from tests.telling.receiving import Receiver, deliveries, subscribe, work_off
from tests.whatsapp.talking import Talk, failure, status

__all__ = ["meta"]
ROOT = Path(__file__).resolve().parents[2]
APPS = ("integrationhub", "providers", "credentials", "marketplace", "oauth", "templates", "whatsapp")


@pytest.fixture
def live(api: Api) -> Api:
    """A tenant that sends by two sandbox providers."""
    for priority, key in enumerate(("sandbox_primary", "sandbox_secondary")):
        made = api.post(f"/marketplace/integrations/{key}/install", {"config": {}, "priority": priority})
        assert made.status_code == 201
    return api


def assert_described(told: dict[str, Any]) -> None:
    """It has the members that docs/events.md promises, and no other ones."""
    described = KINDS[told["type"]].data
    named = {name.rstrip("?") for name in described}
    always = {name for name in described if not name.endswith("?")}
    assert always <= set(told["data"]) <= named, told


def told_of(tenant: UUID) -> list[dict[str, Any]]:
    """All events of the tenant in their order, each found to be as described."""
    rows = Event.objects.using("system").for_tenant(tenant).order_by("id")
    events = [{"type": row.kind, "data": row.data} for row in rows]
    for event in events:
        assert_described(event)
    return events


def test_an_execution_is_told_when_it_is_over(live: Api, receiver: Receiver) -> None:
    secret = subscribe(live, receiver, "execution.*")["secret"]
    done = live.post("/execute", sms()).json()
    work_off()
    [got] = receiver.received
    told = got.verified_by(secret)
    assert_described(told)
    assert told["type"] == "execution.succeeded"
    data = told["data"]
    assert {name: data[name] for name in ("execution_id", "status", "provider_key", "fallback_used", "reference")} == {
        "execution_id": done["execution_id"],
        "status": "succeeded",
        "provider_key": "sandbox_primary",
        "fallback_used": False,
        "reference": done["reference"],
    }
    assert (data["created_at"], data["request_id"]) == (done["created_at"], done["request_id"])


def test_a_fall_back_is_told_beside_the_success(live: Api, receiver: Receiver) -> None:
    subscribe(live, receiver, "execution.*")
    assert live.post("/execute", sms("+15005550503")).json()["fallback_used"]
    assert [event["type"] for event in told_of(live.tenant)] == ["execution.succeeded", "execution.fell_back"]
    assert [row.key for row in deliveries(live.tenant)] == [told_of(live.tenant)[0]["data"]["execution_id"]] * 2


@pytest.mark.parametrize(
    ("number", "kind", "code"),
    [
        ("+15005550505", "execution.unknown", "ERR_INTEGRATION_HUB_SVC_EXECUTION_FAILED"),
        ("+15005550001", "execution.failed", "ERR_INTEGRATION_HUB_INVALID_PHONE"),
    ],
)
def test_a_failure_is_told_with_its_code(live: Api, receiver: Receiver, number: str, kind: str, code: str) -> None:
    subscribe(live, receiver, "execution.failed", "execution.unknown")
    assert live.post("/execute", sms(number, timeout_ms=2000)).status_code >= 400
    [event] = told_of(live.tenant)
    assert (event["type"], event["data"]["error_code"]) == (kind, code)


def test_what_a_worker_does_later_is_told_too(live: Api, receiver: Receiver) -> None:
    subscribe(live, receiver, "execution.*")
    queued = live.post("/execute", sms(), headers=LATER).json()
    assert told_of(live.tenant) == []
    queueing.run_queued(live.tenant, UUID(queued["execution_id"]))
    assert [event["type"] for event in told_of(live.tenant)] == ["execution.succeeded"]


def test_nothing_is_written_where_nobody_asks_for_it(live: Api, receiver: Receiver) -> None:
    subscribe(another_tenant(), receiver, "*")
    live.post("/execute", sms())
    subscribe(live, receiver, "execution.failed", "message.*")
    live.post("/execute", sms())
    assert told_of(live.tenant) == []


def test_a_subscription_that_is_disabled_misses_nothing(live: Api, receiver: Receiver) -> None:
    subscribe(live, receiver, "execution.*", enabled=False)
    live.post("/execute", sms())
    assert [row.status for row in deliveries(live.tenant)] == ["skipped"]


@pytest.fixture
def talk(api: Api, meta: object) -> Talk:
    return Talk(api)


def test_a_whatsapp_message_is_told_at_each_step_that_it_takes(talk: Talk, receiver: Receiver) -> None:
    subscribe(talk.api, receiver, "message.*")
    talk.customer_writes()
    sent = talk.sent()
    for word in ("delivered", "sent", "read", "read"):
        talk.meta_tells(status(sent, word=word))
    events = told_of(talk.tenant)
    assert [event["type"] for event in events] == [
        "message.received",
        "message.accepted",
        "message.delivered",
        "message.read",
    ]
    wrote, accepted = events[0]["data"], events[1]["data"]
    assert (wrote["type"], wrote["message"]["id"], wrote["sender"]) == ("text", wrote["reference"], "14155552671")
    assert (accepted["message_id"], accepted["recipient"], accepted["execution_id"]) == (sent["id"], sent["to"], None)
    assert accepted["reference"]
    assert [row.key for row in deliveries(talk.tenant)][1:] == [sent["id"]] * 3


def test_a_whatsapp_message_that_fails_is_told_with_metas_code(talk: Talk, receiver: Receiver) -> None:
    subscribe(talk.api, receiver, "message.failed")
    talk.customer_writes()
    sent = talk.sent()
    talk.meta_tells(failure(sent))
    [event] = told_of(talk.tenant)
    assert event["data"]["reason"] == talk.delivery(sent["id"])["error"]["code"]
    assert event["data"]["code"].isdigit()


def use(tenant: UUID, used: int, quota: int = 50) -> None:
    Tier.objects.using("system").get_or_create(
        key="small", defaults={"name": "Small", "monthly_quota": quota, "requests_per_minute": 60}
    )
    with tenant_scope(tenant):
        Subscription.objects.update_or_create(tenant_id=tenant, defaults={"tier_id": "small"})
        period = quotas.period_of(datetime.now(UTC))
        Usage.objects.for_tenant(tenant).filter(period=period).delete()
        # A count in parts.
        Usage.objects.create(tenant_id=tenant, period=period, part=0, used=used // 2)
        Usage.objects.create(tenant_id=tenant, period=period, part=1, used=used - used // 2)


def percents(tenant: UUID) -> list[int]:
    return [event["data"]["percent"] for event in told_of(tenant)]


def test_a_tenant_is_told_once_at_each_threshold(tenant: UUID) -> None:
    for used, told in ((39, []), (40, [80]), (45, [80]), (50, [80, 100]), (50, [80, 100])):
        use(tenant, used)
        tasks.tell_usage()
        assert percents(tenant) == told
    assert told_of(tenant)[0]["data"] | {"period": "", "resets_at": ""} == {
        "percent": 80,
        "used": 40,
        "quota": 50,
        "tier": "small",
        "period": "",
        "resets_at": "",
    }
    assert tasks.tell_usage.name in [schedule.task for schedule in schedules.SCHEDULES]


def test_of_two_thresholds_that_passed_unseen_the_last_is_told_and_each_month_anew(tenant: UUID) -> None:
    use(tenant, 60)
    assert thresholds.tell() == 1
    with connections["system"].cursor() as cursor:
        cursor.execute("UPDATE marketplace_subscription SET told_period = told_period - 31")
    assert thresholds.tell() == 1
    assert percents(tenant) == [100, 100]
    assert thresholds.tell(datetime.now(UTC) + timedelta(days=40)) == 0, "nothing is used yet of the next month"


def test_another_quota_in_the_month_is_told_of_anew(tenant: UUID) -> None:
    tier = Tier.objects.using("system").filter(key="small")
    use(tenant, 50)
    thresholds.tell()
    tier.update(monthly_quota=100)
    assert thresholds.tell() == 0, "half of it is used"
    for used, told in ((80, [100, 80]), (90, [100, 80]), (100, [100, 80, 100]), (100, [100, 80, 100])):
        use(tenant, used)
        thresholds.tell()
        assert percents(tenant) == told
    tier.update(monthly_quota=90)
    assert [thresholds.tell() for _ in range(2)] == [1, 0]
    assert [event["data"]["quota"] for event in told_of(tenant)] == [50, 100, 100, 90]


def test_what_was_told_before_quotas_were_remembered_is_not_told_again(tenant: UUID) -> None:
    use(tenant, 40)
    thresholds.tell()
    with connections["system"].cursor() as cursor:
        cursor.execute("UPDATE marketplace_subscription SET told_quota = NULL")
    assert thresholds.tell() == 0
    use(tenant, 50)
    assert thresholds.tell() == 1
    assert percents(tenant) == [80, 100]


def test_of_two_workers_that_find_the_same_tenant_one_tells(tenant: UUID) -> None:
    use(tenant, 40)
    period = quotas.period_of(datetime.now(UTC))
    assert [thresholds._told(tenant, period, "small", 50, 40) for _ in range(2)] == [True, False]
    assert percents(tenant) == [80]


def test_whoever_has_no_quota_is_told_nothing(tenant: UUID) -> None:
    use(tenant, 60)
    Tier.objects.using("system").filter(key="small").update(monthly_quota=None)
    assert thresholds.tell() == 0


def published() -> Iterator[tuple[str, ast.expr]]:
    """Where the code publishes an event, and of which kind."""
    for path in sorted(found for app in APPS for found in (ROOT / app).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            kinds = [each.value for each in node.keywords if each.arg == "kind"]
            if name == "tell" and len(node.args) > 1:
                kinds = [node.args[1]]
            if name in ("publish", "publish_if_wanted", "tell", "_note") and kinds:
                yield str(path.relative_to(ROOT)), kinds[0]


def test_every_kind_that_the_code_publishes_is_described() -> None:
    found = list(published())
    constants = {node.value for _, node in found if isinstance(node, ast.Constant)}
    assert len(constants) >= 8
    assert constants - set(KINDS) == set()


def test_what_python_says_of_ids_holds_for_those_that_the_database_makes() -> None:
    with connections["system"].cursor() as cursor:
        cursor.execute("SELECT hub_new_id(), hub_new_id(), pg_sleep(0.002), hub_new_id()")
        first, second, _, third = cursor.fetchone()
    assert (first.version, first.variant) == (7, uuid4().variant)
    assert first < second < third
    assert abs((first.int >> 80) / 1000 - datetime.now(UTC).timestamp()) < 5
