"""The start of a flow: where to send a person, and what must come back with them."""

import base64
import hashlib
import json
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models.functions import Now

from credentials import binding
from credentials.errors import CredentialExpired, CredentialNotFound
from credentials.vault import Context, vault
from integrationhub.core.deadline import Deadline
from integrationhub.core.ids import new_id
from integrationhub.core.tenancy import tenant_scope
from oauth import addresses, keeping, table, tickets
from oauth.application import Application
from oauth.models import Flow
from oauth.protocol import authorization_url
from oauth.table import OAuthProvider

STATE = "state"
LIVES = timedelta(minutes=10)
VERIFIER_BYTES, NONCE_BYTES = 48, 24


@dataclass(frozen=True, slots=True)
class Wish:
    """What a start may be asked for beside the provider. `scopes` replaces the tenant's own, and those the provider's
    defaults; `link` is the token of a session's page, to try again on, and `opener_origin` who opened that."""

    scopes: Sequence[str] = ()
    redirect_uri: str | None = None
    return_to: str | None = None
    connection_id: UUID | None = None
    session_id: UUID | None = None
    opener_origin: str = ""
    link: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Started:
    """`url` is for the person's browser; `state` comes back with it."""

    provider: str
    url: str = field(repr=False)
    state: str = field(repr=False)
    redirect_uri: str
    scopes: Sequence[str]
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Consumed:
    """A start whose state came back, and what only we know of it; `client_id` is whom the person was asked for."""

    row: Flow
    verifier: str | None = field(repr=False)
    nonce: str | None = field(default=None, repr=False)
    link: str | None = field(default=None, repr=False)
    client_id: str | None = None
    opener_origin: str = ""


def application_of(tenant_id: UUID, provider: OAuthProvider, deadline: Deadline | None = None) -> Application:
    """The client that the tenant registered at this provider, opened for the call that is about to be made.

    Raises CredentialNotFound, CredentialExpired, or VaultUnreadable.
    """
    credential = binding.in_use(tenant_id=tenant_id).get(provider.key)
    if credential is None:
        raise CredentialNotFound(
            f"No client is bound for {provider.display_name}: bind its client id and secret "
            f'with POST /credentials/bind, as "provider_key": "{provider.key}".',
            provider_key=provider.key,
        )
    return Application.read(binding.opened(credential, deadline))


def start(*, tenant_id: UUID, provider_key: str, subject: str, wish: Wish | None = None) -> Started:
    """Store a state for ten minutes, and the PKCE verifier and nonce beside it, sealed.

    Raises OAuthUnsupportedProvider, InvalidRequest for an address that is not allowed, and what `application_of` does.
    """
    provider, wish = table.get(provider_key), wish or Wish()
    application = application_of(tenant_id, provider)
    ticket = tickets.issue(STATE, tenant_id)
    row = Flow(
        id=new_id(),
        tenant_id=tenant_id,
        digest=ticket.digest,
        provider=provider.key,
        subject=subject,
        redirect_uri=addresses.chosen_redirect_uri(provider.key, wish.redirect_uri, application.redirect_uris),
        scopes=list(wish.scopes or application.scopes or provider.default_scopes),
        connection_id=wish.connection_id,
        session_id=wish.session_id,
        return_to=addresses.safe_return_to(wish.return_to, application.return_origins),
        expires_at=datetime.now(UTC) + LIVES,
    )
    verifier = secrets.token_urlsafe(VERIFIER_BYTES) if provider.pkce else None
    nonce = secrets.token_urlsafe(NONCE_BYTES) if provider.nonce else None
    known = {"verifier": verifier, "nonce": nonce, "link": wish.link, "client_id": application.client_id}
    known |= {"opener_origin": wish.opener_origin}
    row.sealed = vault().seal(json.dumps(known).encode(), _place(row))
    url = authorization_url(
        provider,
        application,
        redirect_uri=row.redirect_uri,
        state=ticket.text,
        scopes=row.scopes,
        nonce=nonce,
        code_challenge=challenge(verifier) if verifier else None,
    )
    with tenant_scope(tenant_id):
        row.save(force_insert=True)
    return Started(provider.key, url, ticket.text, row.redirect_uri, row.scopes, row.expires_at)


def consume(ticket: tickets.Ticket, *, provider_key: str, subject: str | None, deadline: Deadline) -> Consumed | None:
    """The start that this state belongs to, taken for good by one conditional statement; None where there is none of
    this provider, and of this subject if one is told, that may still be taken.

    Raises VaultUnreadable; a vault that is away spends no state, so that the same answer can come again.
    """
    told = {"digest": ticket.digest, "provider": provider_key, **({"subject": subject} if subject is not None else {})}
    rows = Flow.objects.for_tenant(ticket.tenant_id).filter(consumed_at=None, expires_at__gt=Now(), **told)
    with tenant_scope(ticket.tenant_id):
        row = rows.first()
    if row is None:
        return None
    known: dict[str, Any] = json.loads(vault().open(bytes(row.sealed), _place(row), deadline))
    _expect_the_vault(ticket.tenant_id, provider_key, deadline)
    with tenant_scope(ticket.tenant_id):
        if not rows.update(consumed_at=Now()):
            return None
    client_id, opener_origin = known.get("client_id"), known.get("opener_origin", "")
    return Consumed(row, known["verifier"], known["nonce"], known["link"], client_id, opener_origin)


def _expect_the_vault(tenant_id: UUID, provider_key: str, deadline: Deadline) -> None:
    """What the rest of the flow needs of it is remembered then. That a client is gone, the exchange will say."""
    keeping.expect_to_seal(tenant_id)
    with suppress(CredentialNotFound, CredentialExpired):
        application_of(tenant_id, table.get(provider_key), deadline)


def challenge(verifier: str) -> str:
    """S256: https://www.rfc-editor.org/rfc/rfc7636#section-4.2"""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _place(row: Flow) -> Context:
    return Context(row.tenant_id, Flow._meta.db_table, row.id, "sealed")
