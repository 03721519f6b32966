"""A lifelike answer for each entry of the catalogue, in the real envelope: for OpenAPI and the error reference."""

import re
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from integrationhub.core import catalogue, exception_handler
from integrationhub.core.catalogue import Entry
from integrationhub.core.errors import HubError

# Fixed, so that documents made from the examples do not change from one day to the next.
TIMESTAMP = "2026-02-20T10:30:00.000Z"
REQUEST_ID = "01977f1e-7c3a-7b52-9d40-5e0f3a6c2b11"

# What stands for a parameter of a path; where nothing does, an id.
SAMPLES = {
    "provider_key": "twilio_sms",
    "intent": "message.send.sms",
    "id_or_slug": "twilio-sms",
    "code": catalogue.UNEXPECTED.code,
    "phone": "+14155552671",
    "template_name": "order_update",
}

_VERSIONS = ["v1", "v2"]
_FIELDS = [{"field": "payload.to", "reason": "required", "expected": "a phone number in E.164 format"}]
_FAILURES = [
    {
        "provider_key": key,
        "code": catalogue.EXECUTION_FAILED.code,
        "message": "The provider answered 503 Service Unavailable.",
        "reason": "upstream_503",
        "upstream_status": 503,
        "retryable": True,
        "latency_ms": latency_ms,
    }
    for key, latency_ms in (("sandbox_primary", 41), ("sandbox_secondary", 38))
]


def _meta(number: int) -> dict[str, Any]:
    return {"meta": {"code": number, "subcode": None, "details": "Meta's own words.", "fbtrace_id": "AbC1dEf2"}}


# What `details` typically holds, under the snake_case names that errors are raised with.
DETAILS: dict[Entry, dict[str, Any]] = {
    catalogue.INVALID_INTENT: {"intent": "message.send.fax", "did_you_mean": ["message.send.sms"]},
    catalogue.UNAUTHORIZED: {"reason": "expired"},
    catalogue.FORBIDDEN: {"reason": "tenant_mismatch"},
    catalogue.INVALID_REQUEST: {"reason": "invalid_fields", "fields": _FIELDS},
    catalogue.ALL_PROVIDERS_FAILED: {"errors": _FAILURES},
    catalogue.NO_PROVIDERS: {"intent": "message.send.sms"},
    catalogue.EXECUTION_FAILED: {"reason": "outcome_unknown"},
    catalogue.PROVIDER_NOT_FOUND: {"provider_key": "Twilio_sms"},
    catalogue.PROVIDER_CREATE_FAILED: {
        "fields": [{"field": "category", "reason": "required", "expected": "a category"}]
    },
    catalogue.ADAPTER_NOT_FOUND: {
        "provider_key": "acme_sms",
        "available_adapters": ["sandbox_primary", "sandbox_secondary"],
    },
    catalogue.CREDENTIAL_NOT_FOUND: {"provider_key": "twilio_sms"},
    catalogue.CREDENTIAL_EXPIRED: {"provider_key": "twilio_sms"},
    catalogue.UNSUPPORTED_API_VERSION: {"supported_versions": _VERSIONS},
    catalogue.API_VERSION_SUNSET: {"supported_versions": _VERSIONS, "migration_guide": settings.MIGRATION_GUIDE_URL},
    catalogue.TOTP_INVALID: {"reason": "wrong_code"},
    catalogue.TENANT_REQUIRED: {"reason": "missing_tenant_header"},
    catalogue.RBAC_FORBIDDEN: {"reason": "role_too_low", "required_role": "organizer"},
    catalogue.MTLS_REQUIRED: {"reason": "identity_not_allowed"},
    catalogue.SAML_DECODE: {"reason": "expired"},
    catalogue.TEMPLATE_REQUIRED: {"closed_at": TIMESTAMP},
    catalogue.WHATSAPP_SYNC_FAILED: {"reason": "meta_190", "code": catalogue.META_UNAUTHORIZED.code, **_meta(190)},
    catalogue.WHATSAPP_MEDIA_DOWNLOAD_FAILED: {"reason": "store_access_denied"},
    catalogue.TEMPLATE_NOT_FOUND: {"reason": "unknown_language", "template": "order_update", "languages": ["en_US"]},
    catalogue.INVALID_TEMPLATE_PARAMS: {
        "reason": "invalid_fields",
        "template": "order_update",
        "language": "en_US",
        "fields": [{"field": "template_params.body.2", "reason": "missing", "expected": "the value of {{2}}"}],
    },
    catalogue.META_UNAUTHORIZED: _meta(190),
    catalogue.META_INVALID_PARAM: _meta(100),
    catalogue.META_UNDELIVERABLE: _meta(131048),
    catalogue.META_TEMPLATE_NOT_FOUND: _meta(133000),
    catalogue.META_TEMPLATE_PAUSED: _meta(132000),
    catalogue.META_RATE_LIMIT: _meta(4),
}
# What INVALID_REQUEST says under the statuses that HTTP itself names.
REASONS: dict[int, tuple[str, str]] = {
    404: ("not_found", "There is nothing with this id."),
    406: ("not_acceptable", "This path answers with application/json, which the Accept header excludes."),
    409: ("idempotency_key_in_use", "A request with this Idempotency-Key is still running."),
    413: ("body_too_large", "The request body is too large."),
    415: ("unsupported_media_type", "The Content-Type of the request is not one that this path reads."),
    422: ("idempotency_key_reused", "This Idempotency-Key was used with another body."),
}
# Refused requests that cure themselves say for how long to wait.
_WAITS = {catalogue.EXECUTION_RATE_LIMIT_EXCEEDED: 12, catalogue.RATE_LIMIT_EXCEEDED: 12, catalogue.META_RATE_LIMIT: 30}


class _Example(HubError):
    def __init__(self, entry: Entry, message: str | None, **kwargs: Any) -> None:
        self.entry = entry
        super().__init__(message, **kwargs)


def envelope(entry: Entry, *, path: str, status: int | None = None, accept: str = "") -> dict[str, Any]:
    """The body that answers with `entry` at `path`; `status` only for INVALID_REQUEST's other statuses.

    With `accept` of application/problem+json it is the problem that v2 answers with.
    """
    details, message = dict(DETAILS.get(entry, {})), None
    if status in REASONS and status != entry.status:
        reason, message = REASONS[status]
        details = {"reason": reason}
    error = _Example(entry, message, status=status, retry_after=_WAITS.get(entry), **details)
    return {**exception_handler.envelope(error, _request(_where(entry, path), accept)), "timestamp": TIMESTAMP}


def _where(entry: Entry, path: str) -> str:
    """The path as a caller would have sent it, with values in place of its parameters."""
    path = re.sub(r"\{(\w+)\}", lambda parameter: SAMPLES.get(parameter[1], REQUEST_ID), path)
    version = {catalogue.UNSUPPORTED_API_VERSION: "v9", catalogue.API_VERSION_SUNSET: "v0"}.get(entry)
    return re.sub(r"^/integrationhub/v\d+/", f"/integrationhub/{version}/", path) if version else path


def _request(path: str, accept: str) -> HttpRequest:
    request = HttpRequest()
    request.path = path
    request.META["HTTP_ACCEPT"] = accept
    request.request_id = REQUEST_ID  # type: ignore[attr-defined]
    request.hub_version = "v2"  # type: ignore[attr-defined]
    return request
