"""Meta's second exchange: a token of an hour for one of two months. Facebook does it again with that one, to refresh.

https://developers.facebook.com/docs/facebook-login/guides/access-tokens/get-long-lived
https://developers.facebook.com/docs/instagram-platform/reference/access_token
"""

from dataclasses import replace

from integrationhub.core.deadline import Deadline
from oauth.application import Application
from oauth.protocol.asking import ask
from oauth.protocol.granting import JSON_PLEASE, granted
from oauth.protocol.tokens import Tokens
from oauth.table import LongLived, OAuthProvider


def prolonged(
    provider: OAuthProvider, kind: LongLived, application: Application, tokens: Tokens, deadline: Deadline
) -> Tokens:
    """The same grant with a token that lives longer. Raises Failed. Meta takes a GET only, the secret in its URL."""
    params = {
        "grant_type": kind.grant_type,
        **({"client_id": application.client_id} if kind.with_client_id else {}),
        "client_secret": application.client_secret,
        kind.token_param: tokens.access_token,
    }
    answer = ask("GET", kind.url, deadline=deadline, params=params, headers=JSON_PLEASE)
    longer = granted(provider, answer, [*application.secrets, tokens.access_token])
    return replace(tokens, access_token=longer.access_token, expires_in=longer.expires_in)
