"""What a tenant reads of its templates, over HTTP."""

from typing import Any
from uuid import UUID

import pytest

from integrationhub.core import catalogue
from templates import finding
from templates.errors import TemplateNotFound
from tests.core.envelopes import assert_envelope
from tests.make import Api, another_tenant
from tests.meta.graph_server import GraphServer
from tests.templates.making import stored
from tests.templates.reading import synced

LIST = "/whatsapp/templates"


def shown(api: Api, query: str = "") -> list[tuple[str, str]]:
    return [(row["name"], row["language"]) for row in api.get(f"{LIST}{query}").json()["data"]]


def test_a_template_tells_what_it_takes_and_how_it_looks(api: Api, meta: GraphServer) -> None:
    run = synced(api)
    [row] = api.get(LIST).json()["data"]
    assert (row["name"], row["language"], row["status"], row["sendable"]) == ("order_shipped", "en", "APPROVED", True)
    assert row["parameters"] == [
        {
            "field": "template_params.body",
            "kind": "text",
            "names": ["1", "2"],
            "named": False,
            "required": True,
            "index": None,
            "card": None,
        }
    ]
    assert row["preview"]["body"] == "Hello Ada, order A-1042 is on its way."
    assert api.get(LIST).json()["last_synced_at"] == run["finished_at"]


def test_before_the_first_sync_there_is_nothing(api: Api) -> None:
    assert api.get(LIST).json() == {"data": [], "has_more": False, "next_cursor": None, "last_synced_at": None}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("?status=paused", ["b"]),
        ("?category=MARKETING", ["c"]),
        ("?quality=red", ["b"]),
        ("?language=de", ["c"]),
        ("?name=a", ["a"]),
        ("?name=A", []),
        ("?sendable=true", ["a", "c"]),
        ("?sendable=false", ["b"]),
        ("?status=APPROVED&language=de", ["c"]),
    ],
)
def test_a_list_is_filtered(api: Api, tenant: UUID, query: str, names: list[str]) -> None:
    stored(tenant, "a")
    stored(tenant, "b", status="PAUSED", quality="RED")
    stored(tenant, "c", category="MARKETING", language="de")
    assert [name for name, _ in shown(api, query)] == names


def test_a_filter_that_says_nothing_is_refused(api: Api) -> None:
    assert_envelope(api.get(f"{LIST}?sendable=perhaps"), status=400, reason="invalid_fields")


def test_pages_follow_names_and_languages(api: Api, tenant: UUID) -> None:
    for name in ("b", "a"):
        for language in ("en", "de"):
            stored(tenant, name, language=language)
    first = api.get(f"{LIST}?limit=3").json()
    rest = api.get(f"{LIST}?limit=3&cursor={first['next_cursor']}").json()
    found = [(row["name"], row["language"]) for row in [*first["data"], *rest["data"]]]
    assert found == [("a", "de"), ("a", "en"), ("b", "de"), ("b", "en")]


def test_one_template_is_read_in_each_of_its_languages(api: Api, tenant: UUID) -> None:
    for language in ("pt_BR", "en"):
        stored(tenant, language=language)
    body = api.get(f"{LIST}/order_update").json()
    assert [row["language"] for row in body["languages"]] == ["en", "pt_BR"]
    [chosen] = api.get(f"{LIST}/order_update?language=pt-BR").json()["languages"]
    assert chosen["language"] == "pt_BR"


@pytest.mark.parametrize(
    ("path", "details"),
    [
        ("/Order_Update", {"reason": "unknown_name", "template": "Order_Update"}),
        ("/order_update?language=en", {"reason": "unknown_language", "template": "order_update"}),
    ],
)
def test_an_unknown_name_or_language_is_not_found(api: Api, tenant: UUID, path: str, details: dict[str, Any]) -> None:
    stored(tenant)
    body = assert_envelope(api.get(f"{LIST}{path}"), status=404)
    assert body["code"] == catalogue.TEMPLATE_NOT_FOUND.code
    assert details.items() <= body["details"].items()


def test_another_tenants_templates_are_not_there(api: Api, tenant: UUID) -> None:
    stored(another_tenant().tenant)
    assert shown(api) == []
    assert_envelope(api.get(f"{LIST}/order_update"), status=404)


def test_an_unknown_sync_is_not_found(api: Api) -> None:
    for run_id in ("no-id", "01977f1e-7c3a-7b52-9d40-5e0f3a6c2b11"):
        assert_envelope(api.get(f"{LIST}/sync/{run_id}"), status=404, reason="not_found")


@pytest.mark.parametrize("method", ["get", "post"])
def test_users_neither_read_nor_sync(api: Api, method: str) -> None:
    path = LIST if method == "get" else f"{LIST}/sync"
    body = assert_envelope(getattr(api.as_role("user"), method)(path), status=403)
    assert body["code"] == catalogue.RBAC_FORBIDDEN.code


@pytest.mark.parametrize("status", ["PAUSED", "REJECTED", "HIBERNATING", ""])
def test_only_what_is_approved_is_sent(tenant: UUID, status: str) -> None:
    stored(tenant, status=status)
    with pytest.raises(TemplateNotFound) as raised:
        finding.to_send(tenant_id=tenant, name="order_update", language="en_US")
    assert (raised.value.details["reason"], raised.value.details["template_status"]) == ("not_sendable", status)


def test_without_a_language_there_must_be_one_choice(tenant: UUID) -> None:
    stored(tenant)
    assert finding.to_send(tenant_id=tenant, name="order_update").language == "en_US"
    stored(tenant, language="de")
    with pytest.raises(TemplateNotFound) as raised:
        finding.to_send(tenant_id=tenant, name="order_update")
    assert raised.value.details == {
        "reason": "language_required",
        "template": "order_update",
        "languages": ["de", "en_US"],
    }
