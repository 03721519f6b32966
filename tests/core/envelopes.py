"""What every error of the hub looks like."""

import re
from typing import Any

from integrationhub.core.catalogue import ENTRIES, INVALID_REQUEST

FIRST = ["statusCode", "code", "message", "path", "timestamp"]


def assert_envelope(response: Any, status: int | None = None, reason: str | None = None) -> dict[str, Any]:
    """The answer's body, after checking that it is the envelope with a code of the catalogue and its status."""
    assert response.headers["Content-Type"] in ("application/json", "application/problem+json"), response.content[:300]
    body = response.json()
    assert list(body)[:5] == FIRST
    assert body["statusCode"] == response.status_code
    assert status in (None, response.status_code), body
    entry = ENTRIES[body["code"]]
    assert entry is INVALID_REQUEST or entry.status == response.status_code
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body["timestamp"])
    assert body["requestId"] == response.headers["x-request-id"]
    assert body["docsUrl"] == f"https://hub.example/docs/errors/{entry.code}"
    assert isinstance(body["retryable"], bool)
    assert body["resolution"]
    if reason is not None:
        assert body["details"]["reason"] == reason, body
    return body
