"""The monthly quota: one unit an execution, taken with the durable statement, never given twice."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from django.db import connections

from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution.models import Attempt, Execution
from marketplace import quotas
from marketplace.models import Tier, Usage
from tests.execution.conftest import ProviderServer
from tests.make import LATER, Api, keyed, sms

NUMBER = "+14155552671"


def leave(tenant: UUID, units: int) -> None:
    """The tenant has so many executions left this month."""
    quota = quotas.limits_of(tenant).monthly_quota
    assert quota is not None
    with tenant_scope(tenant):
        period = quotas.usage(tenant).period
        Usage.objects.for_tenant(tenant).filter(period=period).delete()
        Usage.objects.create(tenant_id=tenant, period=period, used=quota - units)


def test_a_live_execution_takes_one_unit_whatever_its_attempts(live: Api, tenant: UUID, server: ProviderServer) -> None:
    server.status = 503
    answer = live.post("/execute", sms(NUMBER))
    assert answer.status_code == 503
    assert len(server.received) == 2
    assert quotas.usage(tenant).used == 1
    assert answer["X-Quota-Remaining"] == "999"


def test_the_last_unit_passes_and_the_next_request_is_told_when_the_month_ends(
    live: Api, tenant: UUID, server: ProviderServer
) -> None:
    leave(tenant, 1)
    assert live.post("/execute", sms(NUMBER)).status_code == 200
    refused = live.post("/execute", sms(NUMBER))
    assert (refused.status_code, refused.json()["code"]) == (422, "ERR_INTEGRATION_HUB_SVC_QUOTA_EXCEEDED")
    assert refused.json()["details"]["resetsAt"].endswith("-01T00:00:00.000Z")
    assert refused["X-Quota-Remaining"] == "0"
    assert len(server.received) == 1


def test_a_refused_request_leaves_nothing_behind(live: Api, tenant: UUID, server: ProviderServer) -> None:
    leave(tenant, 0)
    key = keyed()
    assert live.post("/execute", sms(NUMBER), **key).status_code == 422
    with tenant_scope(tenant):
        assert (Execution.objects.count(), Attempt.objects.count()) == (0, 0)
    leave(tenant, 1)
    assert live.post("/execute", sms(NUMBER), **key).status_code == 200


def test_a_replay_is_free(live: Api, tenant: UUID) -> None:
    key = keyed()
    for _ in range(3):
        live.post("/execute", sms(NUMBER), **key)
    assert quotas.usage(tenant).used == 1


def test_racing_for_the_last_unit_exactly_one_passes(live: Api, tenant: UUID, server: ProviderServer) -> None:
    leave(tenant, 1)

    def post(_: int) -> int:
        try:
            return int(live.post("/execute", sms(NUMBER)).status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(12) as pool:
        statuses = sorted(pool.map(post, range(20)))
    assert statuses == [200, *[422] * 19]
    assert len(server.received) == 1


def test_a_queued_execution_holds_its_unit(live: Api, tenant: UUID) -> None:
    leave(tenant, 1)
    assert live.post("/execute", sms(NUMBER), headers=LATER).status_code == 202
    assert live.post("/execute", sms(NUMBER), headers=LATER).status_code == 422


@pytest.mark.parametrize("quota", [0, 3])
def test_operators_may_set_any_quota(live: Api, tenant: UUID, quota: int) -> None:
    Tier.objects.filter(key="free").update(monthly_quota=quota)
    quotas._limits.clear()  # As if their five seconds had passed.
    assert [live.post("/execute", sms(NUMBER)).status_code for _ in range(4)].count(200) == quota
