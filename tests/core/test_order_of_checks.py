"""One request breaks every rule; as each fault is mended, the next check answers."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from integrationhub.core import catalogue, valkey_client
from tests.core.envelopes import assert_envelope
from tests.environment import PLATFORM_TENANT
from tests.make import Api, token

BAD_BODY = b'{"a": 1, "a": 2}'


def send(
    api: Api, tenant: UUID, *, version: str = "v1", method: str = "POST", path: str = "/echo", **headers: str
) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    url = f"/integrationhub/{version}{path}"
    return api.client.generic(method, url, BAD_BODY, content_type="application/json", headers=named)


def test_checks_come_in_the_order_of_the_contract(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = api.tenant
    bad: dict[str, str] = {"Accept": "text/csv"}

    def expect(entry: catalogue.Entry, **sent: Any) -> None:
        assert assert_envelope(send(api, tenant, **sent))["code"] == entry.code

    expect(catalogue.UNSUPPORTED_API_VERSION, version="v9", **bad)
    expect(catalogue.API_VERSION_SUNSET, version="v0", **bad)
    expect(catalogue.INVALID_REQUEST, path="/nowhere", **bad)
    expect(catalogue.UNAUTHORIZED, **bad)
    bad["Authorization"] = f"Bearer {token(tenant, 'unheard_of')}"
    expect(catalogue.TENANT_REQUIRED, **bad)
    bad["x_tenant_id"] = str(uuid4())
    expect(catalogue.FORBIDDEN, **bad)
    bad["x_tenant_id"] = str(tenant)
    expect(catalogue.RBAC_FORBIDDEN, **bad)
    bad["Authorization"] = f"Bearer {token(tenant, 'admin')}"
    monkeypatch.setattr("tests.core.door.PER_MINUTE", 0)
    expect(catalogue.RATE_LIMIT_EXCEEDED, **bad)
    monkeypatch.setattr("tests.core.door.PER_MINUTE", 60)
    assert_envelope(send(api, tenant, method="PATCH", **bad), 405)
    assert_envelope(send(api, tenant, **bad), 406)
    bad["Accept"] = "*/*"
    assert_envelope(send(api, tenant, **bad), 400, "duplicate_key")
    assert not valkey_client.presence.is_away


TENANT_HEADERS = {
    "absent": None,
    "empty": "",
    "no UUID": "abc",
    "braces": "{%s}",
    "urn": "urn:uuid:%s",
    "no hyphens": "hex",
    "spaces inside": "% s",
    "twice, joined": "%s,%s",
    "twice, joined, other": "%s, 01900000-0000-7000-8000-000000000001",
    "NUL": "%s\0",
    "other digits": "\u0660" * 36,
}


@pytest.mark.parametrize("name", TENANT_HEADERS)
def test_tenant_header_is_one_canonical_uuid(api: Api, name: str) -> None:
    form, own = TENANT_HEADERS[name], str(api.tenant)
    headers = {"Authorization": f"Bearer {token(api.tenant)}"}
    if form is not None:
        headers["x-tenant-id"] = api.tenant.hex if form == "hex" else form.replace("%s", own)
    response = api.client.get("/integrationhub/v1/echo", headers=headers)
    assert assert_envelope(response, 401)["code"] == catalogue.TENANT_REQUIRED.code


def test_tenant_header_is_read_in_upper_case_too(api: Api) -> None:
    assert api.get("/echo", headers={"x-tenant-id": str(api.tenant).upper()}).status_code == 200


@pytest.mark.parametrize(
    ("roles", "get", "post", "delete"),
    [
        (["user"], 200, 403, 403),
        (["organizer"], 200, 201, 403),
        (["admin"], 200, 201, 204),
        (["user", "admin"], 200, 201, 204),
        (["root"], 403, 403, 403),
        (["Admin"], 403, 403, 403),
    ],
)
def test_role_includes_those_before_it(api: Api, roles: list[str], get: int, post: int, delete: int) -> None:
    caller = api.as_role(*roles)
    assert [caller.get("/echo").status_code, caller.post("/echo", {}).status_code] == [get, post]
    assert caller.delete("/echo").status_code == delete


def test_token_without_roles_is_forbidden_and_not_unauthorized(api: Api) -> None:
    headers = {"Authorization": f"Bearer {token(api.tenant, roles=[])}"}
    assert assert_envelope(api.get("/echo", headers=headers), 403)["code"] == catalogue.RBAC_FORBIDDEN.code


def test_what_all_tenants_share_is_changed_by_admins_of_the_platform_only(api: Api) -> None:
    platform = Api(UUID(PLATFORM_TENANT))
    assert platform.put("/echo", {}).status_code == 200
    assert_envelope(platform.as_role("organizer").put("/echo", {}), 403, "role_too_low")
    assert_envelope(api.put("/echo", {}), 403, "platform_only")


def test_head_is_answered_as_get_without_a_body(api: Api) -> None:
    response = api.request("HEAD", "/echo")
    assert (response.status_code, response.content) == (200, b"")
