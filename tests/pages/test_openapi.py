"""The OpenAPI document: valid, under real paths, and with the codes of every operation."""

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from openapi_spec_validator import OpenAPIV31SpecValidator

from integrationhub.core.catalogue import ENTRIES, INVALID_REQUEST
from integrationhub.execution.routing import WHY_SKIPPED
from tests.core.envelopes import assert_envelope

# One worker process makes the documents, and keeps them.
pytestmark = pytest.mark.xdist_group("openapi")

VERSIONS = ["v1", "v2"]
VERSION_CODES = ("UNSUPPORTED_API_VERSION", "API_VERSION_SUNSET")
UNAUTHORIZED = "ERR_INTEGRATION_HUB_SVC_UNAUTHORIZED"


@cache
def document(version: str) -> dict[str, Any]:
    return Client().get("/openapi.json", {"version": version}).json()


def operations(version: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document(version)["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def examples(operation: dict[str, Any], media_type: str = "application/json") -> Iterator[tuple[int, str, dict]]:
    for status, answer in operation["responses"].items():
        for code, example in answer.get("content", {}).get(media_type, {}).get("examples", {}).items():
            yield int(status), code, example["value"]


def codes(operation: dict[str, Any]) -> set[str]:
    return {code for _, code, _ in examples(operation)}


def operation(method: str, path: str, version: str = "v1") -> dict[str, Any]:
    return document(version)["paths"][f"/integrationhub/{version}{path}"][method]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_document_is_valid_openapi_3_1(version: str) -> None:
    assert document(version)["openapi"] == "3.1.1"
    OpenAPIV31SpecValidator(document(version)).validate()


@pytest.mark.parametrize("version", VERSIONS)
def test_it_is_made_without_a_warning(version: str, tmp_path: Any) -> None:
    call_command("spectacular", "--fail-on-warn", "--validate", "--api-version", version, "--file", tmp_path / "o.yaml")


def test_it_needs_no_token_and_is_v1_unless_told_otherwise(client: Client) -> None:
    assert client.get("/openapi.json").json() == document("v1")


@pytest.mark.parametrize(
    ("version", "code"),
    [("v9", "ERR_INTEGRATION_HUB_SVC_UNSUPPORTED_API_VERSION"), ("v0", "ERR_INTEGRATION_HUB_SVC_API_VERSION_SUNSET")],
)
def test_a_version_that_does_not_answer_has_no_document(client: Client, version: str, code: str) -> None:
    assert assert_envelope(client.get("/openapi.json", {"version": version}), status=400)["code"] == code


@pytest.mark.parametrize("version", VERSIONS)
def test_paths_show_the_version_and_nothing_beside_the_api(version: str) -> None:
    assert [path for path in document(version)["paths"] if not path.startswith(f"/integrationhub/{version}/")] == []
    named = [parameter["name"] for _, _, op in operations(version) for parameter in op.get("parameters", [])]
    assert "version" not in named


@pytest.mark.parametrize("version", VERSIONS)
def test_every_operation_lists_its_codes_with_one_example_each(version: str) -> None:
    for method, path, op in operations(version):
        assert codes(op), f"{method} {path} lists no code"
        assert "ERR_UNEXPECTED" in codes(op), f"{method} {path}"


@pytest.mark.parametrize("version", VERSIONS)
def test_every_example_agrees_with_the_catalogue(version: str) -> None:
    for _, path, op in operations(version):
        for status, code, body in examples(op):
            entry = ENTRIES[code]
            assert (body["code"], body["statusCode"]) == (code, status)
            assert status == entry.status or entry is INVALID_REQUEST
            assert body["resolution"] == entry.resolution
            assert list(body)[:5] == ["statusCode", "code", "message", "path", "timestamp"]
            assert "{" not in body["path"]
            assert body["path"].split("/")[3] == path.split("/")[3]


def test_only_v2_describes_problems() -> None:
    assert list(examples(operation("get", "/providers"), "application/problem+json")) == []
    for _, _, op in operations("v2"):
        for status, code, body in examples(op, "application/problem+json"):
            assert (body["status"], body["type"], body["instance"]) == (status, body["docsUrl"], body["path"])
            assert body["title"] == ENTRIES[code].message
    assert list(examples(operation("get", "/providers", "v2"), "application/problem+json"))


def test_the_codes_follow_from_the_views_policies() -> None:
    assert UNAUTHORIZED in codes(operation("get", "/providers"))
    assert UNAUTHORIZED not in codes(operation("get", "/errors"))
    assert "ERR_RATE_LIMIT_EXCEEDED" in codes(operation("get", "/providers"))
    assert "ERR_RATE_LIMIT_EXCEEDED" not in codes(operation("post", "/execute"))
    assert "ERR_INTEGRATION_HUB_SVC_RATE_LIMIT_EXCEEDED" in codes(operation("post", "/execute"))


def test_a_views_own_failures_are_listed() -> None:
    assert "ERR_INTEGRATION_HUB_SVC_PROVIDER_NOT_FOUND" in codes(operation("get", "/providers/{provider_key}"))
    assert "ERR_INTEGRATION_HUB_SVC_PROVIDER_NOT_FOUND" not in codes(operation("get", "/providers"))


def test_a_token_and_its_tenant_are_asked_for_where_they_are_needed() -> None:
    secured, free = operation("get", "/providers"), operation("get", "/errors")
    assert secured["security"] == [{"bearer": []}]
    assert free["security"] == [{}]
    assert [parameter["required"] for parameter in secured["parameters"] if parameter["name"] == "x-tenant-id"] == [
        True
    ]
    assert "parameters" not in free


def test_what_is_for_sibling_services_asks_for_a_certificate_and_nothing_else() -> None:
    read = operation("get", "/internal/credentials/{tenant_id}/{provider_key}")
    bind = operation("post", "/internal/credentials/bind")
    assert document("v1")["components"]["securitySchemes"]["mutualTLS"]["type"] == "mutualTLS"
    assert [op["security"] for op in (read, bind)] == [[{"mutualTLS": []}]] * 2
    assert {parameter["name"] for parameter in read["parameters"]} == {"tenant_id", "provider_key"}
    assert {parameter["name"] for parameter in bind["parameters"]} == {"Idempotency-Key"}
    refused = {"ERR_MTLS_REQUIRED", "ERR_INTEGRATION_HUB_SVC_INVALID_REQUEST"}
    failed = {"CREDENTIAL_NOT_FOUND", "CREDENTIAL_EXPIRED", "EXECUTION_FAILED"}
    of_any = {"ERR_UNEXPECTED", *(f"ERR_INTEGRATION_HUB_SVC_{name}" for name in VERSION_CODES)}
    assert codes(read) == {*refused, *of_any, *(f"ERR_INTEGRATION_HUB_SVC_{name}" for name in failed)}
    assert codes(bind) == {*refused, *of_any, "ERR_INTEGRATION_HUB_SVC_INTERNAL_CREDENTIAL_BIND_FAILED"}
    assert not any(name.startswith("RateLimit") for name in read["responses"]["200"]["headers"])


def test_a_post_that_acts_takes_an_idempotency_key() -> None:
    def headers(path: str) -> set[str]:
        return {parameter["name"] for parameter in operation("post", path)["parameters"] if parameter["in"] == "header"}

    assert headers("/execute") == {"Idempotency-Key", "Prefer", "x-tenant-id"}
    assert "Idempotency-Key" in headers("/credentials/bind")
    assert headers("/execute/plan") == {"x-tenant-id"}
    assert {"409", "422"} <= set(operation("post", "/credentials/bind")["responses"])


def test_a_429_documents_its_headers_by_reference() -> None:
    headers = operation("get", "/providers")["responses"]["429"]["headers"]
    assert {"Retry-After", "RateLimit", "RateLimit-Policy", "X-RateLimit-Reset", "x-request-id"} <= set(headers)
    known = document("v1")["components"]["headers"]
    assert all(value == {"$ref": f"#/components/headers/{name}"} and name in known for name, value in headers.items())


@pytest.mark.parametrize("version", VERSIONS)
def test_operations_are_named_once_and_readably(version: str) -> None:
    names = Counter(op["operationId"] for _, _, op in operations(version))
    assert [name for name, count in names.items() if count > 1] == []
    assert [name for name in names if not re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", name)] == []
    assert {"execute", "listProviders", "getProvider", "createProvider", "bindCredential", "listErrors"} <= set(names)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_operation_has_a_summary_and_a_tag_that_is_described(version: str) -> None:
    described = {tag["name"] for tag in document(version)["tags"]}
    for method, path, op in operations(version):
        assert op.get("summary"), f"{method} {path}"
        assert set(op["tags"]) <= described, f"{method} {path}"
        assert "validate, one call" not in op["description"], "a base class's docstring is for its heirs"


def schema(name: str, field: str) -> dict[str, Any]:
    return document("v1")["components"]["schemas"][name]["properties"][field]


@pytest.mark.parametrize("field", ["failing_since", "expires_at"])
def test_what_a_credential_may_lack_is_shown_as_nullable(field: str) -> None:
    assert schema("CredentialRow", field)["type"] == ["string", "null"]


def test_every_reason_for_passing_a_provider_over_is_listed_and_explained() -> None:
    reason = schema("SkippedShape", "reason")
    assert reason["enum"] == list(WHY_SKIPPED)
    for word, meaning in WHY_SKIPPED.items():
        assert f"`{word}`: {meaning}" in reason["description"]


def test_the_reasons_of_executions_that_nobody_ran_are_explained() -> None:
    described = schema("ExecutionShape", "status")["description"]
    assert "`never_started`" in described
    assert "`outcome_unknown`" in described
