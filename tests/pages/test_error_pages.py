"""The error reference for people: an index to search, and a page for each code."""

import json
import re
from html import unescape

import pytest
from django.test import Client

from integrationhub.core.catalogue import CATEGORIES, ENTRIES, Entry
from integrationhub.pages.error_rows import page_of

CODE = "ERR_INTEGRATION_HUB_SVC_ALL_PROVIDERS_FAILED"
EVERY_ENTRY = pytest.mark.parametrize("entry", ENTRIES.values(), ids=list(ENTRIES))


def text_of(client: Client, path: str, status: int = 200, accept: str = "text/html") -> str:
    answer = client.get(path, headers={"Accept": accept})
    assert answer.status_code == status
    return unescape(answer.content.decode().replace("<wbr>", ""))


def codes_in(page: str) -> list[str]:
    return re.findall(r'href="/docs/errors/([A-Z_]+)"', page)


def test_the_index_lists_every_code_under_its_category(client: Client) -> None:
    page = text_of(client, "/docs/errors")
    assert codes_in(page) == list(ENTRIES)
    assert re.findall(r'<h2 id="[^"]+">([^<]+?) <', page) == list(CATEGORIES)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (CODE, [CODE]),
        ("invalid_phone", ["ERR_INTEGRATION_HUB_INVALID_PHONE"]),
        ("429", [code for code, entry in ENTRIES.items() if entry.status == 429]),
        ("131048", ["META_UNDELIVERABLE"]),
        ("totp code", ["ERR_TOTP_INVALID"]),
        ("  FALLBACK   chain ", [CODE]),
    ],
)
def test_the_search_finds_codes_names_statuses_and_words(client: Client, query: str, found: list[str]) -> None:
    assert codes_in(client.get("/docs/errors", {"q": query}).content.decode()) == found


def test_the_index_tells_programs_the_same(client: Client) -> None:
    rows = json.loads(text_of(client, "/docs/errors?q=429", accept="application/json"))["data"]
    assert [row["status"] for row in rows] == [429, 429, 429]


def test_a_search_without_a_match_says_so_and_offers_all(client: Client) -> None:
    page = text_of(client, "/docs/errors?q=zebra")
    assert "0 codes match “zebra”" in page
    assert 'href="/docs/errors">Show all' in page


def test_a_search_shows_what_was_typed_without_running_it(client: Client) -> None:
    page = client.get("/docs/errors", {"q": '"><script>alert(1)</script>'}).content.decode()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


@EVERY_ENTRY
def test_every_code_has_a_page_that_says_what_who_and_how(client: Client, entry: Entry) -> None:
    page = text_of(client, f"/docs/errors/{entry.code}")
    assert entry.code in page
    assert entry.message in page
    assert entry.resolution in page
    assert re.search(r"Who can fix it</dt><dd>(client developer|tenant admin|operator)", page)
    assert "Likely causes" in page


@EVERY_ENTRY
def test_every_code_tells_programs_the_same(client: Client, entry: Entry) -> None:
    row = json.loads(text_of(client, f"/docs/errors/{entry.code}", accept="application/json"))
    assert (row["code"], row["status"], row["name"]) == (entry.code, entry.status, entry.name)
    assert row["causes"]
    assert set(row["fixed_by"]) <= {"client_developer", "tenant_admin", "operator"}
    assert row["fixed_by"]
    assert list(row["example"])[:5] == ["statusCode", "code", "message", "path", "timestamp"]
    assert (row["example"]["code"], row["example"]["statusCode"]) == (entry.code, entry.status)


def test_a_suffix_chooses_json_or_markdown(client: Client) -> None:
    assert client.get(f"/docs/errors/{CODE}.json").json()["code"] == CODE
    markdown = client.get(f"/docs/errors/{CODE}.md")
    assert markdown["Content-Type"] == "text/markdown; charset=utf-8"
    assert markdown.content.decode().startswith(f"# {CODE}\n")


def test_a_page_gives_the_command_that_meets_the_error(client: Client) -> None:
    page = text_of(client, f"/docs/errors/{CODE}")
    assert "curl -sS -X POST https://hub.example/integrationhub/v1/execute" in page
    assert "+15005559503" in page


def test_an_unknown_code_is_a_page_for_people(client: Client) -> None:
    page = text_of(client, "/docs/errors/ERR_NOPE", status=404)
    assert "<h1>There is nothing here</h1>" in page
    assert "ERR_NOPE" in page


def test_an_unknown_code_is_the_envelope_for_programs(client: Client) -> None:
    body = json.loads(text_of(client, "/docs/errors/ERR_NOPE", status=404, accept="application/json"))
    assert (body["code"], body["details"]["reason"]) == (
        "ERR_INTEGRATION_HUB_SVC_INVALID_REQUEST",
        "error_not_found",
    )


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        (CODE, "↻ yes"),
        ("ERR_INTEGRATION_HUB_SVC_NO_PROVIDERS", "✕ no"),
        ("ERR_INTEGRATION_HUB_SVC_EXECUTION_FAILED", "only if retryable in the answer says so"),
        ("ERR_INTEGRATION_HUB_SVC_CREDENTIAL_BIND_FAILED", "only if retryable in the answer says so"),
        ("ERR_UNEXPECTED", "only if retryable in the answer says so"),
    ],
)
def test_a_page_says_whether_to_retry(client: Client, code: str, shown: str) -> None:
    fact = re.search(r"Retry unchanged\?</dt><dd>(.+?)\s*</dd>", text_of(client, f"/docs/errors/{code}"))
    assert re.sub("<[^>]+>", "", fact[1]) == shown  # type: ignore[index]


def test_no_example_promises_more_than_its_page() -> None:
    promising = [code for code, entry in ENTRIES.items() if page_of(entry).example["retryable"] != entry.retryable]
    assert promising == []


def test_a_page_explains_the_variables_of_its_own_commands(client: Client) -> None:
    explained = re.compile(r"<code>(\$[A-Z_]+)</code>")
    assert explained.findall(text_of(client, f"/docs/errors/{CODE}")) == ["$TOKEN", "$TENANT"]
    assert explained.findall(text_of(client, "/docs/errors/ERR_TENANT_REQUIRED")) == ["$TOKEN"]
    created = "/docs/errors/ERR_INTEGRATION_HUB_SVC_PROVIDER_CREATE_FAILED"
    assert explained.findall(text_of(client, created)) == ["$ADMIN_TOKEN", "$TENANT"]
