"""An HTTP request to an address of the tenant's own, at a host that it has listed, signed by Standard Webhooks."""

import json
import re
import time
from dataclasses import replace
from typing import Any

from integrationhub.core import standard_webhooks
from integrationhub.core.errors import InvalidRequest
from integrationhub.core.outbound import NotSent, messages
from providers import answers
from providers.adapter import NAMED_BY_TENANT, Adapter, Call, Receipt
from providers.errors import Next, Stop

_HOST = r"^(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
_JSON = re.compile(r"application/([\w.-]+\+)?json(; ?charset=utf-8)?", re.IGNORECASE)
# The head decides: what drips after it takes no time from whoever is called next.
BODY_SECONDS = 2.0
# What a caller may say beside the body. The rest says where a message ends, whom it came from or who may do it.
_HEADERS = frozenset(
    {
        *("accept", "accept-language", "content-language", "content-type", "user-agent", "prefer"),
        *("idempotency-key", "if-match", "if-none-match", "traceparent", "tracestate"),
    }
)
_OWN_PREFIXES = ("x-", "ce-")
# What is in a payload is stored, and shown to whoever reads the execution: secrets belong to the credential.
_NEVER = re.compile(
    r"auth|cookie|credential|key|passw|secret|session|signature|token|forward|real-ip|original|override"
)


class HttpWebhook(Adapter):
    key = "http_webhook"
    display_name = "HTTP endpoint"
    summary = "Requests to servers of your own, signed by Standard Webhooks."
    docs_url = "https://www.standardwebhooks.com"
    allowed_hosts = frozenset({NAMED_BY_TENANT})
    intents = frozenset({"webhook.send.http"})
    config_schema = {
        "type": "object",
        "properties": {
            "allowed_hosts": {
                "type": "array",
                "items": {"type": "string", "pattern": _HOST, "description": "a host name in lower case, no port"},
                "minItems": 1,
                "maxItems": 50,
                "uniqueItems": True,
                "description": "the hosts that may be called, each by its exact name",
                "examples": [["example.com"]],
            },
        },
        "required": ["allowed_hosts"],
        "additionalProperties": False,
    }
    credential_schema = {
        "type": "object",
        "properties": {
            "signing_secret": {
                **standard_webhooks.SECRET,
                "examples": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
            },
            "authorization": {
                "type": "string",
                "pattern": "^[!-~][ -~]{0,3998}[!-~]$",
                "x-secret": True,
                "description": "the whole value of the header Authorization, such as Bearer and a token",
                "examples": ["Bearer an-example-of-a-token"],
            },
        },
        "anyOf": [{"required": ["signing_secret"]}, {"required": ["authorization"]}],
        "additionalProperties": False,
    }

    def serves_without_credential(self) -> bool:
        """Not every endpoint wants to know who calls."""
        return True

    def preflight(self, call: Call) -> None:
        if faults := _faults(call):
            names = ", ".join(fault["field"] for fault in faults)
            raise InvalidRequest(f"This cannot be sent: see details.fields ({names}).", **_said(faults))

    def execute(self, call: Call) -> Receipt:
        """A 2xx is a success. What was answered is quoted in one line, without this call's secrets; where it cannot be
        read, nothing is."""
        if faults := _faults(call):
            raise Next(f"{faults[0]['field']} must be {faults[0]['expected']}; nothing was sent.", reason="not_allowed")
        message_id = f"msg_{call.attempt_id}"
        headers, body = _message(call, message_id)
        method, url = call.payload.get("method", "POST"), call.payload["url"]
        # No base URL of an operator's: the tenant names the place.
        asked = replace(call, base_url="")
        answer = self.ask(asked, method, url, headers=headers, data=body, body_within=BODY_SECONDS)
        if not 200 <= answer.status < 300:
            raise self.failure(call, answer, answer.body.decode(errors="replace"))
        if answer.lost:
            return Receipt(message_id, {"status": answer.status})
        said = answers.quoted(answer.body.decode(errors="replace"), call.secrets)
        return Receipt(message_id, {"status": answer.status, "answer": said})


def _said(faults: list[dict[str, str]]) -> dict[str, Any]:
    return {"reason": "invalid_fields", "fields": faults}


def _faults(call: Call) -> list[dict[str, str]]:
    faults = [] if _host(call.payload["url"]) in call.config.get("allowed_hosts", []) else [_FOREIGN]
    for name, value in call.payload.get("headers", {}).items():
        if not _may_be_given(name.lower()):
            faults.append({"field": f"payload.headers.{name}", "reason": "not_allowed", "expected": _EXPECTED})
        elif name.lower() == "content-type" and not _JSON.fullmatch(value):
            faults.append({"field": f"payload.headers.{name}", "reason": "wrong_form", "expected": "a JSON media type"})
    return faults


_FOREIGN = {
    "field": "payload.url",
    "reason": "host_not_allowed",
    "expected": "at one of the hosts that allowed_hosts of the installation lists",
}
_EXPECTED = f"one of {', '.join(sorted(_HEADERS))}, or a header of your own (x-, ce-) that holds no secret"


def _may_be_given(name: str) -> bool:
    return name in _HEADERS or (name.startswith(_OWN_PREFIXES) and not _NEVER.search(name))


def _host(url: str) -> str:
    """The host that would be dialled, read as the client reads it; empty where it would dial none."""
    try:
        return messages.target(url).origin.host.rstrip(".")
    except NotSent:
        return ""


def _message(call: Call, message_id: str) -> tuple[dict[str, str], bytes | None]:
    """Headers and body; the signature is over the very bytes that are sent."""
    headers = dict(call.payload.get("headers", {}))
    body = None
    if "body" in call.payload:
        body = _encoded(call.payload["body"])
        if not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = "application/json"
    if authorization := call.secrets.get("authorization"):
        headers["Authorization"] = authorization
    if secret := call.secrets.get("signing_secret"):
        moment = int(time.time())
        headers |= standard_webhooks.headers([_key_of(secret)], message_id=message_id, seconds=moment, body=body or b"")
    return headers, body


def _key_of(secret: str) -> bytes:
    """Raises Next for a secret of the right letters that is no base64."""
    try:
        return standard_webhooks.key_of(secret)
    except ValueError:
        words = "The signing secret is not whsec_ and base64; nothing was sent."
        raise Next(words, reason="signing_secret_unreadable", credential_refused=True) from None


def _encoded(value: Any) -> bytes:
    """Raises Stop for what no JSON can say."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        raise Stop("The body cannot be written as JSON; nothing was sent.", reason="invalid_body") from None
