"""The main job: an intent, the tenant's providers in order, one answer."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution.models import Attempt, Execution
from marketplace import quotas
from tests.make import Api, another_tenant, sms


def test_the_first_provider_delivers(api: Api) -> None:
    answer = api.post("/execute", sms())
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert (body["status"], body["provider_key"], body["fallback_used"]) == ("succeeded", "sandbox_primary", False)
    assert body["mode"] == "sandbox"
    assert [a["outcome"] for a in body["attempts"]] == ["succeeded"]
    assert body["request_id"] == answer["x-request-id"]


def test_when_the_first_fails_the_second_delivers(api: Api) -> None:
    body = api.post("/execute", sms("+15005550503")).json()
    assert (body["provider_key"], body["fallback_used"]) == ("sandbox_secondary", True)
    first, second = body["attempts"]
    assert (first["provider_key"], first["outcome"], first["class"], first["upstream_status"]) == (
        "sandbox_primary",
        "failed",
        "retry",
        503,
    )
    assert (second["sequence"], second["outcome"]) == (2, "succeeded")


def test_the_stored_execution_is_the_answer(api: Api) -> None:
    body = api.post("/execute", sms("+15005550504")).json()
    stored = api.get(f"/executions/{body['execution_id']}").json()
    assert stored == {**body, "routing": stored["routing"]}


def test_a_provider_that_names_its_pause_is_not_waited_for_while_another_is_there(api: Api) -> None:
    body = api.post("/execute", sms("+15005550429")).json()
    assert [a["upstream_status"] for a in body["attempts"]] == [429, None]
    assert body["duration_ms"] < 1500


def test_all_providers_failing_names_each_attempt(api: Api) -> None:
    answer = api.post("/execute", sms("+15005559503"))
    body = answer.json()
    assert (answer.status_code, body["code"]) == (503, "ERR_INTEGRATION_HUB_SVC_ALL_PROVIDERS_FAILED")
    assert body["retryable"] is True
    assert int(answer["Retry-After"]) == body["retryAfter"] == body["details"]["retryAfter"]
    # The last provider of a chain that says "not now" is asked once more.
    assert [e["providerKey"] for e in body["details"]["errors"]] == [
        "sandbox_primary",
        "sandbox_secondary",
        "sandbox_secondary",
    ]
    assert {"code", "message", "reason", "upstreamStatus", "retryable", "latencyMs"} <= set(
        body["details"]["errors"][0]
    )


def test_a_provider_that_cannot_be_reached_is_not_asked_twice(api: Api) -> None:
    errors = api.post("/execute", sms("+15005559504")).json()["details"]["errors"]
    assert [e["providerKey"] for e in errors] == ["sandbox_primary", "sandbox_secondary"]


def test_an_unknown_outcome_stops_the_chain_of_an_intent_that_acts(api: Api) -> None:
    answer = api.post("/execute", sms("+15005550505"))
    body = answer.json()
    assert (answer.status_code, body["code"]) == (503, "ERR_INTEGRATION_HUB_SVC_EXECUTION_FAILED")
    assert (body["details"]["reason"], body["retryable"]) == ("outcome_unknown", False)
    assert "Retry-After" not in answer
    stored = api.get(f"/executions/{body['details']['executionId']}").json()
    assert (stored["status"], [a["outcome"] for a in stored["attempts"]]) == ("unknown", ["unknown"])


def test_the_caller_may_choose_to_go_on_after_an_unknown_outcome(api: Api) -> None:
    body = api.post("/execute", sms("+15005550505", on_ambiguous="next")).json()
    assert [(a["provider_key"], a["outcome"]) for a in body["attempts"]] == [
        ("sandbox_primary", "unknown"),
        ("sandbox_secondary", "succeeded"),
    ]


@pytest.mark.parametrize(
    ("recipient", "status", "code"),
    [
        ("+15005550001", 400, "ERR_INTEGRATION_HUB_INVALID_PHONE"),
        ("+15005550004", 400, "META_UNDELIVERABLE"),
        ("+15005551048", 400, "META_UNDELIVERABLE"),
        ("+15005550024", 400, "ERR_INTEGRATION_HUB_TEMPLATE_REQUIRED"),
        ("+15005550100", 400, "META_INVALID_PARAM"),
        ("+15005550190", 401, "META_UNAUTHORIZED"),
        ("+15005552000", 400, "META_TEMPLATE_PAUSED"),
        ("+15005553000", 404, "META_TEMPLATE_NOT_FOUND"),
        ("+15005554004", 429, "META_RATE_LIMIT"),
    ],
)
def test_a_refused_recipient_is_never_tried_at_another_carrier(
    api: Api, recipient: str, status: int, code: str
) -> None:
    answer = api.post("/execute", sms(recipient))
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code)
    stored = api.get(f"/executions/{body['details']['executionId']}").json()
    assert [(a["provider_key"], a["class"]) for a in stored["attempts"]] == [("sandbox_primary", "stop")]
    assert stored["error"]["code"] == code


def test_an_adapter_that_breaks_leaves_its_attempt_and_its_request_id(api: Api) -> None:
    answer = api.post("/execute", sms("+15005550500"))
    body = answer.json()
    assert (answer.status_code, body["code"]) == (503, "ERR_INTEGRATION_HUB_SVC_EXECUTION_FAILED")
    stored = api.get(f"/executions/{body['details']['executionId']}").json()
    assert stored["request_id"] == body["requestId"]
    assert stored["attempts"][0]["outcome"] == "unknown"


@pytest.mark.parametrize(
    ("recipient", "code"),
    [
        ("+15005550401", "ERR_INTEGRATION_HUB_SVC_CREDENTIAL_EXPIRED"),
        ("+15005550422", "ERR_INTEGRATION_HUB_SVC_QUOTA_EXCEEDED"),
        ("+15005550428", "ERR_INTEGRATION_HUB_SVC_RATE_LIMIT_EXCEEDED"),
    ],
)
def test_what_is_refused_beforehand_stores_nothing(api: Api, tenant: UUID, recipient: str, code: str) -> None:
    answer = api.post("/execute", sms(recipient))
    assert answer.json()["code"] == code
    assert ("Retry-After" in answer) == (answer.status_code == 429)
    with tenant_scope(tenant):
        assert not Execution.objects.exists()
        assert not Attempt.objects.exists()


def test_named_providers_are_tried_in_the_order_of_their_naming(api: Api) -> None:
    body = api.post("/execute", sms(providers=["sandbox_secondary", "sandbox_primary"])).json()
    assert (body["provider_key"], body["fallback_used"]) == ("sandbox_secondary", False)


def test_an_unknown_provider_is_named_in_the_refusal(api: Api) -> None:
    answer = api.post("/execute", sms(providers=["Sandbox_Primary"]))
    assert (answer.status_code, answer.json()["code"]) == (404, "ERR_INTEGRATION_HUB_SVC_PROVIDER_NOT_FOUND")
    assert answer.json()["details"]["providerKey"] == "Sandbox_Primary"


def test_live_over_a_chain_of_sandboxes_finds_no_provider(api: Api) -> None:
    answer = api.post("/execute", sms(mode="live"))
    assert (answer.status_code, answer.json()["code"]) == (503, "ERR_INTEGRATION_HUB_SVC_NO_PROVIDERS")


def test_sandbox_runs_cost_nothing(api: Api, tenant: UUID) -> None:
    answer = api.post("/execute", sms())
    assert answer["X-Quota-Remaining"] == "unlimited"
    assert quotas.usage(tenant).used == 0


def test_the_plan_names_chain_skips_and_quota_and_does_nothing(api: Api, tenant: UUID) -> None:
    installed = {row["provider_key"]: row["id"] for row in api.get("/integrations/installed").json()["data"]}
    api.patch(f"/integrations/{installed['sandbox_primary']}", {"enabled": False})
    body = api.post("/execute/plan", sms("+15005559503")).json()
    assert [step["provider_key"] for step in body["chain"]] == ["sandbox_secondary"]
    assert body["skipped"] == [{"provider_key": "sandbox_primary", "reason": "installation_disabled"}]
    assert body["quota"]["tier"] == "enterprise"
    with tenant_scope(tenant):
        assert not Execution.objects.exists()


def test_another_tenants_execution_answers_like_an_unknown_one(api: Api) -> None:
    known = api.post("/execute", sms()).json()["execution_id"]
    stranger = another_tenant()

    def told(execution_id: object) -> dict[str, Any]:
        body = stranger.get(f"/executions/{execution_id}").json()
        text = {key: str(value).replace(str(execution_id), "ID") for key, value in body.items()}
        return {key: value for key, value in text.items() if key not in ("requestId", "timestamp")}

    unknown = uuid4()
    assert told(known) == told(unknown)
    assert told(unknown)["statusCode"] == "404"


def test_the_list_is_filtered_and_paged(api: Api) -> None:
    for recipient in ("+15005550006", "+15005550503", "+15005550503"):
        api.post("/execute", sms(recipient))
    fell = api.get("/executions?fallback_used=true&limit=1").json()
    assert (len(fell["data"]), fell["has_more"]) == (1, True)
    rest = api.get(f"/executions?fallback_used=true&limit=1&cursor={fell['next_cursor']}").json()
    assert (len(rest["data"]), rest["has_more"]) == (1, False)
    assert rest["data"][0]["execution_id"] != fell["data"][0]["execution_id"]
    assert [a["outcome"] for a in rest["data"][0]["attempts"]] == ["failed", "succeeded"]


def test_a_route_changes_who_is_first_and_can_be_taken_back(api: Api) -> None:
    rule = {"providers": [{"provider_key": "sandbox_secondary"}]}
    assert api.put("/routing/message.send.sms", rule).status_code == 200
    assert api.post("/execute", sms()).json()["provider_key"] == "sandbox_secondary"
    api.put("/routing/message.send.sms", {"providers": []})
    assert api.post("/execute", sms()).json()["provider_key"] == "sandbox_primary"


def test_all_the_weight_on_one_provider_makes_it_first_always(api: Api) -> None:
    rows = [{"provider_key": "sandbox_primary", "weight": 0}, {"provider_key": "sandbox_secondary", "weight": 5}]
    api.put("/routing/message.send.sms", {"providers": rows})
    assert {api.post("/execute", sms()).json()["provider_key"] for _ in range(8)} == {"sandbox_secondary"}


def test_a_route_over_what_is_not_installed_is_refused_with_the_field(api: Api) -> None:
    answer = api.put("/routing/message.send.sms", {"providers": [{"provider_key": "twilio_sms"}]})
    assert answer.status_code == 400
    assert answer.json()["details"]["fields"][0]["field"] == "providers[0].provider_key"


def test_usage_counts_by_who_delivered(api: Api) -> None:
    api.post("/execute", sms("+15005550503"))
    body = api.get("/usage").json()
    assert {"tier", "quota", "used", "remaining", "resets_at", "rate_limit"} <= set(body)
    assert body["providers"] == [{"provider_key": "sandbox_secondary", "executions": 1, "fallbacks": 1, "failed": 0}]


def test_a_user_sees_only_what_it_ran_itself(api: Api) -> None:
    api.post("/execute", sms())
    from_user = api.as_role("user").get("/usage").json()
    assert (from_user["scope"], len(from_user["providers"])) == ("own", 1)


def test_a_route_names_all_its_faults_at_once(api: Api) -> None:
    rows = [{"provider_key": "twilio_sms"}, {"provider_key": "sandbox_primary", "weight": "80"}, {"weight": 1, "x": 1}]
    fields = api.put("/routing/message.send.sms", {"providers": rows, "zzz": 1}).json()["details"]["fields"]
    assert {field["field"]: field["reason"] for field in fields} == {
        "zzz": "unknown_member",
        "providers[0].provider_key": "not_installed",
        "providers[1].weight": "wrong_type",
        "providers[2].provider_key": "required",
        "providers[2].x": "unknown_member",
    }


def test_a_route_over_a_provider_that_does_not_serve_the_intent_is_refused(api: Api) -> None:
    answer = api.put("/routing/storage.put.object", {"providers": [{"provider_key": "sandbox_primary"}]})
    assert answer.json()["details"]["fields"][0]["reason"] == "intent_not_supported"


@pytest.mark.parametrize(
    ("prefer", "status"),
    [("respond-async", 202), ("wait=10, Respond-Async", 202), ("x-respond-async", 200), ("respond-async=false", 200)],
)
def test_only_the_preference_itself_makes_it_later(api: Api, prefer: str, status: int) -> None:
    answer = api.post("/execute", sms(), headers={"Prefer": prefer})
    assert answer.status_code == status
    assert answer.headers.get("Preference-Applied") == ("respond-async" if status == 202 else None)


def test_an_id_that_is_none_is_not_found_like_any_other(api: Api) -> None:
    answer = api.get("/executions/abc")
    assert (answer.status_code, answer.json()["details"]["reason"]) == (404, "execution_not_found")
