"""One envelope for every failure, with what helps the caller and nothing that helps a thief."""

import logging
from typing import Any

import pytest

from integrationhub.core import catalogue
from tests.core.envelopes import FIRST, assert_envelope
from tests.make import Api


def test_members_stand_in_one_order(api: Api) -> None:
    body = assert_envelope(api.get("/faulty/keys"), 400)
    assert list(body) == [*FIRST, "requestId", "resolution", "docsUrl", "retryable", "details"]


@pytest.mark.parametrize("code", catalogue.ENTRIES)
def test_every_entry_of_the_catalogue_leaves_with_its_status_and_words(api: Api, code: str) -> None:
    entry, response = catalogue.ENTRIES[code], api.get(f"/faulty/{code}")
    body = assert_envelope(response, entry.status)
    assert (body["code"], body["message"], body["retryable"]) == (code, entry.message, entry.retryable)
    assert body["resolution"] == entry.resolution
    waits = entry.status == 429 or (entry.status == 503 and entry.retryable)
    assert ("Retry-After" in response.headers, "retryAfter" in body) == (waits, waits)
    assert ("WWW-Authenticate" in response.headers) is (entry.status == 401)


def test_keys_of_details_are_camel_case_but_for_data_of_users(api: Api) -> None:
    assert api.get("/faulty/keys").json()["details"] == {
        "reason": "x",
        "providerKey": "a",
        "nested": [{"upstreamStatus": 503}],
        "given": {"their_key": 1},
    }


def test_validation_names_every_field_at_once(api: Api) -> None:
    body = {"name": "long name", "address": {"a": "x"}, "lines": [{"sku": "s", "count": 1}, {"count": 0}]}
    answer = assert_envelope(api.post("/faulty/order", body), 400, "invalid_fields")
    found = {row["field"]: row["reason"] for row in answer["details"]["fields"]}
    assert found == {
        "name": "too_long",
        "address.a": "wrong_type",
        "lines[1].sku": "required",
        "lines[1].count": "too_small",
    }
    assert all(row["expected"] for row in answer["details"]["fields"])


def test_list_where_one_is_missing_is_named_as_the_field(api: Api) -> None:
    answer = assert_envelope(api.post("/faulty/order", {"name": "a", "address": {}, "lines": 7}), 400, "invalid_fields")
    assert [row["field"] for row in answer["details"]["fields"]] == ["lines"]


@pytest.mark.parametrize("path", ["/faulty/bug", "/bug"])
def test_bug_is_logged_once_and_tells_the_caller_nothing(api: Api, path: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        response = api.get(path)
    body = assert_envelope(response, 500)
    assert body["code"] == catalogue.UNEXPECTED.code
    assert b"canary-secret-7781" not in response.content
    assert [record.getMessage() for record in caplog.records].count("unexpected_error") == 1


def test_database_that_is_away_is_worth_a_retry(api: Api) -> None:
    response = api.get("/faulty/database")
    body = assert_envelope(response, 500, "database_unavailable")
    assert (body["code"], body["retryable"]) == (catalogue.UNEXPECTED.code, True)
    assert response.headers["Retry-After"] == str(body["retryAfter"]) == "2"
    assert b"canary" not in response.content


def test_view_may_call_a_fault_by_a_name_of_its_own(api: Api) -> None:
    body = assert_envelope(api.post("/executing", {}), 503, "database_unavailable")
    assert body["code"] == catalogue.EXECUTION_FAILED.code


def test_wait_is_whole_seconds_at_least_one_in_header_body_and_details(api: Api) -> None:
    response = api.get("/faulty/conflict")
    body = assert_envelope(response, 409, "in_progress")
    assert (response.headers["Retry-After"], body["retryAfter"], body["details"]["retryAfter"]) == ("1", 1, 1)


def test_path_in_the_body_has_no_query_and_no_control_characters(api: Api) -> None:
    body = assert_envelope(api.get("/no%0d%0awhere%1b%E2%80%AE?token=abc"), 404)
    assert body["path"] == "/integrationhub/v1/no%0D%0Awhere%1B%E2%80%AE"


@pytest.mark.parametrize("given", ["abcdefgh", "A.b_c-1234567890", "x" * 128])
def test_request_id_of_the_caller_is_kept(api: Api, given: str) -> None:
    response = api.get("/nowhere", headers={"x-request-id": given})
    assert response.headers["x-request-id"] == response.json()["requestId"] == given


@pytest.mark.parametrize(
    "given", ["short", "x" * 129, "a b c d e f", "abcdefgh\r\nX-Evil: 1", "<script>alert(1)", "ééééééééé"]
)
def test_request_id_that_is_none_is_replaced(api: Api, given: str) -> None:
    response = api.get("/echo", headers={"x-request-id": given})
    assert response.headers["x-request-id"] not in ("", given)
    assert len(response.headers["x-request-id"]) == 36


@pytest.mark.parametrize("path", ["/echo", "/nowhere", "/faulty/bug"])
def test_answers_of_the_api_carry_the_security_headers(api: Api, path: str) -> None:
    headers = api.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Frame-Options"] == "DENY"
    assert "Access-Control-Allow-Origin" not in headers


class TestProblemJson:
    accept = {"Accept": "application/problem+json"}

    def test_v2_adds_the_five_members_after_ours(self, api: Api) -> None:
        response = api.get("/faulty/keys", version="v2", headers=self.accept)
        body = assert_envelope(response, 400)
        assert response.headers["Content-Type"] == "application/problem+json"
        assert list(body)[-5:] == ["type", "title", "status", "detail", "instance"]
        assert (body["type"], body["status"], body["instance"]) == (body["docsUrl"], 400, body["path"])

    def test_v2_without_that_media_type_answers_as_v1(self, api: Api) -> None:
        response = api.get("/faulty/keys", version="v2")
        assert response.headers["Content-Type"] == "application/json"
        assert "title" not in response.json()

    def test_success_stays_plain_json(self, api: Api) -> None:
        response = api.get("/echo", version="v2", headers=self.accept)
        assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")

    @pytest.mark.parametrize("path", ["/nowhere", "/echo%00"])
    def test_paths_that_reach_no_view_answer_so_too(self, api: Api, path: str) -> None:
        response = api.get(path, version="v2", headers=self.accept)
        assert response.headers["Content-Type"] == "application/problem+json"

    def test_v1_refuses_that_media_type_alone(self, api: Api) -> None:
        assert_envelope(api.get("/echo", headers=self.accept), 406, "not_acceptable")

    @pytest.mark.parametrize(
        "accept", ["*/*", "application/*", "application/problem+json, */*;q=0.1", "text/html, */*"]
    )
    def test_v1_takes_it_beside_json(self, api: Api, accept: str) -> None:
        assert api.get("/echo", headers={"Accept": accept}).status_code == 200


def test_unknown_version_names_the_ones_there_are(api: Api) -> None:
    body = assert_envelope(api.get("/echo", version="v7"), 400)
    assert body["code"] == catalogue.UNSUPPORTED_API_VERSION.code
    assert body["supportedVersions"] == body["details"]["supportedVersions"] == ["v1", "v2"]


def test_sunset_version_says_when_and_where_to_go(api: Api) -> None:
    response = api.get("/echo", version="v0")
    body = assert_envelope(response, 400)
    assert body["code"] == catalogue.API_VERSION_SUNSET.code
    assert body["supportedVersions"] == ["v1", "v2"]
    assert body["migrationGuide"] == body["details"]["migrationGuide"] == "https://hub.example/docs/versions"
    assert response.headers["Deprecation"] == "@1767225600"
    assert response.headers["Sunset"] == "Wed, 01 Jul 2026 00:00:00 GMT"
    assert '<https://hub.example/docs/versions>; rel="sunset"' in response.headers["Link"]


def test_deprecated_version_works_and_says_so(api: Api, settings: Any) -> None:
    old = {"status": "deprecated", "deprecated_at": "2026-01-01", "sunset_at": "2027-01-01"}
    settings.API_VERSIONS = {**settings.API_VERSIONS, "v1": old}
    response = api.get("/echo")
    assert (response.status_code, response.headers["Deprecation"]) == (200, "@1767225600")
    assert "Sunset" in response.headers


@pytest.mark.parametrize(
    "path", ["/integrationhub", "/integrationhub/", "/integrationhub/v1", "/integrationhub//v1/echo"]
)
def test_address_without_a_version_or_path_is_404(api: Api, path: str) -> None:
    assert_envelope(api.client.get(path), 404, "unknown_path")


def test_validation_says_what_it_expects_in_the_words_of_json_schema(api: Api) -> None:
    body = {"name": "long name", "address": 1, "lines": [{"sku": None, "count": "x"}, {"sku": "", "count": 0}]}
    answer = assert_envelope(api.post("/faulty/order", body), 400, "invalid_fields")
    assert {row["field"]: (row["reason"], row["expected"]) for row in answer["details"]["fields"]} == {
        "name": ("too_long", "at most 3 characters"),
        "address": ("wrong_type", "object"),
        "lines[0].sku": ("wrong_type", "string"),
        "lines[0].count": ("wrong_type", "integer"),
        "lines[1].sku": ("too_short", "at least 1 characters"),
        "lines[1].count": ("too_small", "1 or more"),
    }
