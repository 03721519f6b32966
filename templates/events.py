"""What Meta's webhooks tell of templates. They are hints to be quick: the next sync knows better.

https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/message_template_status_update
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models.functions import Now

from integrationhub.core.representation import moment
from integrationhub.core.tenancy import tenant_scope
from integrationhub.outbox import events
from templates import doubting, runs
from templates.models import MessageTemplate

# Events that are states as well. After any other (FLAGGED, REINSTATED, ...) only a sync tells what the state is.
STATES = {
    "APPROVED",
    "ARCHIVED",
    "DELETED",
    "DISABLED",
    "IN_APPEAL",
    "LOCKED",
    "PAUSED",
    "PENDING",
    "PENDING_DELETION",
    "REJECTED",
}
# Meta tells whole seconds, by a clock that is not ours.
CLOCKS_APART = timedelta(minutes=1)


def apply(tenant_id: UUID, field: str, value: Mapping[str, Any], *, at: datetime) -> None:
    """Apply one change of a webhook to the tenant's template; the same again changes nothing, and neither does what is
    older than what is known. `at` is when it was so, by Meta's clock.

    `field` is one of FIELDS. What cannot be applied (a template that is not known, an event that names no state) asks
    for a sync instead.
    """
    at = min(at, datetime.now(UTC))
    with tenant_scope(tenant_id):
        template = _find(tenant_id, value)
        if _is_old(tenant_id, template, field, at):
            return
        changes = _CHANGES[field](value) if template else {}
        if template and changes:
            _apply(template, field, changes, at)
            return
    doubting.ask_now_and_then(tenant_id)


def _find(tenant_id: UUID, value: Mapping[str, Any]) -> MessageTemplate | None:
    """By Meta's id, else by name and language, where Meta writes `en-US` in some webhooks and `en_US` in others."""
    rows = MessageTemplate.objects.for_tenant(tenant_id).select_for_update()
    if meta_id := value.get("message_template_id"):
        return rows.filter(meta_id=str(meta_id)).first()
    language = str(value.get("message_template_language", "")).replace("-", "_")
    return rows.filter(name=str(value.get("message_template_name", "")), language=language).first()


def _is_old(tenant_id: UUID, template: MessageTemplate | None, field: str, at: datetime) -> bool:
    """Meta tells again for a week, in any order, and operators replay: a listing or an event that is newer stands."""
    if template and moment(at) < template.told_times.get(field, ""):
        return True
    read_at = runs.last_reading(tenant_id)
    return read_at is not None and at < read_at - CLOCKS_APART


def _status(value: Mapping[str, Any]) -> dict[str, str]:
    event = str(value.get("event", "")).upper()
    if event not in STATES:
        return {}
    reason = value.get("reason")
    return {"status": event, "rejected_reason": reason if isinstance(reason, str) else ""}


def _quality(value: Mapping[str, Any]) -> dict[str, str]:
    score = value.get("new_quality_score")
    return {"quality": score} if isinstance(score, str) else {}


def _category(value: Mapping[str, Any]) -> dict[str, str]:
    """A change that is only announced names the category of today as the new one."""
    category, before = value.get("new_category"), value.get("previous_category")
    if not isinstance(category, str):
        return {}
    return {"category": category, **({"previous_category": before} if isinstance(before, str) else {})}


def _components(_: Mapping[str, Any]) -> dict[str, str]:
    """It tells texts without their formats: a sync tells all."""
    return {}


_CHANGES: dict[str, Callable[[Mapping[str, Any]], dict[str, str]]] = {
    "message_template_status_update": _status,
    "message_template_quality_update": _quality,
    "template_category_update": _category,
    "message_template_components_update": _components,
}
# The fields of webhooks that are about templates.
FIELDS = frozenset(_CHANGES)


def _apply(template: MessageTemplate, field: str, changes: Mapping[str, str], at: datetime) -> None:
    before = {name: getattr(template, name) for name in changes}
    told_times = {**template.told_times, field: moment(at)}
    if before == changes and told_times == template.told_times:
        return
    # What is only said again keeps no sync from the row: it knows what webhooks do not tell.
    changed: dict[str, Any] = {} if before == changes else {**changes, "updated_at": Now(), "told_at": Now()}
    rows = MessageTemplate.objects.for_tenant(template.tenant_id).filter(id=template.id)
    rows.update(**changed, told_times=told_times)
    told = {"name": template.name, "language": template.language}
    for name in ("status", "quality", "category"):
        if name in changes and changes[name] != before[name]:
            moved = {**told, "before": before[name], "after": changes[name]}
            events.publish(tenant_id=template.tenant_id, kind=f"template.{name}_changed", **moved)
