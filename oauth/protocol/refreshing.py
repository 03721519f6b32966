"""Tokens that live on."""

from integrationhub.core.deadline import Deadline
from oauth.application import Application
from oauth.protocol.tokens import Tokens
from oauth.table import OAuthProvider


def refresh(provider: OAuthProvider, application: Application, tokens: Tokens, deadline: Deadline) -> Tokens:
    """New tokens for old ones. The refresh token is the old one where the answer brings none; Facebook exchanges the
    access token itself.

    Raises OAuthRefreshNotSupported before anything else; OAuthRefreshFailed with `needs_reauth` when the provider says
    that the grant is over, or there is no refresh token (`no_refresh_token`), and else usually `retryable`.
    """
    raise NotImplementedError
