"""What a tenant installs from the marketplace, how it is ordered, and what of it can be tried."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q
from jsonschema import Draft202012Validator

from integrationhub.audit import trail
from integrationhub.core import tenant_version
from integrationhub.core.database import violates
from integrationhub.core.errors import InvalidRequest
from integrationhub.core.ids import read_id
from integrationhub.core.tenancy import TenantQuerySet, tenant_scope
from marketplace.errors import IntegrationNotFound
from marketplace.models import DEFAULT_PRIORITY, MAX_PRIORITY, Installation, Integration, IntegrationQuerySet
from providers import registry, schema_faults
from providers.adapter import Adapter

_CONFIG = {"type": "object", "description": "what the integration's config_schema asks for"}
_PRIORITY = {
    "type": "integer",
    "minimum": 0,
    "maximum": MAX_PRIORITY,
    "default": DEFAULT_PRIORITY,
    "description": "the lowest is tried first",
}
INSTALL_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"config": _CONFIG, "priority": _PRIORITY},
    "additionalProperties": False,
}
CHANGE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"enabled": {"type": "boolean"}, "priority": _PRIORITY, "config": _CONFIG},
    "minProperties": 1,
    "additionalProperties": False,
}
# The id of a row is made of its time, so it also settles which of two equals was there first.
TRIED_IN = ("priority", "id")


@dataclass(frozen=True, slots=True)
class Candidate:
    """An installation as routing sees it. The caller decides what a disabled one or a planned provider means."""

    installation_id: UUID
    integration_id: UUID
    provider_key: str
    provider_status: str
    display_name: str
    base_url: str
    enabled: bool
    priority: int
    config: Mapping[str, Any]


def on_shelf(
    *, tenant_id: UUID, q: str | None = None, category: str | None = None, installed: bool | None = None
) -> IntegrationQuerySet:
    """Integrations that match, each with `is_installed`. Evaluate it inside the tenant's scope.

    Every word of `q` is in the name, slug or summary.
    """
    mine = Installation.objects.for_tenant(tenant_id).filter(integration=OuterRef("id"))
    rows = Integration.objects.visible().annotate(is_installed=Exists(mine))
    for word in (q or "").split():
        rows = rows.filter(Q(name__icontains=word) | Q(slug__icontains=word) | Q(summary__icontains=word))
    if category is not None:
        rows = rows.filter(provider__category=category)
    return rows if installed is None else rows.filter(is_installed=installed)


def find_on_shelf(*, tenant_id: UUID, id_or_slug: str) -> Integration:
    """Raises IntegrationNotFound for what is not there, and for what this tenant may not see."""
    wanted = Q(id=known_id) if (known_id := read_id(id_or_slug)) else Q(slug=id_or_slug)
    with tenant_scope(tenant_id):
        integration = on_shelf(tenant_id=tenant_id).filter(wanted).first()
    if integration is None:
        raise IntegrationNotFound(f"There is no integration {id_or_slug[:64]!r}.", id=id_or_slug[:64])
    return integration


def install(*, tenant_id: UUID, id_or_slug: str, asked: Mapping[str, Any], subject: str) -> Installation:
    """`asked` may hold `config` and `priority`; `subject` is who asks.

    Raises IntegrationNotFound; AdapterNotFound while the provider is only planned; InvalidRequest naming each field at
    fault, or (409) the installation that the tenant has already.
    """
    integration = find_on_shelf(tenant_id=tenant_id, id_or_slug=id_or_slug)
    adapter = registry.get(integration.provider.provider_key)
    chosen = _checked({"config": {}, **asked}, adapter, is_change=False)
    installation = Installation(tenant_id=tenant_id, integration=integration, **chosen)
    with tenant_scope(tenant_id):
        try:
            with transaction.atomic():
                installation.save(force_insert=True)
                tenant_version.changed(tenant_id)
                _tell(installation, "installation.created", subject, priority=installation.priority)
        except IntegrityError as error:
            if not violates(error, "installed_once"):
                raise
            raise _already_installed(tenant_id, integration) from error
    return installation


def get(*, tenant_id: UUID, installation_id: str) -> Installation:
    """Raises IntegrationNotFound, also for another tenant's installation."""
    with tenant_scope(tenant_id):
        installation = installed(tenant_id=tenant_id).filter(id=read_id(installation_id)).first()
    if installation is None:
        raise _not_installed(installation_id)
    return installation


def installed(*, tenant_id: UUID) -> TenantQuerySet:
    """The tenant's installations, in the order in which they are tried. Evaluate it inside the tenant's scope."""
    rows = Installation.objects.for_tenant(tenant_id).select_related("integration__provider")
    return rows.exclude(integration__provider__provider_key__in=registry.hidden_keys()).order_by(*TRIED_IN)


def configure(*, tenant_id: UUID, installation_id: str, changes: Mapping[str, Any], subject: str) -> Installation:
    """Change `enabled`, `priority` or `config` (as a whole). Raises IntegrationNotFound, InvalidRequest."""
    installation = get(tenant_id=tenant_id, installation_id=installation_id)
    adapter = registry.find(installation.integration.provider.provider_key)
    changes = _checked(changes, adapter, is_change=True)
    for name, value in {**changes, "updated_at": datetime.now(UTC)}.items():
        setattr(installation, name, value)
    with tenant_scope(tenant_id):
        mine = Installation.objects.for_tenant(tenant_id).filter(id=installation.id)
        if not mine.update(**changes, updated_at=installation.updated_at):  # Somebody else has removed it meanwhile.
            raise _not_installed(installation_id)
        tenant_version.changed(tenant_id)
        # Of a configuration that it changed: it may hold anything.
        said = {name: value for name, value in changes.items() if name != "config"}
        _tell(installation, "installation.changed", subject, fields=sorted(changes), **said)
    return installation


def uninstall(*, tenant_id: UUID, installation_id: str, subject: str) -> None:
    """Raises IntegrationNotFound. Credentials stay bound: they belong to the provider."""
    installation = get(tenant_id=tenant_id, installation_id=installation_id)
    with tenant_scope(tenant_id):
        gone, _ = Installation.objects.for_tenant(tenant_id).filter(id=installation.id).delete()
        if not gone:  # Somebody else has removed it meanwhile.
            raise _not_installed(installation_id)
        tenant_version.changed(tenant_id)
        _tell(installation, "installation.removed", subject)


def candidates(*, tenant_id: UUID) -> list[Candidate]:
    """Everything the tenant has installed, in the order in which it is tried, by one query."""
    with tenant_scope(tenant_id):
        return [
            Candidate(
                installation_id=row.id,
                integration_id=row.integration_id,
                provider_key=row.integration.provider.provider_key,
                provider_status=row.integration.provider.status,
                display_name=row.integration.provider.display_name,
                base_url=row.integration.provider.base_url,
                enabled=row.enabled,
                priority=row.priority,
                config=row.config,
            )
            for row in installed(tenant_id=tenant_id)
        ]


def _tell(installation: Installation, action: str, subject: str, **details: Any) -> None:
    """One entry in the trail, inside the scope of the change."""
    trail.record(
        tenant_id=installation.tenant_id,
        action=action,
        actor=subject,
        about=f"installation:{installation.id}",
        provider_key=installation.integration.provider.provider_key,
        **details,
    )


def _checked(asked: Mapping[str, Any], adapter: type[Adapter] | None, *, is_change: bool) -> dict[str, Any]:
    """What was asked, if it fits. Raises InvalidRequest naming every field at fault."""
    if faults := schema_faults.faults(_fitting(adapter, is_change), asked):
        names = ", ".join(fault["field"] for fault in faults[:5])
        raise InvalidRequest(
            f"The integration cannot be set up so: see details.fields ({names}).",
            reason="invalid_fields",
            fields=faults[:100],
        )
    # JSON Schema takes 1.0 for an integer.
    return {**asked, **({"priority": int(asked["priority"])} if "priority" in asked else {})}


def _fitting(adapter: type[Adapter] | None, is_change: bool) -> Draft202012Validator:
    """The body's schema, with the adapter's own in the place of `config`."""
    schema = CHANGE_SCHEMA if is_change else INSTALL_SCHEMA
    config = adapter.config_schema if adapter else schema["properties"]["config"]
    return schema_faults.compiled({**schema, "properties": {**schema["properties"], "config": config}})


def _not_installed(installation_id: str) -> IntegrationNotFound:
    named = installation_id[:64]
    return IntegrationNotFound(f"There is no installed integration {named!r}.", id=named)


def _already_installed(tenant_id: UUID, integration: Integration) -> InvalidRequest:
    known = Installation.objects.for_tenant(tenant_id).filter(integration=integration).values_list("id", flat=True)
    return InvalidRequest(
        f"{integration.name} is installed already. Change it with PATCH /integrations/{{installation_id}}.",
        status=409,
        reason="already_installed",
        installation_id=str(known.first()),
    )
