"""`PUT /routing/{intent}`: who comes first, how often it is called, and what is told of it afterwards."""

import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from integrationhub.core import valkey_client
from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution import admission, circuit_state, circuits, queueing
from integrationhub.execution.circuit_state import LocalCircuits
from integrationhub.execution.models import Execution, Route
from integrationhub.execution.routing import Step
from providers.adapter import Receipt
from providers.adapters.sandbox_primary import SandboxPrimary
from providers.errors import Next, Retry
from tests.core.proxies import redis_behind_a_proxy
from tests.execution.conftest import ProviderServer, bind
from tests.flows.test_later import run_what_is_queued
from tests.make import LATER, Api, another_tenant, sms

NUMBER = "+14155552671"
FIRST, SECOND = "loopback_keyed_sms", "loopback_sms"
PATH = "/routing/message.send.sms"


@pytest.fixture
def two(needs_key: Api, live: Api) -> Api:
    """A tenant with two live providers, `FIRST` before `SECOND`."""
    bind(live)
    return live


def route(api: Api, strategy: str | None = None, **paces: float) -> None:
    rows = [{"provider_key": key} | ({"max_per_second": paces[key]} if key in paces else {}) for key in (FIRST, SECOND)]
    answer = api.put(PATH, {"providers": rows} | ({"strategy": strategy} if strategy else {}))
    assert answer.status_code == 200, answer.content


def deliverer(api: Api) -> str:
    return str(api.post("/execute", sms(NUMBER)).json()["provider_key"])


def told(api: Api, answer: Any) -> Any:
    body = answer.json()
    execution_id = body.get("execution_id") or body["details"]["executionId"]
    return api.get(f"/executions/{execution_id}").json()["routing"]


def decisions(routing: Any) -> list[tuple[str, str, str | None]]:
    return [(each["provider_key"], each["decision"], each["reason"]) for each in routing["providers"]]


def happened(tenant: UUID, key: str, *, succeeded: int, failed: int) -> None:
    for outcome, times in ((Retry("Busy.", reason="busy", upstream_status=503), failed), (Receipt("m"), succeeded)):
        for _ in range(times):
            circuits.record(tenant, key, outcome, allowed_seconds=8)
    circuits.forget()  # What another process learns, this one reads of Redis.


# --- healthiest ---


def test_who_did_badly_of_late_comes_last_and_is_tried_all_the_same(two: Api, tenant: UUID) -> None:
    route(two, "healthiest")
    assert deliverer(two) == FIRST
    happened(tenant, FIRST, succeeded=7, failed=3)
    answer = two.post("/execute", sms(NUMBER))
    assert (answer.json()["provider_key"], answer.json()["fallback_used"]) == (SECOND, False)
    routing = told(two, answer)
    assert routing["strategy"] == "healthiest"
    assert decisions(routing) == [(SECOND, "delivered", None), (FIRST, "not_reached", "delivered_before")]
    assert routing["providers"][1]["moved_back_for"]["failures"] == 3


def test_one_failure_or_a_few_among_many_move_nobody(two: Api, tenant: UUID) -> None:
    route(two, "healthiest")
    happened(tenant, FIRST, succeeded=0, failed=1)
    assert deliverer(two) == FIRST
    happened(tenant, FIRST, succeeded=20, failed=2)
    assert deliverer(two) == FIRST


def test_of_two_that_did_badly_the_worse_one_is_last(two: Api, tenant: UUID) -> None:
    route(two, "healthiest")
    happened(tenant, FIRST, succeeded=3, failed=3)
    happened(tenant, SECOND, succeeded=8, failed=3)
    assert deliverer(two) == SECOND


def test_what_happened_to_another_tenants_account_alone_moves_nobody(two: Api) -> None:
    route(two, "healthiest")
    for _ in range(4):
        throttled = Retry("Too fast.", reason="busy", upstream_status=429)
        circuits.record(another_tenant().tenant, FIRST, throttled, allowed_seconds=8)
    circuits.forget()
    assert deliverer(two) == FIRST


def test_without_that_strategy_nobody_is_asked_about_it(
    two: Api, tenant: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened(tenant, FIRST, succeeded=7, failed=3)
    monkeypatch.setattr(circuits, "calls_of", lambda *_: pytest.fail("It costs a trip."))
    assert deliverer(two) == FIRST
    route(two, "priority")
    assert deliverer(two) == FIRST


def test_with_an_empty_list_it_holds_for_all_by_their_priority(two: Api, tenant: UUID) -> None:
    assert two.put(PATH, {"providers": [], "strategy": "healthiest"}).json()["strategy"] == "healthiest"
    happened(tenant, FIRST, succeeded=0, failed=3)
    assert deliverer(two) == SECOND
    two.put(PATH, {"providers": []})
    assert deliverer(two) == FIRST


def test_redis_and_a_process_alone_count_alike(tenant: UUID) -> None:
    local, keys = LocalCircuits(), [f"hub:circuit:calls:{tenant}"]
    for verdict, times in (("failed", 2), ("ok", 5)):
        for _ in range(times):
            local.record(keys, [verdict], [0.0], [1])
            valkey_client.run(circuit_state.RECORD, keys, [verdict, 0, 1])
    assert valkey_client.run(circuit_state.CALLS, keys, []) == [[7, 2]]
    assert local.calls(keys) == [(7, 2)]
    assert local.calls(keys, now=time.monotonic() + 31) == [(0, 0)]


# --- weights and their explanation ---


def test_weights_are_left_alone_where_priority_is_asked_for(two: Api) -> None:
    rows = [{"provider_key": FIRST, "weight": 0}, {"provider_key": SECOND, "weight": 100}]
    assert two.put(PATH, {"providers": rows}).json()["strategy"] == "weighted"
    assert {deliverer(two) for _ in range(5)} == {SECOND}
    assert two.put(PATH, {"providers": rows, "strategy": "priority"}).json()["strategy"] == "priority"
    assert {deliverer(two) for _ in range(5)} == {FIRST}


def test_each_provider_of_the_tenant_is_explained(two: Api, server: ProviderServer) -> None:
    two.post("/marketplace/integrations/sandbox_primary/install", {"config": {}, "priority": 99})
    server.status = 503
    server.while_acting = lambda: setattr(server, "status", 503 if len(server.received) < 2 else 200)
    routing = told(two, two.post("/execute", sms(NUMBER)))
    assert decisions(routing) == [
        (FIRST, "tried", "upstream_503"),
        (SECOND, "delivered", None),
        ("sandbox_primary", "skipped", "sandbox_provider"),
    ]
    assert [each["position"] for each in routing["providers"]] == [1, 2, None]
    assert all(each["explanation"] for each in routing["providers"])


def test_a_refusal_of_the_recipient_explains_why_nobody_else_was_asked(two: Api, server: ProviderServer) -> None:
    server.status = 400
    routing = told(two, two.post("/execute", sms(NUMBER)))
    assert decisions(routing) == [(FIRST, "tried", "upstream_400"), (SECOND, "not_reached", "chain_ended")]


def test_a_queued_one_is_explained_once_it_has_run(two: Api, tenant: UUID) -> None:
    answer = two.post("/execute", sms(NUMBER, providers=[SECOND]), headers=LATER)
    run_what_is_queued(tenant)
    assert told(two, answer) == {
        "strategy": "named",
        "providers": [
            {
                "provider_key": SECOND,
                "position": 1,
                "decision": "delivered",
                "reason": None,
                "explanation": "It accepted.",
            }
        ],
    }


def test_one_from_before_the_upgrade_has_no_explanation(two: Api, tenant: UUID) -> None:
    answer = two.post("/execute", sms(NUMBER))
    with tenant_scope(tenant):
        Execution.objects.update(routing={})
    assert told(two, answer) is None


# --- the tenant's own pace ---


def test_one_call_too_many_goes_to_the_next_provider(two: Api) -> None:
    route(two, **{FIRST: 0.01})
    first, second = (two.post("/execute", sms(NUMBER)) for _ in range(2))
    assert [answer.json()["provider_key"] for answer in (first, second)] == [FIRST, SECOND]
    assert second.json()["skipped"] == [{"provider_key": FIRST, "reason": "throttled"}]
    assert (FIRST, "skipped", "throttled") in decisions(told(two, second))


def test_where_there_is_no_next_one_it_is_refused_with_the_time_to_wait(two: Api, tenant: UUID) -> None:
    route(two, **{FIRST: 0.02, SECOND: 0.01})
    began = time.monotonic()
    statuses = [two.post("/execute", sms(NUMBER)).status_code for _ in range(2)]
    refused = two.post("/execute", sms(NUMBER))
    assert (statuses, refused.status_code, refused.json()["retryable"]) == ([200, 200], 503, True)
    assert 49 - (time.monotonic() - began) <= int(refused["Retry-After"]) <= 50
    with tenant_scope(tenant):
        assert Execution.objects.count() == 2


def test_a_second_holds_as_many_calls_as_it_says_and_no_more(tenant: UUID) -> None:
    began = time.monotonic()
    passed = [not is_held_back(tenant, "storage.put.object", paced(5)) for _ in range(200)]
    assert passed[:5] == [True] * 5
    assert passed.count(True) <= 5 + int((time.monotonic() - began) * 5) + 1 < 200


def paced(max_per_second: float) -> Step:
    return Step("aws_s3", SandboxPrimary, {}, "", None, max_per_second=max_per_second)


def is_held_back(tenant: UUID, intent: str, step: Step) -> bool:
    return admission.refusal(tenant, intent, step, is_live=False) is not None


def test_it_is_counted_for_a_provider_that_is_named_too(two: Api) -> None:
    route(two, **{FIRST: 0.01})
    assert deliverer(two) == FIRST
    answer = two.post("/execute", sms(NUMBER, providers=[FIRST]))
    assert answer.json()["details"]["errors"][0]["reason"] == "throttled"


def test_another_tenant_has_a_pace_of_its_own(two: Api, server: ProviderServer) -> None:
    route(two, **{FIRST: 0.1})
    assert deliverer(two) == FIRST
    other = another_tenant()
    other.post(f"/marketplace/integrations/{FIRST}/install", {"config": {"url": server.url}, "priority": 1})
    bind(other)
    other.put(PATH, {"providers": [{"provider_key": FIRST, "max_per_second": 0.1}]})
    assert deliverer(other) == FIRST


def test_another_intent_of_a_provider_has_a_pace_of_its_own(tenant: UUID) -> None:
    assert [is_held_back(tenant, "storage.put.object", paced(0.1)) for _ in range(2)] == [False, True]
    assert [is_held_back(tenant, "storage.get.object", paced(100)) for _ in range(2)] == [False, False]


def test_an_open_circuit_uses_up_no_pace(two: Api, tenant: UUID) -> None:
    route(two, **{FIRST: 0.01})
    happened(tenant, FIRST, succeeded=0, failed=5)
    answers = [two.post("/execute", sms(NUMBER)).json() for _ in range(2)]
    assert [answer["skipped"] for answer in answers] == [[{"provider_key": FIRST, "reason": "circuit_open"}]] * 2
    happened(tenant, FIRST, succeeded=1, failed=0)
    assert deliverer(two) == FIRST


def test_what_its_pace_holds_back_takes_no_probe(two: Api, tenant: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    soon_due = valkey_client.Script(circuit_state.RECORD.text.replace("+ 5000", "+ 50"))
    monkeypatch.setattr(circuits, "RECORD", soon_due)
    route(two, **{FIRST: 0.01})
    assert deliverer(two) == FIRST
    happened(tenant, FIRST, succeeded=0, failed=5)
    time.sleep(0.06)
    for _ in range(2):
        assert two.post("/execute", sms(NUMBER)).json()["skipped"] == [{"provider_key": FIRST, "reason": "throttled"}]
    assert circuits.admit(tenant, FIRST) is None


def planned(api: Api, **options: Any) -> tuple[list[str], list[tuple[str, str]]]:
    plan = api.post("/execute/plan", sms(NUMBER, **options)).json()
    skipped = [(each["provider_key"], each["reason"]) for each in plan["skipped"]]
    return [step["provider_key"] for step in plan["chain"]], skipped


def test_a_plan_says_whom_the_pace_holds_back_and_counts_nothing(two: Api) -> None:
    route(two, **{FIRST: 0.01})
    assert [planned(two) for _ in range(3)] == [([FIRST, SECOND], [])] * 3
    assert deliverer(two) == FIRST
    assert planned(two) == ([SECOND], [(FIRST, "throttled")])


def test_a_plan_of_a_sandbox_knows_its_pace_too(api: Api) -> None:
    key = "sandbox_primary"
    api.post(f"/marketplace/integrations/{key}/install", {})
    api.put(PATH, {"providers": [{"provider_key": key, "max_per_second": 0.01}]})
    assert planned(api) == ([key], [])
    api.post("/execute", sms())
    assert planned(api) == ([], [(key, "throttled")])


@pytest.fixture
def without_redis(settings: Any, two: Api) -> Iterator[None]:
    with redis_behind_a_proxy(settings) as proxy:
        proxy.mode = "close"
        yield


def test_while_redis_is_away_nothing_is_held_back(two: Api, without_redis: None) -> None:
    route(two, **{FIRST: 0.01})
    assert [deliverer(two) for _ in range(3)] == [FIRST] * 3


def test_without_a_pace_no_trip_is_made_for_it(two: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    # What is known of the circuits must not grow old meanwhile.
    monkeypatch.setattr(circuits._states, "_seconds", 60)
    deliverer(two)
    trips = []
    real = valkey_client._run
    monkeypatch.setattr(valkey_client, "_run", lambda script, *rest: trips.append(script) or real(script, *rest))
    deliverer(two)
    without = len(trips)
    route(two, **{FIRST: 100})
    deliverer(two)
    trips.clear()
    deliverer(two)
    assert len(trips) == without + 1


def test_a_queued_one_waits_for_its_turn_however_long(two: Api, tenant: UUID) -> None:
    route(two, **{FIRST: 0.05, SECOND: 0.05})
    assert [deliverer(two), deliverer(two)] == [FIRST, SECOND]
    execution_id = two.post("/execute", sms(NUMBER), headers=LATER).json()["execution_id"]
    with tenant_scope(tenant):
        Execution.objects.filter(pk=execution_id).update(created_at="2026-01-01T00:00:00Z")
    queueing.run_queued(tenant, UUID(execution_id))
    assert two.get(f"/executions/{execution_id}").json()["status"] == "queued"


def test_a_provider_that_is_out_of_it_shortens_nobodys_turn(two: Api, tenant: UUID) -> None:
    """One that is disabled is skipped beside those that are paced."""
    sandbox = two.post("/marketplace/integrations/sandbox_primary/install", {"priority": 90}).json()["id"]
    two.patch(f"/integrations/{sandbox}", {"enabled": False})
    test_a_queued_one_waits_for_its_turn_however_long(two, tenant)


def test_the_last_providers_second_call_is_counted_too(live: Api, server: ProviderServer) -> None:
    server.status = 503
    live.put(PATH, {"providers": [{"provider_key": SECOND, "max_per_second": 0.01}]})
    answer = live.post("/execute", sms(NUMBER))
    assert (answer.status_code, len(server.received)) == (503, 1)


@pytest.mark.parametrize("pace", [0, -1, 1001, "5", True])
def test_a_pace_that_is_none_is_refused(two: Api, pace: Any) -> None:
    rows = [{"provider_key": FIRST, "max_per_second": pace}]
    fault = two.put(PATH, {"providers": rows}).json()["details"]["fields"][0]
    assert fault["field"] == "providers[0].max_per_second"


def test_a_route_of_before_the_upgrade_reads_as_ever(two: Api, tenant: UUID) -> None:
    with tenant_scope(tenant):
        Route.objects.create(
            tenant_id=tenant, intent="message.send.sms", providers=[{"provider_key": SECOND, "weight": None}]
        )
    assert two.get(PATH).json() == {
        "intent": "message.send.sms",
        "strategy": "priority",
        "providers": [{"provider_key": SECOND, "weight": None}],
    }


def test_what_is_raised_before_a_call_says_nothing_of_health(tenant: UUID) -> None:
    circuits.record(tenant, FIRST, Next("Not sent.", reason="credential_unusable"), allowed_seconds=8)
    assert circuits.calls_of(tenant, [FIRST]) == {}
