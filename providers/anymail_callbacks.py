"""Webhooks of e-mail services read by anymail's views, and said in the hub's words.

https://anymail.dev/en/stable/sending/tracking/. Nothing imports this module; see `anymail_messages.py`.
"""

import hashlib
import importlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from anymail.exceptions import AnymailError  # type: ignore[import-untyped]
from anymail.signals import EventType  # type: ignore[import-untyped]
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, QueryDict

from integrationhub.core import catalogue
from providers.callbacks import InboundEvent, Kind, Webhook

_KINDS = {
    EventType.QUEUED: Kind.ACCEPTED,
    EventType.SENT: Kind.SENT,
    EventType.REJECTED: Kind.FAILED,
    EventType.FAILED: Kind.FAILED,
    EventType.BOUNCED: Kind.BOUNCED,
    EventType.DEFERRED: Kind.DEFERRED,
    EventType.DELIVERED: Kind.DELIVERED,
    EventType.OPENED: Kind.OPENED,
    EventType.CLICKED: Kind.CLICKED,
    EventType.COMPLAINED: Kind.COMPLAINED,
    EventType.UNSUBSCRIBED: Kind.UNSUBSCRIBED,
}
# Which member of an event says by which values that the recipient is at fault for good; a bounce alone may be a mailbox
# that is full, or a service that is blocked.
_RECIPIENTS_FAULTS: Mapping[str, tuple[tuple[str, ...], frozenset[Any]]] = {
    "brevo": (("event",), frozenset({"hard_bounce", "invalid_email"})),
    "mailersend": (("data", "type"), frozenset({"hard_bounced"})),
    "mailgun": (("reason",), frozenset({"bounce", "suppress-bounce"})),
    "mailjet": (("hard_bounce",), frozenset({True})),
    "mailtrap": (("event",), frozenset({"bounce"})),
    "mandrill": (("event",), frozenset({"hard_bounce"})),
    "postmark": (("Type",), frozenset({"HardBounce", "BadEmailAddress"})),
    "sparkpost": (("msys", "message_event", "bounce_class"), frozenset({"10", "30", "90"})),
    "unisender_go": (
        ("delivery_info", "delivery_status"),
        frozenset({"err_user_unknown", "err_user_inactive", "err_mailbox_discarded", "err_unsubscribed"}),
    ),
}
# The views want a secret when they are made, to verify by; the hub has verified already.
_VERIFIED = dict.fromkeys(
    ("webhook_secret", "webhook_signing_key", "signing_secret", "tracking_secret", "webhook_key", "api_key"), "verified"
)


def events(view: str, hook: Webhook, *, payload_at: str, key_at: str) -> list[InboundEvent]:
    """What the hub has a word for. Raises ValueError, LookupError, TypeError or AttributeError for another shape."""
    module, _, name = view.rpartition(".")
    reader = getattr(importlib.import_module(f"anymail.webhooks.{module}"), name)(**_VERIFIED)
    try:
        told = reader.parse_events(_request(hook))
    except (AnymailError, ImproperlyConfigured, AssertionError, RecursionError, OverflowError, OSError) as error:
        # The last two: a time that no calendar has.
        raise ValueError(type(error).__name__) from None
    return [_event(module, each, payload_at, key_at) for each in told if each.event_type in _KINDS]


def _request(hook: Webhook) -> HttpRequest:
    request = HttpRequest()
    request.method, request.content_type = "POST", hook.headers.get("content-type", "").split(";")[0].strip().lower()
    request._body = hook.body
    if request.content_type == "application/x-www-form-urlencoded":
        request.POST = QueryDict(hook.body)
    return request


def _event(service: str, told: Any, payload_at: str, key_at: str) -> InboundEvent:
    payload = told.esp_event[payload_at] if payload_at else told.esp_event
    key = payload[key_at] if key_at else _digest(payload)
    kind = _KINDS[told.event_type]
    is_failure = kind in (Kind.FAILED, Kind.BOUNCED)
    return InboundEvent(
        kind,
        str(told.message_id or ""),
        key=str(key),
        occurred_at=_aware(told.timestamp),
        attempt_id=_attempt_id(told.metadata),
        reason=f"{service}_{told.reject_reason or told.event_type}" if is_failure else "",
        fault=catalogue.INVALID_REQUEST if is_failure and _is_theirs(service, payload) else None,
        payload=payload,
    )


def _is_theirs(service: str, payload: Any) -> bool:
    path, values = _RECIPIENTS_FAULTS[service]
    for name in path:
        payload = payload.get(name) if isinstance(payload, Mapping) else None
    return isinstance(payload, str | bool) and payload in values


def _digest(payload: Mapping[str, Any]) -> str:
    """Of a service that gives its events no id: told again, it is the same."""
    return hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment


def _attempt_id(metadata: Any) -> UUID | None:
    try:
        return UUID(metadata["attempt_id"])
    except (LookupError, TypeError, ValueError, AttributeError):
        return None
