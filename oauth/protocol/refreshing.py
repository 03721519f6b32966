"""Tokens that live on."""

from dataclasses import replace

from integrationhub.core.deadline import Deadline
from oauth.application import Application
from oauth.errors import OAuthRefreshFailed, OAuthRefreshNotSupported
from oauth.protocol.asking import Failed, ask
from oauth.protocol.client_authentication import signed
from oauth.protocol.granting import JSON_PLEASE, granted
from oauth.protocol.long_lived import prolonged
from oauth.protocol.places import filled_in
from oauth.protocol.tokens import Tokens
from oauth.table import OAuthProvider


def refresh(provider: OAuthProvider, application: Application, tokens: Tokens, deadline: Deadline) -> Tokens:
    """New tokens for old ones. The refresh token is the old one where the answer brings none, and so are the scopes;
    Facebook exchanges the access token itself.

    Raises OAuthRefreshNotSupported before anything else; OAuthRefreshFailed with `needs_reauth` when the provider says
    that the grant is over, or there is no refresh token (`no_refresh_token`). Otherwise the grant stands, and the error
    is `retryable` where asking again can help: not where the application itself was refused (`client_refused`).
    """
    if provider.refresh is None:
        raise not_supported(provider)
    try:
        if tokens.client_id not in (None, application.client_id):
            # Providers say `invalid_grant` to it (RFC 6749, section 5.2), though with its own client the grant stands.
            raise Failed("client_changed")
        if provider.refresh == "reexchange" and provider.long_lived:
            return prolonged(provider, provider.long_lived, application, tokens, deadline)
        return _refreshed(provider, application, tokens, deadline)
    except Failed as failure:
        is_over = failure.reason == "no_refresh_token" or _ends_grant(provider, failure)
        details = {**failure.details, **({"reason": "grant_over"} if _ends_grant(provider, failure) else {})}
        raise OAuthRefreshFailed(
            failure.told_of(provider.display_name),
            needs_reauth=is_over,
            retryable=failure.may_pass and not is_over,
            is_lost=failure.is_lost,
            provider=provider.key,
            **details,
        ) from None


def not_supported(provider: OAuthProvider) -> OAuthRefreshNotSupported:
    return OAuthRefreshNotSupported(
        f"Tokens of {provider.display_name} are not refreshed: have the person connect the account again.",
        provider=provider.key,
    )


def _refreshed(provider: OAuthProvider, application: Application, tokens: Tokens, deadline: Deadline) -> Tokens:
    if not tokens.refresh_token:
        raise Failed("no_refresh_token")
    request = signed(provider, application, {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token})
    url = filled_in(provider.token_url, application)
    answer = ask("POST", url, deadline=deadline, headers=JSON_PLEASE, **request)
    new = granted(provider, answer, [*application.secrets, tokens.refresh_token, tokens.access_token])
    return replace(
        new,
        refresh_token=new.refresh_token or tokens.refresh_token,
        scopes=new.scopes if new.scopes is not None else tokens.scopes,
        account_id=new.account_id or tokens.account_id,
        client_id=application.client_id,
    )


def _ends_grant(provider: OAuthProvider, failure: Failed) -> bool:
    """Words beside a 5xx, or while we ask too often, say nothing about the grant."""
    return failure.code in provider.reauth_codes and failure.reason in ("refused_by_provider", "client_refused")
