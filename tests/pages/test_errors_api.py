"""`GET /errors`: the catalogue for programs, open to all."""

import pytest
from django.test import Client

from integrationhub.core.catalogue import ENTRIES
from tests.core.envelopes import assert_envelope

MEMBERS = ["code", "status", "name", "category", "message", "resolution", "retryable", "docs_url"]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_catalogue_comes_whole_and_needs_no_token(client: Client, version: str) -> None:
    answer = client.get(f"/integrationhub/{version}/errors")
    assert answer.status_code == 200
    assert list(answer.json()) == ["data"]
    rows = answer.json()["data"]
    assert [row["code"] for row in rows] == list(ENTRIES)
    assert all(list(row) == MEMBERS for row in rows)


def test_a_row_says_what_the_entry_says(client: Client) -> None:
    entry = ENTRIES["ERR_INTEGRATION_HUB_SVC_RATE_LIMIT_EXCEEDED"]
    assert client.get(f"/integrationhub/v1/errors/{entry.code}").json() == {
        "code": entry.code,
        "status": 429,
        "name": "RATE_LIMIT_EXCEEDED",
        "category": "Execution",
        "message": entry.message,
        "resolution": entry.resolution,
        "retryable": True,
        "docs_url": f"https://hub.example/docs/errors/{entry.code}",
    }


@pytest.mark.parametrize("code", ["RATE_LIMIT_EXCEEDED", "err_unexpected", "ERR_UNEXPECTED%20"])
def test_an_unknown_code_is_not_found(client: Client, code: str) -> None:
    answer = client.get(f"/integrationhub/v1/errors/{code}")
    assert_envelope(answer, status=404, reason="error_not_found")


def test_a_bad_token_does_not_matter_where_none_is_needed(client: Client) -> None:
    answer = client.get("/integrationhub/v1/errors", headers={"Authorization": "Bearer junk"})
    assert answer.status_code == 200


def test_an_open_path_counts_in_nobodys_rate_limit(client: Client) -> None:
    assert "RateLimit" not in client.get("/integrationhub/v1/errors")


def test_every_docs_url_answers(client: Client) -> None:
    for row in client.get("/integrationhub/v1/errors").json()["data"]:
        page = client.get(row["docs_url"].removeprefix("https://hub.example"))
        assert page.status_code == 200
        assert row["code"] in page.content.decode().replace("<wbr>", "")
