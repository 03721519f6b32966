"""The end of a flow: the code that came back is exchanged, and the account becomes a connection."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.conf import settings

from integrationhub.core.deadline import Deadline
from integrationhub.core.tenancy import let_go_of_connection
from oauth import addresses, authorizing, keeping, protocol, table, tickets
from oauth.authorizing import Consumed
from oauth.errors import (
    OAuthCodeRequired,
    OAuthProfileFetchFailed,
    OAuthProviderRequired,
    OAuthTokenExchangeFailed,
)
from oauth.models import Connection, Flow
from oauth.storing import Granted, failed, store
from oauth.table import OAuthProvider

logger = logging.getLogger(__name__)

# The whole flow behind a callback: a long-lived exchange, a key set and two calls for a profile may be part of it.
SECONDS = 20


@dataclass(frozen=True, slots=True)
class Returned:
    """What came back: `user` is Apple's form field of that name, `issuer` is RFC 9207's `iss`."""

    provider_key: str
    code: str | None = field(repr=False)
    state: str | None = field(repr=False)
    issuer: str | None = None
    user: str | None = field(default=None, repr=False)
    # Of a front end that made its own; used only where no state is needed.
    verifier: str | None = field(default=None, repr=False)
    redirect_uri: str | None = None


def connect(*, tenant_id: UUID, subject: str, returned: Returned) -> Connection:
    """The callback as a front end or back end passes it on, with a token of its own.

    Raises OAuthProviderRequired, OAuthUnsupportedProvider, OAuthCodeRequired, OAuthTokenExchangeFailed, and what the
    tenant's client or the vault may lack.
    """
    if not returned.provider_key:
        raise OAuthProviderRequired()
    provider = table.get(returned.provider_key)
    if not returned.code:
        raise OAuthCodeRequired()
    deadline = Deadline.after(SECONDS)
    if returned.state:
        consumed = take(returned, tenant_id=tenant_id, subject=subject, deadline=deadline)
        if returned.redirect_uri not in (None, consumed.row.redirect_uri):
            raise failed("redirect_uri is not the one that this state was made for.", "redirect_uri_mismatch")
    else:
        consumed = _without_state(tenant_id, subject, provider, returned)
    return complete(consumed, returned, deadline)


def take(
    returned: Returned, *, deadline: Deadline, tenant_id: UUID | None = None, subject: str | None = None
) -> Consumed:
    """The start that the state names; `tenant_id` and `subject` must be its own where they are told.

    Raises OAuthUnsupportedProvider, or OAuthTokenExchangeFailed for a state that is missing, used, expired or
    another's. Nothing was asked of the provider then.
    """
    provider = table.get(returned.provider_key)
    ticket = tickets.read(authorizing.STATE, returned.state or "")
    if ticket is None or tenant_id not in (None, ticket.tenant_id):
        raise _invalid_state()
    consumed = authorizing.consume(ticket, provider_key=provider.key, subject=subject, deadline=deadline)
    if consumed is None:
        raise _invalid_state()
    return consumed


def complete(consumed: Consumed, returned: Returned, deadline: Deadline) -> Connection:
    """Exchange the code, learn whose account it is, and store the connection. Raises as `connect` does."""
    start = consumed.row
    provider = table.get(start.provider)
    protocol.check_issuer(provider, returned.issuer)
    if not returned.code:
        raise OAuthCodeRequired()
    application = authorizing.application_of(start.tenant_id, provider, deadline)
    if consumed.client_id not in (None, application.client_id):
        raise failed(
            f"Another client was bound for {provider.display_name} since this start: begin again.", "client_changed"
        )
    let_go_of_connection()
    tokens = protocol.exchange(
        provider,
        application,
        code=returned.code,
        redirect_uri=start.redirect_uri,
        code_verifier=consumed.verifier,
        deadline=deadline,
    )
    claims = None
    if tokens.id_token and provider.jwks_url:
        claims = protocol.claims(provider, application, tokens.id_token, nonce=consumed.nonce, deadline=deadline)
    profile, untold = None, None
    try:
        profile = protocol.profile(
            provider, application, tokens, claims=claims, user_field=returned.user, deadline=deadline
        )
    except OAuthProfileFetchFailed as error:
        # The grant is good, and is not thrown away; who it belongs to can be asked again later.
        logger.warning("A connected account's profile could not be read.", extra={"reason": error.reason})
        untold = error
    account_id = profile.id if profile else _named_by(claims, provider)
    return store(Granted(start, provider, account_id, profile, untold, tokens))


def _named_by(claims: Mapping[str, Any] | None, provider: OAuthProvider) -> str:
    """By its `sub`, only where that is what a profile calls it: Microsoft's is another one for each application."""
    return str(claims["sub"]) if claims and "sub" in provider.profile.members["id"] else ""


def _without_state(tenant_id: UUID, subject: str, provider: OAuthProvider, returned: Returned) -> Consumed:
    """A start that a front end made by itself, where the deployment allows it."""
    if settings.OAUTH_REQUIRE_STATE:
        raise _invalid_state()
    registered = authorizing.application_of(tenant_id, provider).redirect_uris
    keeping.expect_to_seal(tenant_id)
    row = Flow(
        tenant_id=tenant_id,
        provider=provider.key,
        subject=subject,
        redirect_uri=addresses.chosen_redirect_uri(provider.key, returned.redirect_uri, registered),
        scopes=[],
    )
    return Consumed(row, returned.verifier)


def _invalid_state() -> OAuthTokenExchangeFailed:
    return failed("The state is missing, was used before, has expired, or belongs to another start.", "invalid_state")
