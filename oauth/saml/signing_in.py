"""Taking what an identity provider says of somebody: valid, in answer to a request of ours, and once."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.db import IntegrityError

from integrationhub.audit import refusals, trail
from integrationhub.core.database import violates
from integrationhub.core.tenancy import tenant_scope
from oauth.saml import certificates, configuring, metadata
from oauth.saml.asking import is_path
from oauth.saml.errors import SamlDecode
from oauth.saml.models import IdentityProvider, SignInRequest, UsedAssertion
from oauth.saml.validating import SKEW, Assertion, Expected, assertion_in


@dataclass(frozen=True, slots=True)
class SignIn:
    """Somebody who has signed in, and the path that they were on their way to, if any."""

    assertion: Assertion
    relay_state: str | None


def sign_in(*, tenant_id: UUID, saml_response: str, relay_state: str = "", actor: str = trail.UNKNOWN) -> SignIn:
    """Who a `SAMLResponse` signs in; it can do so once. `actor` is who hands it in.

    Raises SamlDecode; then nobody is signed in, nothing is used up, and the tenant's trail tells of it.
    """
    idp = configuring.find(tenant_id=tenant_id)
    if idp is None:
        # Of tenants that may not exist there is nothing to tell.
        raise SamlDecode("not_configured")
    try:
        return _accepted(idp, saml_response, relay_state, actor)
    except SamlDecode as refusal:
        refusals.note_sign_in(tenant_id=tenant_id, actor=actor, reason=refusal.reason)
        raise


def forget_past() -> None:
    """Delete, for all tenants, the requests that nobody may answer any more and the assertions that are over anyway."""
    now = datetime.now(UTC)
    SignInRequest.objects.using("system").filter(expires_at__lt=now).delete()
    UsedAssertion.objects.using("system").filter(expires_at__lt=now - SKEW).delete()


def _accepted(idp: IdentityProvider, saml_response: str, relay_state: str, actor: str) -> SignIn:
    if relay_state and not is_path(relay_state):
        raise SamlDecode("relay_state")
    assertion = assertion_in(saml_response, _expected(idp))
    try:
        return _used(idp, assertion, relay_state, actor)
    except IntegrityError as error:
        if violates(error, "saml_usedassertion_pkey"):
            raise SamlDecode("replayed") from error
        raise


def _expected(idp: IdentityProvider) -> Expected:
    return Expected(
        issuer=idp.entity_id,
        certificates=[certificates.load(pem) for pem in idp.certificates],
        audience=metadata.entity_id(idp.tenant_id),
        acs_url=metadata.acs_url(idp.tenant_id),
    )


def _used(idp: IdentityProvider, assertion: Assertion, relay_state: str, actor: str) -> SignIn:
    """The assertion and the request that it answers, both used up, or neither."""
    tenant_id, digest = idp.tenant_id, hashlib.sha256(assertion.id.encode()).hexdigest()
    with tenant_scope(tenant_id):
        UsedAssertion.objects.create(tenant_id=tenant_id, digest=digest, expires_at=assertion.valid_until)
        if assertion.in_response_to is not None:
            relay_state = _answered(tenant_id, assertion.in_response_to)
        elif not idp.allow_idp_initiated:
            raise SamlDecode("in_response_to")
        trail.record(
            tenant_id=tenant_id,
            action="sign_in.accepted",
            actor=actor,
            about=f"identity_provider:{idp.id}",
            subject=assertion.subject,
            assertion_id=assertion.id,
            in_response_to=assertion.in_response_to,
        )
    return SignIn(assertion, relay_state or None)


def _answered(tenant_id: UUID, request_id: str) -> str:
    """The path that an open request has kept; the request is gone with its answer."""
    rows = SignInRequest.objects.for_tenant(tenant_id).filter(id=request_id, expires_at__gt=datetime.now(UTC))
    asked = rows.first()
    if asked is None or not rows.delete()[0]:
        raise SamlDecode("in_response_to")
    return str(asked.relay_state)
