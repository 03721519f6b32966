"""A scheduled execution over a live provider: its unit is one of the month in which it is sent."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import connections

from integrationhub.core.representation import moment
from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution.models import Execution
from marketplace import quotas
from tests.make import Api, sms


def test_it_counts_in_the_month_in_which_it_is_sent(live: Api, tenant: UUID) -> None:
    in_the_next = quotas.resets_at(quotas.period_of(datetime.now(UTC))) + timedelta(hours=1)
    body = sms("+14155552671", providers=["loopback_sms"], send_at=moment(in_the_next))
    answer = live.post("/execute", body)
    assert (answer.status_code, quotas.usage(tenant).used, answer["X-Quota-Remaining"]) == (202, 0, "1000")
    with tenant_scope(tenant):
        assert Execution.objects.get().quota_period == in_the_next.date().replace(day=1)
    live.post(f"/executions/{answer.json()['execution_id']}/cancel")
    with connections["system"].cursor() as cursor:
        cursor.execute("SELECT coalesce(sum(used), 0) FROM marketplace_usage")
        assert cursor.fetchone() == (0,)
