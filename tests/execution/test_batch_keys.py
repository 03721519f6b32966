"""The key of a batch that was not done to its end: the repeat runs the rest of it, and sends nothing twice."""

import threading
from typing import Any
from uuid import UUID

import pytest

from integrationhub.execution import batching
from marketplace import quotas
from marketplace.models import Tier
from tests.execution.conftest import ProviderServer
from tests.flows.test_batch import batch, executions, statuses, tier
from tests.make import Api, keyed, sms

EMAIL = {
    "category": "messaging",
    "intent": "message.send.email",
    "payload": {"from": "shop@example.com", "to": ["a@example.com"], "subject": "Hello", "text": "Hi"},
}


def texts(count: int) -> dict[str, Any]:
    payloads = [{"to": "+14155552671", "text": f"No. {number}"} for number in range(count)]
    return batch(*[{**sms(), "payload": payload} for payload in payloads])


def assert_stands(api: Api, body: dict[str, Any], key: dict[str, Any], before: Any) -> None:
    """The whole of it is kept now, byte for byte."""
    again = api.post("/execute/batch", body, **key)
    assert (again.content, again["Idempotent-Replayed"]) == (before.content, "true")


def test_what_had_no_turn_in_time_is_run_by_a_repeat_and_the_rest_is_not_run_again(
    live: Api, server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, body = keyed(), texts(6)
    with monkeypatch.context() as short:
        over = threading.Barrier(4, lambda: short.setattr(batching, "BEGUN_WITHIN_SECONDS", -1.0), timeout=20)
        server.while_acting = lambda: over.wait() and None
        first = live.post("/execute/batch", body, **key)
    server.while_acting = lambda: None
    assert statuses(first) == [200] * 4 + [503] * 2
    second = live.post("/execute/batch", body, **key)
    assert statuses(second) == [200] * 6
    assert second.json()["items"][:4] == first.json()["items"][:4]
    assert sorted(each["text"] for each in server.received) == [f"No. {number}" for number in range(6)]
    assert_stands(live, body, key, second)
    assert len(server.received) == 6


def test_what_found_no_quota_is_run_by_a_repeat_once_there_is_some(
    live: Api, tenant: UUID, server: ProviderServer
) -> None:
    tier(tenant, quota=2)
    key, body = keyed(), texts(5)
    assert sorted(statuses(live.post("/execute/batch", body, **key))) == [200] * 2 + [422] * 3
    Tier.objects.filter(key="small").update(monthly_quota=10)
    quotas._limits.clear()
    second = live.post("/execute/batch", body, **key)
    assert statuses(second) == [200] * 5
    assert (len(server.received), quotas.usage(tenant).used) == (5, 5)
    assert_stands(live, body, key, second)


def test_what_had_no_provider_is_run_by_a_repeat_once_one_is_installed(live: Api, server: ProviderServer) -> None:
    key, body = keyed(), batch(sms("+14155552671"), EMAIL)
    assert statuses(live.post("/execute/batch", body, **key)) == [200, 503]
    assert live.post("/marketplace/integrations/sandbox_primary/install", {"config": {}}).status_code == 201
    second = live.post("/execute/batch", body, **key)
    assert (statuses(second), len(server.received)) == ([200, 200], 1)
    assert_stands(live, body, key, second)


def test_an_item_that_is_wrong_in_itself_holds_up_no_key(live: Api, tenant: UUID, server: ProviderServer) -> None:
    key, body = keyed(), batch(sms("+14155552671"), sms("12"), {"intent": "x"})
    first = live.post("/execute/batch", body, **key)
    assert statuses(first) == [200, 400, 400]
    assert_stands(live, body, key, first)
    assert (len(executions(tenant)), len(server.received)) == (1, 1)
