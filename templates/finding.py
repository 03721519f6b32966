"""The templates that a tenant has, for those who list them and those who send them."""

from typing import Any
from uuid import UUID

from integrationhub.core.operators import SYSTEM
from integrationhub.core.tenancy import TenantQuerySet, tenant_scope
from templates.errors import TemplateNotFound
from templates.models import SENDABLE, MessageTemplate

MOST_NAMED = 20


def listed(*, tenant_id: UUID, sendable: bool | None = None, **wanted: Any) -> TenantQuerySet:
    """Those that have all that is `wanted`; evaluate it inside the tenant's scope."""
    rows: TenantQuerySet = MessageTemplate.objects.for_tenant(tenant_id)
    for name in {"status", "category", "quality"} & set(wanted):
        wanted[name] = wanted[name].upper()
    if sendable is not None:
        rows = rows.filter(status=SENDABLE) if sendable else rows.exclude(status=SENDABLE)
    return rows.filter(**wanted)


def named(*, tenant_id: UUID, name: str, language: str | None = None, **wanted: Any) -> list[MessageTemplate]:
    """The template in each of its languages, or in the one that is asked for. Raises TemplateNotFound."""
    with tenant_scope(tenant_id):
        found = list(listed(tenant_id=tenant_id, name=name, **wanted).order_by("language"))
    if not found:
        raise TemplateNotFound(f"There is no template '{name[:64]}'.", reason="unknown_name", template=name[:512])
    if language is None:
        return found
    asked = language.replace("-", "_")
    if chosen := [template for template in found if template.language.replace("-", "_") == asked]:
        return chosen
    raise TemplateNotFound(
        f"The template '{name}' is not there in '{language[:32]}'.",
        reason="unknown_language",
        template=name,
        languages=_languages(found),
    )


def to_send(*, tenant_id: UUID, name: str, language: str | None = None, waba_id: str = "") -> MessageTemplate:
    """The one that a message names, of the business account that it goes out by, if that is known. Without a language
    there must be one choice. Raises TemplateNotFound, also for one that Meta would not send now."""
    account = {"waba_id": waba_id} if waba_id else {}
    found = named(tenant_id=tenant_id, name=name, language=language, **account)
    if len(found) > 1:
        raise TemplateNotFound(
            f"The template '{name}' has several languages: name one of them.",
            reason="language_required",
            template=name,
            languages=_languages(found),
        )
    [template] = found
    if not template.is_sendable:
        raise TemplateNotFound(
            f"The template '{name}' ({template.language}) is {template.status or 'without a status'} at Meta: only"
            f" {SENDABLE} ones are sent.",
            reason="not_sendable",
            template=name,
            language=template.language,
            template_status=template.status,
        )
    return template


def holders_of(waba_id: str) -> set[UUID]:
    """All tenants that have templates of this business account: a webhook names an account, and no tenant."""
    rows = MessageTemplate.objects.using(SYSTEM).filter(waba_id=waba_id)
    return set(rows.values_list("tenant_id", flat=True).distinct())


def _languages(found: list[MessageTemplate]) -> list[str]:
    return [template.language for template in found[:MOST_NAMED]]
