"""What a caller asks for: the body of `POST /execute`, checked and typed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import IO, Any
from uuid import UUID

from integrationhub.core.errors import InvalidRequest, RbacForbidden
from integrationhub.core.http import Principal
from integrationhub.core.moments import read_moment
from integrationhub.execution.models import Mode
from providers import payloads, schema_faults
from providers.adapter import LARGEST_TOLD
from providers.intents import Intent

LONGEST_TIMEOUT_MS = 20_000
DEFAULT_TIMEOUT_MS = 10_000
ATTEMPT_SECONDS = 8.0
FURTHEST_AHEAD = timedelta(days=35)
LONGEST_FALLBACK_MS = 3_600_000
DEFAULT_FALLBACK_MS = 60_000
ACCEPTED = "accepted"
SUCCESS_STATUSES = (ACCEPTED, "sent", "delivered")
# Intents of messages, of which providers tell what became of them.
FOLLOWED = "message.send."

BODY_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["category", "intent", "payload"],
    "additionalProperties": False,
    "properties": {
        "category": {
            "type": "string",
            "maxLength": 40,
            "description": "The group of the intent, as in `GET /intents`.",
        },
        "intent": {"type": "string", "maxLength": 80, "description": "`<domain>.<action>[.<channel>]`."},
        "payload": {"type": "object", "description": "What the intent needs: `GET /intents/{intent}` has its schema."},
        "options": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "providers": {
                    "type": "array",
                    "items": {"type": "string", "maxLength": 64},
                    "minItems": 1,
                    "maxItems": 10,
                    "uniqueItems": True,
                    "description": "Only these providers, in this order.",
                },
                "timeout_ms": {
                    "type": "integer",
                    "minimum": 100,
                    "maximum": LONGEST_TIMEOUT_MS,
                    "default": DEFAULT_TIMEOUT_MS,
                    "description": "The deadline over all attempts, in milliseconds.",
                },
                "on_ambiguous": {
                    "enum": ["stop", "next"],
                    "description": "What follows an attempt whose outcome nobody knows.",
                },
                "success_status": {
                    "enum": list(SUCCESS_STATUSES),
                    "default": ACCEPTED,
                    "description": "How far a message has to come. Beyond `accepted` a worker runs it (202), and "
                    "where it does not come so far in time the next provider is tried. It has one recipient then.",
                },
                "fallback_after_ms": {
                    "type": "integer",
                    "minimum": 1000,
                    "maximum": LONGEST_FALLBACK_MS,
                    "default": DEFAULT_FALLBACK_MS,
                    "description": "How long each provider has for it, in milliseconds from its acceptance.",
                },
                "mode": {"enum": ["live", "sandbox"], "description": "`sandbox`: sandbox providers only."},
                "connection_id": {
                    "type": ["string", "null"],
                    "format": "uuid",
                    "description": "The connected account that acts, for the providers that act by one.",
                },
                "send_at": {
                    "type": ["string", "null"],
                    "format": "date-time",
                    "description": "Not before this time (RFC 3339 with its offset), at most 35 days ahead: 202, and a "
                    "worker runs it then. It counts in the quota of that month. Not for an intent that reads.",
                },
                "expires_at": {
                    "type": ["string", "null"],
                    "format": "date-time",
                    "description": "After this time (RFC 3339 with its offset) no provider is called any more.",
                },
            },
        },
    },
}

_body = schema_faults.compiled(BODY_SCHEMA)


@dataclass(frozen=True, slots=True)
class Options:
    providers: tuple[str, ...] = ()
    timeout_ms: int = DEFAULT_TIMEOUT_MS
    on_ambiguous: str = "stop"
    mode: Mode | None = None
    connection_id: UUID | None = None
    send_at: datetime | None = None
    expires_at: datetime | None = None
    success_status: str = ACCEPTED
    fallback_after_ms: int = DEFAULT_FALLBACK_MS

    @property
    def is_awaited(self) -> bool:
        """Whether it has not succeeded yet when a provider has accepted it."""
        return self.success_status != ACCEPTED

    @property
    def is_for_a_worker(self) -> bool:
        """Whether it takes longer than a request lasts, whatever the caller prefers."""
        return self.is_awaited or self.send_at is not None

    def seconds_left(self) -> float:
        """Until no call may be begun for it any more."""
        return (self.expires_at - datetime.now(UTC)).total_seconds() if self.expires_at else math.inf


@dataclass(frozen=True, slots=True)
class Order:
    """One request to run one intent. `raw_options` are the caller's own words, as stored with the execution."""

    tenant_id: UUID
    subject: str
    request_id: str
    intent: Intent
    payload: Mapping[str, Any]
    options: Options = field(default_factory=Options)
    raw_options: Mapping[str, Any] = field(default_factory=dict)
    # Up to which what is cached of the tenant may be used; without one nothing cached is.
    tenant_version: str | None = None
    # The execution that this one sends once more.
    retry_of: UUID | None = None
    # Of one call. What carries a file takes longer than what carries a message.
    attempt_seconds: float = ATTEMPT_SECONDS
    # Beside the payload; see `Call.file`. It ends with the request, so that nothing of it can be kept for a retry.
    file: IO[bytes] | None = field(default=None, repr=False)
    largest: int = LARGEST_TOLD


def read(body: Mapping[str, Any], *, caller: Principal, request_id: str, tenant_version: str | None = None) -> Order:
    """The order that a parsed body makes.

    Raises InvalidRequest naming every bad field, InvalidIntent, InvalidPhone, or RbacForbidden when the intent needs a
    higher role than the caller has.
    """
    refuse(schema_faults.faults(_body, body))
    intent = Intent.parse(body["category"], body["intent"])
    if not caller.has_role(intent.lowest_role):
        raise RbacForbidden(
            f"The intent {intent.name} needs the role {intent.lowest_role}.", required_role=intent.lowest_role
        )
    payloads.validate_payload(intent, body["payload"])
    raw = body.get("options") or {}
    _refuse_waiting_in_vain(intent, raw, body["payload"])
    if raw.get("send_at"):
        refuse_to_read_later(intent, "options.send_at")
    options = options_of(raw, intent)
    if options.send_at or options.expires_at:
        refuse(_faults_of_times(options, datetime.now(UTC)))
    return Order(caller.tenant_id, caller.subject, request_id, intent, body["payload"], options, raw, tenant_version)


def refuse(faults: Sequence[schema_faults.Fault]) -> None:
    """Raises InvalidRequest naming the faults, if there are any."""
    if faults:
        names = ", ".join(fault["field"] for fault in faults)
        raise InvalidRequest(f"The request is not valid: {names}.", reason="invalid_fields", fields=faults)


def refuse_to_read_later(intent: Intent, field: str) -> None:
    """Raises InvalidRequest for an intent that reads, where `field` would have a worker run it: what is read is told in
    the answer to the request alone."""
    if not intent.acts:
        fault = {"field": field, "reason": "not_allowed", "expected": f"none, with {intent.name}"}
        words = f"{field} is not allowed with {intent.name}: what it reads is told in its own answer and kept nowhere."
        raise InvalidRequest(f"{words} Leave {field} out.", reason="invalid_fields", fields=[fault])


def options_of(raw: Mapping[str, Any], intent: Intent) -> Options:
    """Typed options; what the caller left out takes the intent's or the hub's default."""
    return Options(
        providers=tuple(raw.get("providers", ())),
        timeout_ms=raw.get("timeout_ms", DEFAULT_TIMEOUT_MS),
        on_ambiguous=raw.get("on_ambiguous", intent.on_ambiguous),
        mode=Mode(raw["mode"]) if "mode" in raw else None,
        connection_id=UUID(raw["connection_id"]) if raw.get("connection_id") else None,
        send_at=read_moment(raw["send_at"]) if raw.get("send_at") else None,
        expires_at=read_moment(raw["expires_at"]) if raw.get("expires_at") else None,
        success_status=raw.get("success_status", ACCEPTED),
        fallback_after_ms=raw.get("fallback_after_ms", DEFAULT_FALLBACK_MS),
    )


def _faults_of_times(options: Options, now: datetime) -> list[schema_faults.Fault]:
    """A time to send that has passed is none: it is sent at once."""
    begins, faults = max(options.send_at or now, now), []
    if begins > now + FURTHEST_AHEAD:
        expected = f"at most {FURTHEST_AHEAD.days} days ahead"
        faults.append({"field": "options.send_at", "reason": "too_far_ahead", "expected": expected})
    if options.expires_at and options.expires_at <= begins:
        reason = "in_the_past" if options.expires_at <= now else "before_send_at"
        expected = "a time to come, after options.send_at"
        faults.append({"field": "options.expires_at", "reason": reason, "expected": expected})
    return faults


def _refuse_waiting_in_vain(intent: Intent, raw: Mapping[str, Any], payload: Mapping[str, Any]) -> None:
    waits, reason = raw.get("success_status", ACCEPTED) != ACCEPTED, "not_allowed"
    if waits and not intent.name.startswith(FOLLOWED):
        field, expected = "success_status", "accepted: this intent sends no message"
    elif waits and sum(len(payload[name]) for name in ("to", "cc", "bcc") if isinstance(payload.get(name), list)) > 1:
        field, reason = "success_status", "several_recipients"
        expected = "accepted, or one address in to, cc and bcc: the next provider would send to all of them again"
    elif "fallback_after_ms" in raw and not waits:
        field, expected = "fallback_after_ms", "none, without a success_status of sent or delivered"
    else:
        return
    fault = {"field": f"options.{field}", "reason": reason, "expected": expected}
    raise InvalidRequest(f"options.{field} is not allowed here.", reason="invalid_fields", fields=[fault])
