"""Webhooks for adapters' tests, as the hub hands them over."""

import json
from typing import Any

from integrationhub.core.deadline import Deadline
from providers.callbacks import Webhook

ADDRESS = "https://hub.example/webhooks/ingest/zeta_email/an-example-of-a-token"


def hook(body: bytes | dict[str, Any] = b"", *, method: str = "POST", url: str = ADDRESS, **headers: str) -> Webhook:
    """A body that is no bytes is sent as JSON; `X_Signature="..."` is the header `x-signature`."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = {"content-type": "application/json"} if raw else {}
    named = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    return Webhook(method, url, {**kind, **named}, raw, Deadline.after(5))
