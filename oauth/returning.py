"""A person's browser comes back from a provider, with no token of ours: the state says whose flow it was."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from integrationhub.core.deadline import Deadline
from integrationhub.core.errors import HubError
from oauth import connecting, table
from oauth.authorizing import Consumed
from oauth.connecting import Returned
from oauth.errors import OAuthTokenExchangeFailed
from oauth.models import Connection, Flow
from oauth.protocol.asking import LONGEST_CODE, quoted
from oauth.table import OAuthProvider

# What the providers call it when a person says no.
REFUSALS = frozenset(
    {"access_denied", "user_cancelled_login", "user_cancelled_authorize", "user_cancelled_authorization"}
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """`start` is None where the state belongs to no flow or was not spent; `link` is the token of the page to try again
    on, and `opener_origin` whose page opened that in a pop-up."""

    provider: OAuthProvider
    connection: Connection | None
    error: HubError | None
    start: Flow | None
    link: str | None = field(repr=False)
    opener_origin: str = ""

    @property
    def can_come_again(self) -> bool:
        """Whether the very same answer may do better in a moment: its state was not spent, nor was its code sent."""
        return self.start is None and self.error is not None and self.error.is_retryable


def came_back(provider_key: str, said: Mapping[str, str]) -> Outcome:
    """`said` is the query of the callback, or Apple's form. Raises OAuthUnsupportedProvider; every other failure is the
    outcome's `error`."""
    provider, deadline = table.get(provider_key), Deadline.after(connecting.SECONDS)
    returned = Returned(
        provider.key, said.get("code"), said.get("state"), issuer=said.get("iss"), user=said.get("user")
    )
    consumed: Consumed | None = None
    try:
        consumed = connecting.take(returned, deadline=deadline)
        _raise_what_it_says(provider, said)
        connection = connecting.complete(consumed, returned, deadline)
    except HubError as error:
        return _outcome(provider, consumed, error=error)
    return _outcome(provider, consumed, connection=connection)


def _outcome(
    provider: OAuthProvider,
    consumed: Consumed | None,
    connection: Connection | None = None,
    error: HubError | None = None,
) -> Outcome:
    if consumed is None:
        return Outcome(provider, connection, error, None, None)
    return Outcome(provider, connection, error, consumed.row, consumed.link, consumed.opener_origin)


def _raise_what_it_says(provider: OAuthProvider, said: Mapping[str, str]) -> None:
    """Raises OAuthTokenExchangeFailed for an answer that is an error: RFC 6749, section 4.1.2.1, and Facebook's own
    members (https://developers.facebook.com/docs/facebook-login/guides/advanced/manual-flow#canceled)."""
    code = said.get("error") or said.get("error_code")
    if not code:
        return
    words = quoted(said.get("error_description") or said.get("error_message") or "")
    is_refusal = code in REFUSALS or said.get("error_reason") == "user_denied"
    told = {"code": quoted(code, longest=LONGEST_CODE), "message": words}
    raise OAuthTokenExchangeFailed(
        f"The person did not agree at {provider.display_name}."
        if is_refusal
        else f"{provider.display_name} answered: {told['code']}{f' ({words})' if words else ''}.",
        reason="access_denied" if is_refusal else "refused_by_provider",
        provider=provider.key,
        provider_error=told,
    )
