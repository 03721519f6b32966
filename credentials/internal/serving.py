"""What sibling services may do with the credentials of any tenant: bind one, and read the one in use."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog

from credentials import asking, binding
from credentials.asking import BIND_SCHEMA
from credentials.errors import CredentialBindFailed, CredentialNotFound, InternalCredentialBindFailed
from credentials.models import Credential
from integrationhub.audit import trail
from integrationhub.core.http import Service
from integrationhub.core.ids import read_id
from integrationhub.core.tenancy import tenant_scope

_TENANT = {"type": "string", "format": "uuid", "description": "the tenant whose credential it is"}
INTERNAL_BIND_SCHEMA: dict[str, Any] = {
    **BIND_SCHEMA,
    "properties": {"tenant_id": _TENANT, **BIND_SCHEMA["properties"]},
    "required": ["tenant_id", *BIND_SCHEMA["required"]],
}


@dataclass(frozen=True, slots=True)
class Opened:
    credential: Credential
    secrets: Mapping[str, Any] = field(repr=False)


def tenant_of(body: Mapping[str, Any]) -> UUID | None:
    """The tenant that a request names; None where it names none, or something else."""
    named = body.get("tenant_id")
    return read_id(named) if isinstance(named, str) else None


def bind(body: Mapping[str, Any], service: Service) -> Credential:
    """`binding.bind_asked` for the tenant that the body names. Raises InternalCredentialBindFailed."""
    asked = {name: value for name, value in body.items() if name != "tenant_id"}
    try:
        if (tenant_id := tenant_of(body)) is None:
            raise _without_tenant(body, asked)
        structlog.contextvars.bind_contextvars(tenant_id=str(tenant_id))
        return binding.bind_asked(tenant_id=tenant_id, body=asked, subject=_actor(service))
    except CredentialBindFailed as error:
        raise InternalCredentialBindFailed(
            error.message, retryable=error.is_retryable, retry_after=error.retry_after, **error.details
        ) from error


def read(*, tenant_id: str, provider_key: str, service: Service) -> Opened:
    """The credential in use, opened. Raises CredentialNotFound, CredentialExpired or VaultUnreadable.

    Opening may ask a vault over the network, and so happens in no transaction; the last word is that of the one which
    records the read. What it cannot record, or finds revoked meanwhile, is not handed out.
    """
    tenant = read_id(tenant_id)
    credential = binding.in_use(tenant_id=tenant).get(provider_key) if tenant else None
    if credential is None:
        raise _not_found(provider_key)
    structlog.contextvars.bind_contextvars(tenant_id=str(tenant))
    secrets = binding.opened(credential)
    with tenant_scope(credential.tenant_id):
        bound = binding.bound(tenant_id=credential.tenant_id, provider_key=credential.provider_key)
        if not bound.filter(id=credential.id).exists():
            raise _not_found(provider_key)
        trail.record(
            tenant_id=credential.tenant_id,
            action="credential.read",
            actor=_actor(service),
            about=f"credential:{credential.id}",
            provider_key=credential.provider_key,
            version=credential.version,
        )
    return Opened(credential, secrets)


def _actor(service: Service) -> str:
    """A service in the audit trail."""
    return f"service:{service.identity}"


def _not_found(provider_key: str) -> CredentialNotFound:
    return CredentialNotFound(
        f"The tenant has no credential in use for {provider_key[:64]!r}.", provider_key=provider_key[:64]
    )


def _without_tenant(body: Mapping[str, Any], asked: Mapping[str, Any]) -> CredentialBindFailed:
    """The fault of the tenant, beside every other one that the body has."""
    reason = "wrong_form" if "tenant_id" in body else "required"
    faults = [{"field": "tenant_id", "reason": reason, "expected": _TENANT["description"] + ", as a UUID"}]
    try:
        asking.read(asked)
    except CredentialBindFailed as error:
        faults += error.details.get("fields", [])
    names = ", ".join(fault["field"] for fault in faults[:5])
    return CredentialBindFailed(
        f"Nothing was stored: see details.fields ({names}).", reason="invalid_fields", fields=faults
    )
