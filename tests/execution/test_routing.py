"""Who is tried, who is not, and what the caller is told when nobody can be."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from credentials.models import Credential
from integrationhub.core.tenancy import tenant_scope
from providers.models import Provider
from tests.execution.conftest import ProviderServer, bind
from tests.make import Api, sms

NUMBER = "+14155552671"


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"].removeprefix("ERR_INTEGRATION_HUB_SVC_")


def test_without_a_credential_nothing_is_sent(needs_key: Api, server: ProviderServer) -> None:
    assert code(needs_key.post("/execute", sms(NUMBER))) == (404, "CREDENTIAL_NOT_FOUND")
    assert server.received == []


def test_the_bound_secret_reaches_the_provider_and_no_answer(needs_key: Api, server: ProviderServer) -> None:
    bind(needs_key)
    answer = needs_key.post("/execute", sms(NUMBER))
    assert answer.status_code == 200
    assert server.received[0]["secrets"] == {"api_key": "key-for-the-loopback"}
    assert b"key-for-the-loopback" not in answer.content


def test_an_expired_credential_is_told_as_such(needs_key: Api, tenant: UUID) -> None:
    bind(needs_key, expires_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    with tenant_scope(tenant):
        Credential.objects.update(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    assert code(needs_key.post("/execute", sms(NUMBER))) == (400, "CREDENTIAL_EXPIRED")


def test_a_provider_without_its_credential_is_skipped_while_another_can(needs_key: Api, live: Api) -> None:
    body = live.post("/execute", sms(NUMBER)).json()
    assert body["provider_key"] == "loopback_sms"
    assert body["skipped"] == [{"provider_key": "loopback_keyed_sms", "reason": "credential_missing"}]


def test_naming_a_provider_without_its_credential_is_an_error(needs_key: Api, live: Api) -> None:
    answer = live.post("/execute", sms(NUMBER, providers=["loopback_sms", "loopback_keyed_sms"]))
    assert code(answer) == (404, "CREDENTIAL_NOT_FOUND")


def test_a_named_provider_that_is_not_installed(live: Api) -> None:
    answer = live.post("/execute", sms(NUMBER, providers=["sandbox_primary"]))
    assert code(answer) == (503, "NO_PROVIDERS")
    assert answer.json()["details"]["reason"] == "not_installed"


def test_a_named_provider_that_is_only_planned_lists_who_has_an_adapter(live: Api) -> None:
    Provider.objects.create(provider_key="zeta_sms", display_name="Zeta", category="messaging", status="planned")
    answer = live.post("/execute", sms(NUMBER, providers=["zeta_sms"]))
    assert code(answer) == (404, "ADAPTER_NOT_FOUND")
    assert "loopback_sms" in answer.json()["details"]["availableAdapters"]


def test_a_disabled_provider_serves_nobody(live: Api, server: ProviderServer) -> None:
    Provider.objects.filter(provider_key="loopback_sms").update(status="disabled")
    answer = live.post("/execute", sms(NUMBER))
    assert code(answer) == (503, "NO_PROVIDERS")
    assert answer.json()["details"]["skipped"] == [{"providerKey": "loopback_sms", "reason": "provider_disabled"}]
    assert server.received == []


def test_a_sandbox_never_answers_for_a_live_provider(live: Api) -> None:
    live.post("/marketplace/integrations/sandbox_primary/install", {"config": {}, "priority": 1})
    body = live.post("/execute", sms(NUMBER)).json()
    assert (body["mode"], body["provider_key"]) == ("live", "loopback_sms")
    assert body["skipped"] == [{"provider_key": "sandbox_primary", "reason": "sandbox_provider"}]


def test_sandbox_mode_reaches_nothing_real(live: Api, server: ProviderServer) -> None:
    live.post("/marketplace/integrations/sandbox_primary/install", {"config": {}, "priority": 99})
    body = live.post("/execute", sms(NUMBER, mode="sandbox")).json()
    assert (body["mode"], body["provider_key"]) == ("sandbox", "sandbox_primary")
    assert server.received == []


def test_an_intent_that_needs_a_higher_role_says_so(live: Api) -> None:
    body = {"category": "storage", "intent": "storage.delete.object", "payload": {"key": "a"}}
    answer = live.as_role("user").post("/execute", body)
    assert (answer.status_code, answer.json()["code"]) == (403, "ERR_RBAC_FORBIDDEN")
    assert answer.json()["details"]["requiredRole"] == "organizer"
