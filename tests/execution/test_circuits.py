"""A provider that fails again and again is left alone, asked now and then, and taken back when it answers."""

import time
from typing import Any
from uuid import UUID, uuid4

import pytest

from integrationhub.core import valkey_client
from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution import circuit_state, circuits
from integrationhub.execution.circuit_state import ADMIT, RECORD, REPEAT, LocalCircuits
from integrationhub.execution.models import Execution
from integrationhub.outbox.models import Event
from providers.adapter import Receipt
from providers.errors import Ambiguous, Next, Retry, Stop
from tests.execution.conftest import ProviderServer
from tests.make import Api, another_tenant, keyed, sms

NUMBER = "+14155552671"


@pytest.fixture
def hasty_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first probe 100 ms after the last failure instead of five seconds."""
    text = circuit_state.RECORD.text.replace("+ 5000", "+ 100")
    monkeypatch.setattr(circuits, "RECORD", valkey_client.Script(text))


def fail(api: Api, times: int) -> None:
    for _ in range(times):
        assert api.post("/execute", sms(NUMBER)).status_code == 503


@pytest.fixture
def broken(live: Api, server: ProviderServer) -> Api:
    """A tenant whose only provider has failed five times."""
    server.status = 500
    fail(live, 5)
    return live


def test_five_failures_in_a_row_open_the_circuit_and_nothing_is_sent(broken: Api, server: ProviderServer) -> None:
    answer = broken.post("/execute", sms(NUMBER))
    assert len(server.received) == 5
    body = answer.json()
    assert body["code"] == "ERR_INTEGRATION_HUB_SVC_ALL_PROVIDERS_FAILED"
    assert [error["reason"] for error in body["details"]["errors"]] == ["circuit_open"]
    assert 1 <= int(answer["Retry-After"]) <= 5


def test_an_open_circuit_stores_and_counts_nothing(broken: Api, tenant: UUID) -> None:
    used = broken.get("/usage").json()["used"]
    key = keyed()
    assert broken.post("/execute", sms(NUMBER), **key).status_code == 503
    with tenant_scope(tenant):
        assert Execution.objects.count() == 5
    assert broken.get("/usage").json()["used"] == used


def test_the_plan_says_who_is_left_alone(broken: Api) -> None:
    plan = broken.post("/execute/plan", sms(NUMBER)).json()
    assert plan["chain"] == []
    assert plan["skipped"] == [{"provider_key": "loopback_sms", "reason": "circuit_open"}]


def test_the_tenant_is_told_once(broken: Api, tenant: UUID) -> None:
    with tenant_scope(tenant):
        told = list(Event.objects.for_tenant(tenant).values_list("kind", "data"))
    assert told == [("provider.circuit_opened", {"provider_key": "loopback_sms"})]


def test_what_one_tenant_saw_protects_the_others(broken: Api, server: ProviderServer) -> None:
    other = another_tenant()
    body = {"config": {"url": server.url}, "priority": 10}
    assert other.post("/marketplace/integrations/loopback_sms/install", body).status_code == 201
    assert other.post("/execute", sms(NUMBER)).json()["details"]["errors"][0]["reason"] == "circuit_open"
    assert len(server.received) == 5


@pytest.mark.usefixtures("hasty_probes")
def test_one_probe_that_succeeds_closes_it(live: Api, server: ProviderServer, tenant: UUID) -> None:
    server.status = 500
    fail(live, 5)
    server.status = 200
    time.sleep(0.11)
    assert [live.post("/execute", sms(NUMBER)).status_code for _ in range(2)] == [200, 200]
    with tenant_scope(tenant):
        assert Event.objects.for_tenant(tenant).filter(kind="provider.circuit_closed").count() == 1


def test_a_sandbox_run_neither_reads_nor_writes_a_circuit(api: Api) -> None:
    install = "/marketplace/integrations/sandbox_primary/install"
    assert api.post(install, {}).status_code == 201
    for _ in range(6):
        answer = api.post("/execute", sms("+15005550500", mode="sandbox"))
    assert answer.json()["details"]["reason"] == "outcome_unknown"


# --- The two places that keep a circuit follow the same rules ---


class InRedis:
    def __init__(self) -> None:
        self.keys = [f"hub:circuit:test-{uuid4()}", f"hub:circuit:test-{uuid4()}"]

    def record(self, *verdicts: str, alone: float = 0, count: int = 1) -> list[int]:
        for verdict in verdicts:
            found = valkey_client.run(RECORD, self.keys[:1], [verdict, round(alone * 1000), count])
        assert found is not None
        return [found[0][0], found[1][0]]

    def admit(self, *, take_probe: bool = True) -> list[int]:
        return list(valkey_client.run(ADMIT, self.keys[:1], ["1" if take_probe else "0"]) or [])

    def repeat(self) -> bool:
        return bool(valkey_client.run(REPEAT, self.keys[:1], []))


class InMemory(InRedis):
    def __init__(self) -> None:
        super().__init__()
        self.local = LocalCircuits()

    def record(self, *verdicts: str, alone: float = 0, count: int = 1) -> list[int]:
        for verdict in verdicts:
            changes, shut = self.local.record(self.keys[:1], [verdict], [alone], [count])
        return [changes[0], shut[0]]

    def admit(self, *, take_probe: bool = True) -> list[int]:
        return list(self.local.admit(self.keys[:1], take_probe=take_probe))

    def repeat(self) -> bool:
        return self.local.repeat(self.keys[0])


@pytest.fixture(params=[InRedis, InMemory])
def circuit(request: pytest.FixtureRequest) -> InRedis:
    kept: InRedis = request.param()
    return kept


def test_four_failures_are_not_enough(circuit: InRedis) -> None:
    assert circuit.record(*["failed"] * 4) == [0, 1]
    assert circuit.admit() == [0, 0]


def test_the_fifth_in_a_row_opens(circuit: InRedis) -> None:
    began = time.monotonic()
    assert circuit.record(*["failed"] * 5) == [1, 2]
    wait, is_left_alone = circuit.admit()
    assert 4_990 - 1000 * (time.monotonic() - began) < wait <= 5_000
    assert not is_left_alone


def test_half_of_ten_open_however_they_are_mixed(circuit: InRedis) -> None:
    assert circuit.record(*["ok", "failed"] * 4, "ok") == [0, 1]
    assert circuit.record("failed") == [1, 2]


def test_fewer_than_half_do_not(circuit: InRedis) -> None:
    assert circuit.record(*["ok", "ok", "failed"] * 10) == [0, 1]


def test_a_success_closes_and_forgets_the_failures_before_it(circuit: InRedis) -> None:
    circuit.record(*["failed"] * 5)
    assert circuit.record("ok") == [-1, 0]
    assert circuit.record(*["failed"] * 4) == [0, 1]


def test_a_provider_that_asks_for_it_is_left_alone(circuit: InRedis) -> None:
    began = time.monotonic()
    assert circuit.record("none", alone=2) == [0, 2]
    wait, is_left_alone = circuit.admit()
    assert 1_990 - 1000 * (time.monotonic() - began) < wait <= 2_000
    assert is_left_alone


def test_what_says_nothing_changes_nothing(circuit: InRedis) -> None:
    circuit.record(*["failed"] * 4)
    assert circuit.record("none")[0] == 0
    assert circuit.record("failed") == [1, 2]


def test_repeats_are_a_fifth_of_the_traffic_and_three_in_any_case(circuit: InRedis) -> None:
    assert [circuit.repeat() for _ in range(4)] == [True, True, True, False]
    circuit.record(*["ok"] * 18)
    assert [circuit.repeat() for _ in range(2)] == [True, False]


def test_of_an_open_circuit_one_call_each_five_seconds_is_a_probe() -> None:
    local = LocalCircuits()
    local.record(["a"], ["failed"], [0.0], [1], now=100.0)
    for _ in range(4):
        local.record(["a"], ["failed"], [0.0], [1], now=100.0)
    assert local.admit(["a"], take_probe=True, now=104.9) == (100, 0)
    assert local.admit(["a"], take_probe=True, now=105.1) == (-1, 0)
    assert local.admit(["a"], take_probe=True, now=105.2) == (4900, 0)
    assert local.admit(["a"], take_probe=True, now=110.2) == (-1, 0)


def test_what_failed_half_a_minute_ago_is_forgotten() -> None:
    local = LocalCircuits()
    for verdict in ["failed", "ok"] * 4:
        local.record(["a"], [verdict], [0.0], [1], now=100.0)
    for verdict in ["ok", "failed"]:
        changes, _ = local.record(["a"], [verdict], [0.0], [1], now=131.0)
    assert changes == [0]


@pytest.mark.parametrize(
    ("outcome", "verdicts"),
    [
        (Receipt("r"), ("ok", "ok")),
        (Stop(reason="opted_out"), ("ok", "ok")),
        (Retry(reason="upstream_503", upstream_status=503), ("failed", "failed")),
        (Retry(reason="upstream_429", upstream_status=429), ("failed", "alive")),
        (Ambiguous(reason="upstream_500", upstream_status=500), ("failed", "failed")),
        (Ambiguous(reason="read_timeout"), ("failed", "failed")),
        (Ambiguous(reason="adapter_error"), ("failed", "none")),
        (Next(reason="refused"), ("failed", "failed")),
        (Next(reason="upstream_401", upstream_status=401), ("alive", "alive")),
        (Next(reason="upstream_402", upstream_status=402), ("alive", "alive")),
        (Next(reason="credential_unusable"), ("none", "none")),
        (Next(reason="sender_missing"), ("none", "none")),
        (Next(reason="invalid_url"), ("none", "none")),
        (Next(reason="invalid_request"), ("none", "none")),
        (Next(reason="deadline_exceeded"), ("none", "none")),
        (Ambiguous(reason="partly_accepted", upstream_status=200), ("none", "none")),
        *((Next(reason=reason), ("failed", "failed")) for reason in ("dns", "tls", "connect_timeout", "not_connected")),
        *((Ambiguous(reason=reason), ("failed", "failed")) for reason in ("connection_lost", "answer_too_large")),
        (Ambiguous(reason="unreadable_answer", upstream_status=200), ("failed", "failed")),
    ],
)
def test_what_an_outcome_says_of_whom(outcome: Receipt | Stop, verdicts: tuple[str, str]) -> None:
    assert circuits.verdict_of(outcome, allowed_seconds=8.0) == verdicts


@pytest.mark.parametrize("reason", ["dns", "connect_timeout", "read_timeout"])
@pytest.mark.parametrize("failure", [Next, Ambiguous])
def test_a_caller_in_a_hurry_opens_no_circuit_for_the_others(
    failure: type[Next] | type[Ambiguous], reason: str
) -> None:
    assert circuits.verdict_of(failure(reason=reason), allowed_seconds=0.2) == ("none", "none")


def test_a_closed_door_is_closed_however_little_time_there_was() -> None:
    assert circuits.verdict_of(Next(reason="refused"), allowed_seconds=0.2) == ("failed", "failed")


# --- Several tenants in one process ---


GOOD, BAD = uuid4(), uuid4()
BROKE, DELIVERED = Ambiguous(reason="upstream_500", upstream_status=500), Receipt("r")


def note(tenant: UUID, outcome: Any) -> None:
    circuits.record(tenant, "shared_sms", outcome, allowed_seconds=8.0)


def test_one_tenants_failures_are_not_in_a_row_while_others_succeed() -> None:
    for _ in range(20):
        note(GOOD, DELIVERED)
    for _ in range(8):
        note(BAD, BROKE)
        note(GOOD, DELIVERED)
    assert circuits.look(BAD, "shared_sms"), "its own circuit is open"
    assert circuits.look(GOOD, "shared_sms") is None


def test_a_circuit_that_one_tenant_opens_is_open_at_once_for_the_others_of_this_process() -> None:
    note(GOOD, DELIVERED)
    assert circuits.admit(GOOD, "shared_sms") is None
    for _ in range(5):
        note(BAD, BROKE)
    refusal = circuits.admit(GOOD, "shared_sms")
    assert refusal
    assert refusal.reason == "circuit_open"


def test_a_late_throttle_does_not_hide_that_the_circuit_of_all_is_open() -> None:
    for _ in range(5):
        note(BAD, BROKE)
    circuits.admit(GOOD, "shared_sms")
    valkey_client.run(ADMIT, ["hub:circuit:shared_sms"], ["1"])
    note(GOOD, Ambiguous(reason="adapter_error"))
    assert circuits.admit(GOOD, "shared_sms")


@pytest.mark.parametrize(
    "answered", [Next(reason="upstream_401", upstream_status=401), Retry(reason="upstream_429", upstream_status=429)]
)
def test_an_answer_proves_a_provider_alive_whoever_it_refuses(answered: Next | Retry) -> None:
    for _ in range(5):
        note(BAD, BROKE)
    note(GOOD, answered)
    assert circuits.admit(uuid4(), "shared_sms") is None


@pytest.mark.usefixtures("hasty_probes")
def test_a_probe_that_was_not_made_is_given_back() -> None:
    for _ in range(5):
        note(BAD, BROKE)
    time.sleep(0.11)
    assert circuits.admit(GOOD, "shared_sms") is None
    assert circuits.admit(GOOD, "shared_sms")
    circuits.give_back(GOOD, "shared_sms")
    assert circuits.admit(GOOD, "shared_sms") is None


def test_while_redis_is_away_what_it_said_last_is_still_known(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        note(BAD, BROKE)
    monkeypatch.setattr(circuits.valkey_client, "run", lambda *_: None)
    assert circuits.admit(BAD, "shared_sms")
