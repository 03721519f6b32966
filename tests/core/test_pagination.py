"""Pages by keyset: every row once, whatever is added meanwhile; a cursor serves its own tenant and list only."""

from typing import Any
from uuid import uuid4

import pytest

from providers.models import Provider
from tests.core.envelopes import assert_envelope
from tests.make import Api


@pytest.fixture
def rows() -> list[str]:
    keys = [f"row_{number}" for number in range(7)]
    for number, key in enumerate(keys):
        Provider.objects.create(
            provider_key=key, display_name=key, category="messaging", status="planned", position=number // 3
        )
    return keys


def pages(api: Api, query: str) -> list[list[str]]:
    found, cursor = [], ""
    while True:
        page = api.get(f"/rows?{query}{cursor}").json()
        assert list(page) == ["data", "has_more", "next_cursor"]
        found.append(page["data"])
        assert page["has_more"] is (page["next_cursor"] is not None)
        if not page["has_more"]:
            return found
        cursor = f"&cursor={page['next_cursor']}"


def test_every_row_is_shown_once_newest_first(api: Api, rows: list[str]) -> None:
    assert pages(api, "limit=3") == [rows[6:3:-1], rows[3:0:-1], rows[:1]]


def test_last_full_page_has_no_next_one(api: Api, rows: list[str]) -> None:
    assert pages(api, "limit=7") == [rows[::-1]]


def test_order_by_several_fields_in_both_directions(api: Api, rows: list[str]) -> None:
    flat = [key for page in pages(api, "limit=2&by=position,-provider_key") for key in page]
    assert flat == [rows[n] for n in (2, 1, 0, 5, 4, 3, 6)]


def test_row_added_meanwhile_shifts_no_page(api: Api, rows: list[str]) -> None:
    first = api.get("/rows?limit=3").json()
    Provider.objects.create(provider_key="row_newer", display_name="n", category="messaging", status="planned")
    second = api.get(f"/rows?limit=3&cursor={first['next_cursor']}").json()
    assert second["data"] == rows[3:0:-1]


def test_empty_list_is_a_page(api: Api) -> None:
    assert api.get("/rows").json() == {"data": [], "has_more": False, "next_cursor": None}


@pytest.fixture
def cursor(api: Api, rows: list[str]) -> str:
    return api.get("/rows?limit=1").json()["next_cursor"]


def test_cursor_of_another_tenant_is_refused(cursor: str) -> None:
    assert_envelope(Api(uuid4()).get(f"/rows?cursor={cursor}"), 400, "invalid_fields")


@pytest.mark.parametrize("change", [lambda c: c[:-1], lambda c: "x" + c, lambda c: c + "0", lambda c: c * 2])
def test_cursor_that_was_changed_is_refused(api: Api, cursor: str, change: Any) -> None:
    body = assert_envelope(api.get(f"/rows?cursor={change(cursor)}"), 400, "invalid_fields")
    assert body["details"]["fields"][0]["field"] == "cursor"


def test_cursor_of_another_order_is_refused(api: Api, cursor: str) -> None:
    assert_envelope(api.get(f"/rows?by=position,id&cursor={cursor}"), 400, "invalid_fields")
    assert_envelope(api.get(f"/rows?by=position&cursor={cursor}"), 400, "invalid_fields")


def test_limit_of_one_hundred_is_the_most(api: Api) -> None:
    assert api.get("/rows?limit=100").status_code == 200
    body = assert_envelope(api.get("/rows?limit=101"), 400, "invalid_fields")
    expected = "a whole number from 1 to 100"
    assert body["details"]["fields"] == [{"field": "limit", "reason": "out_of_range", "expected": expected}]
