"""Which identity provider vouches for a tenant's people: set, changed, read."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings

from integrationhub.audit import trail
from integrationhub.core.errors import InvalidRequest
from integrationhub.core.tenancy import tenant_scope
from oauth.saml import certificates, metadata
from oauth.saml.models import IdentityProvider
from providers import schema_faults
from providers.schema_faults import Fault

IDP_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "entity_id": {
            "type": "string",
            "minLength": 1,
            "maxLength": 1024,
            "description": "the identity provider's entity id (its Issuer)",
        },
        "sso_url": {
            "type": "string",
            "maxLength": 2048,
            "description": "the https:// address of its HTTP-Redirect binding",
        },
        "certificates": {
            "type": "array",
            "minItems": 1,
            "maxItems": 5,
            "items": {"type": "string", "maxLength": 16384},
            "description": "its signing certificates, X.509 in PEM; both the old and the new one during a rotation",
        },
        "metadata_xml": {
            "type": "string",
            "maxLength": 524288,
            "description": "the identity provider's metadata, in place of the three above",
        },
        "allow_idp_initiated": {
            "type": "boolean",
            "default": False,
            "description": "also take sign-ins that began at the identity provider, which answer no request",
        },
    },
    "oneOf": [{"required": ["entity_id", "sso_url", "certificates"]}, {"required": ["metadata_xml"]}],
    "additionalProperties": False,
}
_IDP = schema_faults.compiled(IDP_SCHEMA)
_MEMBERS = schema_faults.compiled({"type": "object", "properties": IDP_SCHEMA["properties"]})


def configure(*, tenant_id: UUID, body: Mapping[str, Any], subject: str) -> IdentityProvider:
    """Make `body` (IDP_SCHEMA) the tenant's identity provider. `subject` is who asks. Raises InvalidRequest."""
    asked = _read(body)
    with tenant_scope(tenant_id):
        rows = IdentityProvider.objects.for_tenant(tenant_id)
        idp, created = rows.update_or_create(tenant_id=tenant_id, defaults=asked)
        trail.record(
            tenant_id=tenant_id,
            action="identity_provider.set" if created else "identity_provider.changed",
            actor=subject,
            about=f"identity_provider:{idp.id}",
            entity_id=idp.entity_id,
            sso_url=idp.sso_url,
            fingerprints=[certificates.fingerprint(certificates.load(pem)) for pem in idp.certificates],
            allow_idp_initiated=idp.allow_idp_initiated,
        )
    return idp


def find(*, tenant_id: UUID) -> IdentityProvider | None:
    with tenant_scope(tenant_id):
        return IdentityProvider.objects.for_tenant(tenant_id).first()


def get(*, tenant_id: UUID) -> IdentityProvider:
    """Raises InvalidRequest (404) where the tenant has none."""
    if (idp := find(tenant_id=tenant_id)) is None:
        raise InvalidRequest(
            "This tenant has no identity provider yet: PUT one here.",
            status=404,
            reason="not_configured",
            service_provider=service_provider(tenant_id),
        )
    return idp


def service_provider(tenant_id: UUID) -> dict[str, str]:
    """The addresses that the identity provider is told."""
    return {
        "entity_id": metadata.entity_id(tenant_id),
        "acs_url": metadata.acs_url(tenant_id),
        "metadata_url": metadata.metadata_url(tenant_id),
        "login_url": metadata.login_url(tenant_id),
    }


def _read(body: Mapping[str, Any]) -> dict[str, Any]:
    _refuse(schema_faults.faults(_IDP, body))
    asked, at = {"allow_idp_initiated": False, **body}, ""
    if (xml := asked.pop("metadata_xml", None)) is not None:
        asked, at = {**asked, **_of_metadata(xml)}, "metadata_xml"
        _refuse(schema_faults.faults(_MEMBERS, asked, at=at))
    _refuse(_faults(asked, at))
    pems = [certificates.pem(certificates.load(text)) for text in asked["certificates"]]
    return {**asked, "certificates": list(dict.fromkeys(pems))}


def _of_metadata(xml: str) -> dict[str, Any]:
    try:
        return metadata.identity_provider(xml)
    except ValueError as error:
        raise _invalid([{"field": "metadata_xml", "reason": "wrong_form", "expected": str(error)}]) from error


def _faults(asked: Mapping[str, Any], at: str) -> list[Fault]:
    before = f"{at}." if at else ""
    found = [
        {"field": f"{before}certificates[{number}]", "reason": "wrong_form", "expected": expected}
        for number, text in enumerate(asked["certificates"])
        if (expected := certificates.fault(text))
    ]
    if not _is_sign_on_address(asked["sso_url"]):
        expected = "an https:// address without user name and fragment"
        found.append({"field": f"{before}sso_url", "reason": "wrong_form", "expected": expected})
    return found


def _is_sign_on_address(url: str) -> bool:
    """People's browsers are sent there. Plain http is for a hub that is itself on it."""
    if not re.fullmatch(r"[!-\[\]-~]+", url):
        return False
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    schemes = {"https", urlsplit(settings.PUBLIC_BASE_URL).scheme}
    return named and parts.scheme in schemes and "@" not in parts.netloc and "#" not in url


def _refuse(faults: list[Fault]) -> None:
    if faults:
        raise _invalid(faults)


def _invalid(faults: list[Fault]) -> InvalidRequest:
    names = ", ".join(fault["field"] for fault in faults)
    return InvalidRequest(f"Not valid: {names[:500]}.", reason="invalid_fields", fields=faults)
