"""OpenAPI 3.1: each operation lists the codes that it answers with, one named example per code.

REST framework's tools document successes alone. What can go wrong is known all the same: the checks that every request
passes follow from the view's policies, the rest is in `HubView.failures`.
"""

import inspect
import json
import re
from collections import defaultdict
from functools import cache
from http import HTTPStatus
from typing import Any

from django.conf import settings
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from integrationhub.core import catalogue, error_examples, versioning
from integrationhub.core.authentication import BearerAuthentication
from integrationhub.core.catalogue import Entry
from integrationhub.core.http import ROLES
from integrationhub.core.mutual_tls import ClientCertificate
from integrationhub.core.representation import JSON, PROBLEM

Failures = dict[int, list[Entry]]

TENANT = OpenApiParameter("x-tenant-id", {"type": "string", "format": "uuid"}, OpenApiParameter.HEADER, required=True,
    description="The tenant that the token was issued for.")  # fmt: skip
KEY = OpenApiParameter("Idempotency-Key", {"type": "string", "pattern": "^[ -~]{1,255}$"}, OpenApiParameter.HEADER,
    description="The same key with the same body within 24 hours acts once and gets the same answer.")  # fmt: skip

_TEXT, _WHOLE = {"type": "string"}, {"type": "integer"}
_RATE_HEADERS = ("RateLimit-Policy", "RateLimit", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
HEADERS: dict[str, dict[str, Any]] = {
    "x-request-id": {"description": "The id of this request: the caller's own, or one made here.", "schema": _TEXT},
    "RateLimit-Policy": {"description": 'The tenant\'s limit: `"requests";q=60;w=60` is 60 in 60 s.', "schema": _TEXT},
    "RateLimit": {"description": 'What is left: `"requests";r=12;t=31` is 12 for another 31 s.', "schema": _TEXT},
    "X-RateLimit-Limit": {"description": "Requests that a window of 60 seconds allows.", "schema": _WHOLE},
    "X-RateLimit-Remaining": {"description": "Requests that are left in it.", "schema": _WHOLE},
    "X-RateLimit-Reset": {"description": "When the window is free again, in epoch seconds.", "schema": _WHOLE},
    "Retry-After": {"description": "Seconds to wait before the request is sent again.", "schema": _WHOLE},
}
_MEMBERS: dict[str, Any] = {
    "statusCode": {"type": "integer", "description": "The HTTP status once more."},
    "code": {"enum": list(catalogue.ENTRIES), "description": "The key of the error reference."},
    "message": {"type": "string", "description": "What happened, with the values involved. English."},
    "path": {"type": "string", "description": "The path that was asked for."},
    "timestamp": {"type": "string", "format": "date-time"},
    "requestId": {"type": "string", "description": "Finds this request in the logs; also the header x-request-id."},
    "resolution": {"type": "string", "description": "What to do about it."},
    "docsUrl": {"type": "string", "format": "uri", "description": "The page of this code."},
    "retryable": {"type": "boolean", "description": "Whether the same request, sent again, may succeed."},
}
_SOMETIMES: dict[str, Any] = {
    "supportedVersions": {"type": "array", "items": _TEXT},
    "migrationGuide": {"type": "string", "format": "uri"},
    "retryAfter": {"type": "integer", "minimum": 1, "description": "Seconds to wait."},
    "details": {"type": "object", "additionalProperties": True, "description": "What there is to say beyond that."},
}
_OF_PROBLEM = {"type": _TEXT, "title": _TEXT, "status": _WHOLE, "detail": _TEXT, "instance": _TEXT}
ENVELOPE = {"type": "object", "required": list(_MEMBERS), "properties": {**_MEMBERS, **_SOMETIMES}}
PROBLEM_ENVELOPE = {
    "allOf": [{"$ref": "#/components/schemas/ErrorEnvelope"}],
    "type": "object",
    "required": list(_OF_PROBLEM),
    "properties": _OF_PROBLEM,
}
BEARER = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "A JWT with the claims sub, tenant_id, roles, iss, aud, iat and exp.",
}
MUTUAL_TLS = {
    "type": "mutualTLS",
    "description": "A client certificate that the API gateway verifies and this hub's allow-list names.",
}


class HubSchema(AutoSchema):
    """How one operation of a `HubView` is described."""

    view: Any

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        operation = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        answers = operation["responses"]
        for status, answer in answers.items():
            answer["description"] = answer["description"] or HTTPStatus(int(status)).phrase
            answer["headers"] = self._headers() | answer.get("headers", {})
        for status, entries in sorted(self.failures().items()):
            answers[str(status)] = self._failure(status, entries)
        return operation

    def get_override_parameters(self) -> list[Any]:
        headers = [TENANT] if self._needs_token() else []
        return [*headers, KEY] if self._is_keyed() else headers

    def get_auth(self) -> list[dict[str, Any]]:
        return [{scheme: []}] if (scheme := self._scheme()) else [{}]

    def get_description(self) -> str:  # type: ignore[override]  # drf-spectacular's signature, like its own
        """The view's or the handler's own docstring, and who may ask. A base class's docstring is for its heirs."""
        said = inspect.getdoc(getattr(self.view, self.method.lower())) or type(self.view).__doc__ or ""
        return "\n\n".join(text for text in (inspect.cleandoc(said), self._who()) if text)

    def _who(self) -> str:
        if self._scheme() == ClientCertificate.openapi_scheme:
            return "For sibling services, which act for every tenant: needs a client certificate, and no token."
        if not self._needs_token():
            return "Needs no token."
        if self.method in self.view.platform_only:
            return "Needs the role `admin` in a token of the platform's own tenant."
        lowest = self.view.roles.get(self.method, ROLES[0])
        return f"Needs the role `{lowest}`" + ("." if lowest == ROLES[-1] else " or one above it.")

    def get_tags(self) -> list[str]:
        app = type(self.view).__module__.split(".")[-2]
        return [{"pages": "errors", "templates": "whatsapp", "telling": "webhooks"}.get(app, app)]

    def get_operation_id(self) -> str:
        """A verb and what it acts on, from method and path: `listProviders`, `getProvider`, `bindCredential`."""
        *before, last = [part for part in self.path.split("/")[3:] if part]
        nouns = [_words(part) for part in before if not part.startswith("{")]
        thing = "".join(_singular(noun) for noun in nouns)
        if last.startswith("{"):
            return _verb(self.method, "get") + thing
        if self.method == "GET" and last.endswith("ed"):
            return f"list{_words(last)}{_words(before[-1])}"
        if self.method != "POST":
            return _verb(self.method, "list" if last.endswith("s") else "get") + thing + _words(last)
        if not nouns:
            return f"create{_singular(_words(last))}" if last.endswith("s") else last
        # `/credentials/bind` acts on a thing; `/execute/plan` is said in one breath.
        said = _words(last) + thing if nouns[-1].endswith("s") else thing + _words(last)
        return said[0].lower() + said[1:]

    def failures(self) -> Failures:
        """The entries that this operation can answer with, by HTTP status, without repeats."""
        found: Failures = defaultdict(list)
        for status, entry in [*self._own_failures(), *self._common_failures()]:
            if entry not in found[status]:
                found[status].append(entry)
        return found

    def _common_failures(self) -> list[tuple[int, Entry]]:
        entries = [catalogue.UNSUPPORTED_API_VERSION, catalogue.API_VERSION_SUNSET, catalogue.UNEXPECTED]
        if self._needs_token():
            entries += [
                catalogue.UNAUTHORIZED,
                catalogue.TENANT_REQUIRED,
                catalogue.FORBIDDEN,
                catalogue.RBAC_FORBIDDEN,
            ]
            is_execution = getattr(self.view, "rate_limit", "requests") == "executions"
            entries.append(catalogue.EXECUTION_RATE_LIMIT_EXCEEDED if is_execution else catalogue.RATE_LIMIT_EXCEEDED)
        if self._scheme() == ClientCertificate.openapi_scheme:
            entries.append(catalogue.MTLS_REQUIRED)
        of_http = [400, 406]
        of_http += [413, 415] if self.method in ("POST", "PUT", "PATCH") else []
        of_http += [409, 422] if self._is_keyed() else []
        return [(entry.status, entry) for entry in entries] + [
            (status, catalogue.INVALID_REQUEST) for status in of_http
        ]

    def _own_failures(self) -> list[tuple[int, Entry]]:
        own = [(entry.status, entry) for entry in getattr(self.view, "failures", {}).get(self.method, ())]
        if "{" in self.path and not any(status == 404 for status, _ in own):
            own.append((404, catalogue.INVALID_REQUEST))
        return own

    def _failure(self, status: int, entries: list[Entry]) -> dict[str, Any]:
        bodies = self._examples(status, entries)
        content = {JSON: _content("ErrorEnvelope", bodies)}
        if self.path.startswith("/integrationhub/v2/"):
            content[PROBLEM] = _content("ProblemEnvelope", self._examples(status, entries, accept=PROBLEM))
        codes = ", ".join(f"`{entry.code}`" for entry in entries)
        answer: dict[str, Any] = {
            "description": f"{HTTPStatus(status).phrase}: {codes}",
            "content": content,
            "headers": self._headers(),
        }
        if any("retryAfter" in body for body in bodies.values()):
            answer["headers"] |= _references("Retry-After")
        return answer

    def _examples(self, status: int, entries: list[Entry], accept: str = "") -> dict[Entry, dict[str, Any]]:
        return {
            entry: error_examples.envelope(entry, path=self.path, status=status, accept=accept) for entry in entries
        }

    def _headers(self) -> dict[str, Any]:
        return _references("x-request-id", *(_RATE_HEADERS if self.view.throttle_classes else ()))

    def _scheme(self) -> str | None:
        """Under which of the document's security schemes a caller proves who it is."""
        return next((each.openapi_scheme for each in self.view.authentication_classes), None)

    def _needs_token(self) -> bool:
        return self._scheme() == BearerAuthentication.openapi_scheme

    def _is_keyed(self) -> bool:
        return bool(getattr(getattr(self.view, self.method.lower()), "takes_idempotency_key", False))


def _verb(method: str, reading: str) -> str:
    return {"GET": reading, "POST": "create", "PUT": "replace", "PATCH": "update", "DELETE": "delete"}[method]


def _words(segment: str) -> str:
    return "".join(word.capitalize() for word in re.split(r"[-_]", segment))


def _singular(noun: str) -> str:
    return re.sub(r"ies$", "y", noun) if noun.endswith("ies") else noun.removesuffix("s")


def _references(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _content(schema: str, bodies: dict[Entry, dict[str, Any]]) -> dict[str, Any]:
    examples = {
        entry.code: {"summary": f"{entry.name}: {body['message']}", "value": body} for entry, body in bodies.items()
    }
    return {"schema": {"$ref": f"#/components/schemas/{schema}"}, "examples": examples}


class HubSchemaGenerator(SchemaGenerator):
    """Shows the API's paths under the version that is asked for, `v1` unless told otherwise; nothing else is in it."""

    def _get_paths_and_endpoints(self) -> list[tuple[str, str, str, Any]]:
        version = self.api_version or "v1"
        return [
            (path.replace("{version}", version), regex, method, view)
            for path, regex, method, view in super()._get_paths_and_endpoints()
            if path.startswith("/integrationhub/{version}/")
        ]


def complete(result: dict[str, Any], generator: HubSchemaGenerator, **_: Any) -> dict[str, Any]:
    """drf-spectacular's postprocessing hook: the components that every operation refers to, the server, the version."""
    components = result["components"]
    components["schemas"] |= {"ErrorEnvelope": ENVELOPE}
    if generator.api_version == "v2":
        components["schemas"] |= {"ProblemEnvelope": PROBLEM_ENVELOPE}
    components["headers"] = HEADERS
    components["securitySchemes"] = {
        BearerAuthentication.openapi_scheme: BEARER,
        ClientCertificate.openapi_scheme: MUTUAL_TLS,
    }
    result["info"]["version"] = settings.SPECTACULAR_SETTINGS["VERSION"]
    result["servers"] = [{"url": settings.PUBLIC_BASE_URL}]
    return _without_enum_ids(result)


def _without_enum_ids(node: Any) -> Any:
    """drf-spectacular marks choices for a hook of its own that names enums; we leave them where they are used."""
    if isinstance(node, dict):
        return {key: _without_enum_ids(value) for key, value in node.items() if key != "x-spec-enum-id"}
    return [_without_enum_ids(item) for item in node] if isinstance(node, list) else node


@cache
def document(version: str) -> bytes:
    """The OpenAPI document of one version as JSON, made once per process. Raises UnsupportedApiVersion and
    ApiVersionSunset as a request to that version would."""
    versioning.check(version)
    schema = HubSchemaGenerator(api_version=version).get_schema(public=True)
    return json.dumps(schema, ensure_ascii=False).encode()
