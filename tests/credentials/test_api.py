from typing import Any

import pytest
from django.db import connections

from providers.models import Provider
from tests.credentials.adapters import REFUSED, UNREACHABLE
from tests.make import Api, another_tenant

BIND_FAILED = "ERR_INTEGRATION_HUB_SVC_CREDENTIAL_BIND_FAILED"
NOT_FOUND = "ERR_INTEGRATION_HUB_SVC_CREDENTIAL_NOT_FOUND"
NOBODYS = "01975b9e-3c4d-7aaa-8bbb-0123456789ab"
TOKEN = "a-long-auth-token-1234"
GOOD = {"provider_key": "parcel_sms", "credentials": {"account": "AC1", "auth_token": TOKEN}}
SHOWN = {
    "failing_since",
    "id",
    "provider_key",
    "last4",
    "fingerprint",
    "version",
    "verified",
    "expires_at",
    "status",
    "created_at",
}


def bind(api: Api, **over: Any) -> Any:
    return api.post("/credentials/bind", {**GOOD, **over})


def fields(answer: Any) -> list[str]:
    return [fault["field"] for fault in answer.json()["details"]["fields"]]


def stored() -> int:
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM credentials_credential")
        return cursor.fetchone()[0]


def test_binding_answers_with_a_masked_view(api: Api) -> None:
    answer = bind(api)
    assert answer.status_code == 201
    body = answer.json()
    assert set(body) == SHOWN
    assert (body["provider_key"], body["version"], body["last4"]) == ("parcel_sms", 1, "1234")
    assert (body["verified"], body["status"], body["expires_at"], body["failing_since"]) == (True, "active", None, None)


def test_no_answer_holds_the_secret(api: Api) -> None:
    bound = bind(api)
    answers = [bound, api.get("/credentials"), api.get(f"/credentials/{bound.json()['id']}")]
    assert all(TOKEN not in answer.content.decode() and TOKEN[:8] not in answer.content.decode() for answer in answers)


def test_a_provider_that_cannot_be_asked_is_not_supported(api: Api) -> None:
    answer = bind(api, provider_key="quiet_sms", credentials={"api_key": "k"})
    assert answer.json()["verified"] == "not_supported"


def test_without_verification_the_answer_is_false(api: Api) -> None:
    assert bind(api, verify=False).json()["verified"] is False


@pytest.mark.parametrize("name", ["provider_id", "providerId"])
def test_a_provider_may_be_named_by_its_id(api: Api, name: str) -> None:
    row = Provider.objects.get(provider_key="parcel_sms")
    answer = api.post("/credentials/bind", {name: str(row.id), "credentials": GOOD["credentials"]})
    assert answer.json()["provider_key"] == "parcel_sms"


def test_every_fault_is_named_and_nothing_is_stored(api: Api) -> None:
    answer = bind(api, credentials={"auth_token": "x", "colour": "red"}, expires_at="2001-01-01T00:00:00Z", verify=1)
    assert (answer.status_code, answer.json()["code"]) == (400, BIND_FAILED)
    assert set(fields(answer)) == {
        "credentials.account",
        "credentials.auth_token",
        "credentials.colour",
        "expires_at",
        "verify",
    }
    assert stored() == 0


def test_a_fault_never_repeats_the_value(api: Api) -> None:
    secret = "secret-value-" * 20
    answer = bind(api, credentials={"account": secret, "auth_token": secret})
    assert fields(answer) == ["credentials.account", "credentials.auth_token"]
    assert "secret-value" not in answer.content.decode()


@pytest.mark.parametrize(
    ("over", "field"),
    [
        ({"credentials": "AC1"}, "credentials"),
        ({"credentials": None}, "credentials"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"expires_at": "2099-01-01T00:00:00"}, "expires_at"),
        ({"expires_at": "2099-13-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": 4_000_000_000}, "expires_at"),
        ({"provider_key": 7}, "provider_key"),
        ({"provider_key": ""}, "provider_key"),
        ({"provider_id": "parcel_sms"}, "provider_key"),
        ({"secret": "x"}, "secret"),
    ],
)
def test_a_faulty_member_is_named(api: Api, over: dict[str, Any], field: str) -> None:
    answer = bind(api, **over)
    assert answer.json()["code"] == BIND_FAILED
    assert field in fields(answer)


def test_an_empty_body_names_what_is_missing(api: Api) -> None:
    assert set(fields(api.post("/credentials/bind", {}))) == {"provider_key", "credentials"}


@pytest.mark.parametrize("name", ["nobody_sms", "Parcel_SMS", NOBODYS, "a b"])
def test_an_unknown_provider_is_named_with_every_other_fault(api: Api, name: str) -> None:
    answer = api.post("/credentials/bind", {"provider_key": name, "credentials": {}, "verify": 7})
    assert answer.json()["code"] == "ERR_INTEGRATION_HUB_SVC_CREDENTIAL_BIND_FAILED"
    assert set(fields(answer)) == {"provider_key", "verify"}


def test_a_planned_provider_has_no_adapter(api: Api) -> None:
    Provider.objects.create(provider_key="paper_mail", display_name="Paper", category="messaging", status="planned")
    answer = bind(api, provider_key="paper_mail")
    assert answer.json()["code"] == "ERR_INTEGRATION_HUB_SVC_CREDENTIAL_BIND_FAILED"
    assert [fault["reason"] for fault in answer.json()["details"]["fields"]] == ["no_adapter"]


def test_a_provider_without_a_secret_says_that_it_needs_none(api: Api) -> None:
    answer = bind(api, provider_key="sandbox_primary", credentials={})
    assert (answer.json()["code"], answer.json()["details"]["reason"]) == (BIND_FAILED, "no_credential_needed")


@pytest.mark.parametrize(("auth_token", "is_retryable"), [(REFUSED, False), (UNREACHABLE, True)])
def test_a_secret_the_provider_does_not_confirm_is_not_stored(api: Api, auth_token: str, is_retryable: bool) -> None:
    answer = bind(api, credentials={"account": "AC1", "auth_token": auth_token})
    assert (answer.json()["code"], answer.json()["retryable"]) == (BIND_FAILED, is_retryable)
    assert auth_token not in answer.content.decode()
    assert stored() == 0


def test_the_same_idempotency_key_binds_once(api: Api) -> None:
    first, second = (api.post("/credentials/bind", GOOD, headers={"Idempotency-Key": "once"}) for _ in range(2))
    assert first.content == second.content
    assert stored() == 1


def test_the_list_pages_and_filters(api: Api) -> None:
    bind(api)
    newest = bind(api).json()
    bind(api, provider_key="quiet_sms", credentials={"api_key": "k"})
    page = api.get("/credentials?provider_key=parcel_sms&limit=1").json()
    assert [row["id"] for row in page["data"]] == [newest["id"]]
    rest = api.get(f"/credentials?provider_key=parcel_sms&limit=1&cursor={page['next_cursor']}").json()
    assert [(row["version"], row["status"]) for row in rest["data"]] == [(1, "superseded")]
    assert rest["has_more"] is False


def test_a_revoked_credential_is_gone(api: Api) -> None:
    path = f"/credentials/{bind(api).json()['id']}"
    deleted = api.delete(path)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert api.get(path).json()["code"] == NOT_FOUND
    assert api.delete(path).json()["code"] == NOT_FOUND
    assert api.get("/credentials").json()["data"] == []


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_another_tenants_credential_is_like_an_unknown_one(api: Api, method: str) -> None:
    theirs, unknown = bind(another_tenant()).json()["id"], NOBODYS
    foreign, missing = (api.request(method, f"/credentials/{each}") for each in (theirs, unknown))
    assert foreign.status_code == missing.status_code == 404
    assert _without_what_varies(foreign, theirs) == _without_what_varies(missing, unknown)


def _without_what_varies(answer: Any, asked_for: str) -> str:
    body = {name: value for name, value in answer.json().items() if name not in ("requestId", "timestamp")}
    return repr(body).replace(asked_for, "ID")


def test_what_is_no_id_is_not_found_either(api: Api) -> None:
    assert api.get("/credentials/not-an-id").json()["code"] == NOT_FOUND


def test_another_tenants_credentials_are_not_listed(api: Api) -> None:
    bind(another_tenant())
    assert api.get("/credentials").json()["data"] == []


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("POST", "/credentials/bind", "user"),
        ("GET", "/credentials", "user"),
        ("GET", f"/credentials/{NOBODYS}", "user"),
        ("DELETE", f"/credentials/{NOBODYS}", "organizer"),
    ],
)
def test_a_lower_role_may_not(api: Api, method: str, path: str, role: str) -> None:
    answer = api.as_role(role).request(method, path, GOOD if method == "POST" else None)
    assert (answer.status_code, answer.json()["code"]) == (403, "ERR_RBAC_FORBIDDEN")


def test_an_organizer_binds_and_reads(api: Api) -> None:
    organizer = api.as_role("organizer")
    assert organizer.get(f"/credentials/{bind(organizer).json()['id']}").status_code == 200


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
def test_a_time_beyond_the_calendar_is_refused_and_nothing_is_stored(api: Api, moment: str) -> None:
    answer = bind(api, expires_at=moment)
    assert (answer.status_code, list(fields(answer))) == (400, ["expires_at"])
    assert api.get("/credentials").json()["data"] == []
