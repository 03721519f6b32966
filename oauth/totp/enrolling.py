"""Giving an account's authenticator app its secret, and taking it away again."""

import base64
import io
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

import segno

from credentials.vault import vault
from integrationhub.audit import trail
from integrationhub.core.errors import InvalidRequest
from integrationhub.core.ids import new_id, read_id
from integrationhub.core.tenancy import TenantQuerySet, tenant_scope
from oauth.totp.errors import not_enrolled
from oauth.totp.models import Enrolment
from providers import schema_faults

# https://www.rfc-editor.org/rfc/rfc4226#section-4 recommends 160 bits.
SECRET_BYTES = 20
# A colon stands between the two in what the app reads; the lengths keep the longest pair within one QR code.
# https://github.com/google/google-authenticator/wiki/Key-Uri-Format
_NAME = r"^[^\s:\u0000-\u001f\u007f]([^:\u0000-\u001f\u007f]*[^\s:\u0000-\u001f\u007f])?$"
_WORDS = "characters, no colon, no space at either end"
ENROLL_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "account": {
            "type": "string",
            "minLength": 1,
            "maxLength": 128,
            "pattern": _NAME,
            "description": f"whose codes they are, as the app is to show it: 1 to 128 {_WORDS}",
        },
        "issuer": {
            "type": "string",
            "minLength": 1,
            "maxLength": 40,
            "pattern": _NAME,
            "default": "Integration Hub",
            "description": f"whom they are for, as the app is to show it: 1 to 40 {_WORDS}",
        },
    },
    "required": ["account"],
    "additionalProperties": False,
}
_ENROLL = schema_faults.compiled(ENROLL_SCHEMA)


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A new enrolment and its secret, which is shown this once: as base32, as an address, as a picture of that."""

    enrolment: Enrolment
    secret: str = field(repr=False)
    otpauth_uri: str = field(repr=False)
    qr_svg: str = field(repr=False)


def enroll(*, tenant_id: UUID, body: Mapping[str, Any], subject: str) -> Enrolled:
    """Make a secret and store it sealed. `body` is `ENROLL_SCHEMA`, `subject` who asks.

    Raises InvalidRequest, or VaultUnreadable where the vault cannot seal; then nothing was stored.
    """
    account, issuer = _checked(body)
    secret = secrets.token_bytes(SECRET_BYTES)
    enrolment = Enrolment(id=new_id(), tenant_id=tenant_id, account=account)
    enrolment.sealed = vault().seal(secret, enrolment.place)
    shown = base64.b32encode(secret).decode()
    uri = otpauth_uri(shown, account=account, issuer=issuer)
    enrolled = Enrolled(enrolment, shown, uri, qr_svg(uri))
    with tenant_scope(tenant_id):
        enrolment.save(force_insert=True)
        record(enrolment, "totp.enrolled", subject)
    return enrolled


def remove(*, tenant_id: UUID, enrolment_id: str, subject: str) -> None:
    """Its codes are right no more, its secret is gone for good. Raises InvalidRequest (404)."""
    with tenant_scope(tenant_id):
        enrolment = find(tenant_id, enrolment_id).select_for_update().first()
        if enrolment is None:
            raise not_enrolled(enrolment_id)
        find(tenant_id, enrolment_id).delete()
        record(enrolment, "totp.removed", subject)


def find(tenant_id: UUID, enrolment_id: str) -> TenantQuerySet:
    """The enrolment of this id, if the tenant has it. Evaluate it inside the tenant's scope."""
    rows: TenantQuerySet = Enrolment.objects.for_tenant(tenant_id)
    return rows.filter(id=read_id(enrolment_id))


def record(enrolment: Enrolment, action: str, subject: str, **details: Any) -> None:
    """One entry in the trail, as the last statement in the scope of the change."""
    trail.record(
        tenant_id=enrolment.tenant_id,
        action=action,
        actor=subject,
        about=f"totp:{enrolment.id}",
        account=enrolment.account,
        **details,
    )


def otpauth_uri(secret: str, *, account: str, issuer: str) -> str:
    """What an authenticator app is told; what it does not say is the default of every app, and ours."""
    label = f"{quote(issuer, safe='')}:{quote(account, safe='@')}"
    return f"otpauth://totp/{label}?{urlencode({'secret': secret, 'issuer': issuer}, quote_via=quote)}"


def qr_svg(text: str) -> str:
    """A QR code as an SVG document, dark on white whatever the page's ground; usable in HTML as it is."""
    drawn = io.BytesIO()
    segno.make_qr(text, error="l").save(drawn, kind="svg", scale=4, light="white", xmldecl=False, nl=False)
    return drawn.getvalue().decode()


def _checked(body: Mapping[str, Any]) -> tuple[str, str]:
    """Account and issuer. Raises InvalidRequest naming every field at fault."""
    if faults := schema_faults.faults(_ENROLL, body):
        names = ", ".join(fault["field"] for fault in faults[:5])
        raise InvalidRequest(
            f"Nobody was enrolled: see details.fields ({names}).", reason="invalid_fields", fields=faults[:100]
        )
    return body["account"], body.get("issuer", ENROLL_SCHEMA["properties"]["issuer"]["default"])
