"""`GET /providers/{key}/health`: what a tenant, and the platform, is told of a provider."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from integrationhub.core.ids import earliest_id, new_id
from integrationhub.execution import circuits, provider_health
from integrationhub.execution.models import Attempt, Execution
from providers.errors import Retry
from tests.make import Api, another_tenant

KEY = "twilio_sms"
NOW = timedelta()
NOTHING = {"attempts": 0, "succeeded": 0, "failed": 0, "refused": 0, "success_rate": None, "p95_latency_ms": None}


def attempted(tenant: UUID, ago: timedelta = NOW, **over: Any) -> None:
    """One attempt of one execution, so long ago."""
    at = datetime.now(UTC) - ago
    execution_id, attempt_id = (UUID(int=earliest_id(at).int | new_id().int % 2**62) for _ in range(2))
    common = {"category": "messaging", "intent": "message.send.sms", "mode": "live", "status": "succeeded"}
    Execution.objects.using("system").create(id=execution_id, tenant_id=tenant, created_at=at, **common)
    known = {"provider_key": KEY, "sequence": 1, "outcome": "succeeded", "latency_ms": 100, "started_at": at, **over}
    Attempt.objects.using("system").create(id=attempt_id, tenant_id=tenant, execution_id=execution_id, **known)


def failed(tenant: UUID, ago: timedelta = NOW, **over: Any) -> None:
    said = {"outcome": "failed", "outcome_class": "retry", "reason": "upstream_503", "upstream_status": 503}
    attempted(tenant, ago, code="ERR_INTEGRATION_HUB_SVC_EXECUTION_FAILED", **{**said, **over})


@pytest.fixture
def platform(api: Api, settings: Any) -> Api:
    settings.PLATFORM_TENANT_ID = str(api.tenant)
    return api


def health(api: Api, key: str = KEY) -> dict[str, Any]:
    answer = api.get(f"/providers/{key}/health")
    assert answer.status_code == 200, answer.content
    body: dict[str, Any] = answer.json()
    return body


def test_a_provider_that_was_not_used_has_no_rate_and_no_error(api: Api) -> None:
    closed = {"state": "closed", "reason": None, "retry_after_seconds": None}
    assert health(api.as_role("user")) == {
        "provider_key": KEY,
        "status": "active",
        "scope": "tenant",
        "last_hour": NOTHING,
        "last_day": NOTHING,
        "is_sampled": False,
        "circuit": {"tenant": closed, "all_tenants": closed},
        "last_error": None,
    }


def test_what_came_of_attempts_is_counted_within_the_hour_and_the_day(api: Api, tenant: UUID) -> None:
    for _ in range(3):
        attempted(tenant)
    failed(tenant)
    failed(tenant, timedelta(hours=2))
    failed(tenant, timedelta(hours=25))
    shown = health(api)
    assert (shown["last_hour"]["attempts"], shown["last_hour"]["success_rate"]) == (4, 0.75)
    assert (shown["last_day"]["attempts"], shown["last_day"]["failed"], shown["last_day"]["success_rate"]) == (
        5,
        2,
        0.6,
    )


def test_a_recipient_that_was_wrong_says_nothing_of_the_provider(api: Api, tenant: UUID) -> None:
    attempted(tenant)
    failed(tenant, outcome_class="stop", reason="twilio_21211", upstream_status=400)
    hour = health(api)["last_hour"]
    assert (hour["attempts"], hour["refused"], hour["failed"], hour["success_rate"]) == (2, 1, 0, 1.0)


def test_a_credential_that_does_not_open_says_nothing_of_the_provider(api: Api, tenant: UUID) -> None:
    attempted(tenant)
    failed(tenant, outcome_class="next", reason="credential_unusable", upstream_status=None, latency_ms=1500)
    shown = health(api)
    hour = shown["last_hour"]
    assert (hour["attempts"], hour["failed"], hour["success_rate"], hour["p95_latency_ms"]) == (2, 0, 1.0, 100)
    assert shown["last_error"] is None


def test_what_nobody_knows_counts_as_a_failure_and_what_is_under_way_as_neither(api: Api, tenant: UUID) -> None:
    attempted(tenant)
    attempted(tenant, outcome="unknown", outcome_class="ambiguous")
    attempted(tenant, outcome="started", latency_ms=None)
    hour = health(api)["last_hour"]
    assert (hour["attempts"], hour["succeeded"], hour["failed"], hour["success_rate"]) == (3, 1, 1, 0.5)


def test_of_a_hundred_calls_the_ninety_fifth_tells_the_latency(api: Api, tenant: UUID) -> None:
    for milliseconds in range(1, 101):
        attempted(tenant, latency_ms=milliseconds)
    assert health(api)["last_hour"]["p95_latency_ms"] == 95


def test_the_last_error_is_the_newest_one(api: Api, tenant: UUID) -> None:
    failed(tenant, timedelta(minutes=50), reason="dns", upstream_status=None)
    failed(tenant, timedelta(minutes=5))
    attempted(tenant)
    error = health(api)["last_error"]
    assert (error["code"], error["reason"], error["upstream_status"]) == (
        "ERR_INTEGRATION_HUB_SVC_EXECUTION_FAILED",
        "upstream_503",
        503,
    )
    age = datetime.now(UTC) - datetime.fromisoformat(error["at"])
    assert timedelta(minutes=4) < age < timedelta(minutes=6)


def test_a_tenant_sees_its_own_attempts_alone(api: Api) -> None:
    failed(another_tenant().tenant)
    with CaptureQueriesContext(connections["system"]) as passing_the_wall:
        shown = health(api)
    assert (shown["last_day"], shown["last_error"]) == (NOTHING, None)
    assert len(passing_the_wall) == 0


def test_the_wall_in_the_database_stands_where_the_query_names_another(api: Api, tenant: UUID) -> None:
    stranger = another_tenant().tenant
    failed(stranger)
    with provider_health.tenant_scope(tenant):
        seen = provider_health._counted("default", provider_health._OF_TENANT, [KEY], most=10, tenant_id=stranger)
    assert seen == {KEY: provider_health.Health()}


def test_another_provider_is_another_health(api: Api, tenant: UUID) -> None:
    attempted(tenant, provider_key="vonage_sms")
    assert health(api)["last_day"] == NOTHING
    assert health(api, "vonage_sms")["last_day"]["attempts"] == 1


def test_an_admin_of_the_platform_sees_all_tenants(platform: Api) -> None:
    attempted(another_tenant().tenant)
    failed(another_tenant().tenant)
    shown = health(platform)
    assert (shown["scope"], shown["last_hour"]["attempts"], shown["last_hour"]["success_rate"]) == (
        "all_tenants",
        2,
        0.5,
    )
    assert health(platform.as_role("organizer"))["scope"] == "tenant"


def test_more_than_is_looked_at_is_said_to_be_a_sample(
    platform: Api, tenant: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_health, "MOST_ATTEMPTS", 3)
    monkeypatch.setattr(provider_health, "MOST_EXECUTIONS", 3)
    failed(tenant, timedelta(minutes=3))
    for _ in range(3):
        attempted(tenant)
    for scope in (platform, platform.as_role("user")):
        shown = health(scope)
        assert (shown["is_sampled"], shown["last_hour"]["attempts"], shown["last_hour"]["failed"]) == (True, 3, 0)


def test_a_provider_that_is_not_among_what_was_looked_at_is_not_said_to_be_unused(
    platform: Api, tenant: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_health, "MOST_ATTEMPTS", 3)
    for _ in range(3):
        attempted(tenant)
    found = provider_health.of_all_tenants([KEY, "vonage_sms"])
    assert [found[key].is_sampled for key in (KEY, "vonage_sms")] == [True, True]
    assert found["vonage_sms"].last_hour.attempts == 0


def test_an_open_circuit_is_shown_and_its_probe_is_left_to_the_next_call(api: Api, tenant: UUID) -> None:
    for _ in range(5):
        circuits.record(tenant, KEY, Retry("busy", reason="upstream_429", upstream_status=429), allowed_seconds=8)
    own, shared = (health(api)["circuit"][name] for name in ("tenant", "all_tenants"))
    assert (own["state"], own["reason"], shared["state"]) == ("open", "circuit_open", "closed")
    assert 0 < own["retry_after_seconds"] <= 5
    circuits.give_back(tenant, KEY)
    assert [health(api)["circuit"]["tenant"]["state"] for _ in range(2)] == ["half_open"] * 2
    assert circuits.admit(tenant, KEY) is None


def test_a_provider_that_asked_for_a_pause_says_until_when(api: Api, tenant: UUID) -> None:
    circuits.record(tenant, KEY, Retry("later", reason="upstream_429", retry_after=120), allowed_seconds=8)
    own = health(api)["circuit"]["tenant"]
    assert (own["state"], own["reason"]) == ("open", "cooling_down")
    assert 115 <= own["retry_after_seconds"] <= 120


def test_circuits_are_shown_while_redis_is_away(api: Api, tenant: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuits.valkey_client, "run", lambda *_: None)
    for _ in range(5):
        circuits.record(tenant, KEY, Retry("busy", reason="upstream_429", upstream_status=429), allowed_seconds=8)
    assert health(api)["circuit"]["tenant"]["state"] == "open"


@pytest.mark.parametrize("key", ["nobody_sms", "Twilio_sms"])
def test_a_provider_that_is_none_is_not_found(api: Api, key: str) -> None:
    answer = api.get(f"/providers/{key}/health")
    assert (answer.status_code, answer.json()["code"]) == (404, "ERR_INTEGRATION_HUB_SVC_PROVIDER_NOT_FOUND")
