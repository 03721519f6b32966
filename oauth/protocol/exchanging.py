"""A code for tokens."""

from dataclasses import replace

from integrationhub.core.deadline import Deadline
from oauth.application import Application
from oauth.errors import OAuthTokenExchangeFailed
from oauth.protocol.asking import Failed, ask
from oauth.protocol.client_authentication import signed
from oauth.protocol.granting import JSON_PLEASE, granted
from oauth.protocol.long_lived import prolonged
from oauth.protocol.places import filled_in
from oauth.protocol.tokens import Tokens
from oauth.table import OAuthProvider


def exchange(
    provider: OAuthProvider,
    application: Application,
    *,
    code: str,
    redirect_uri: str,
    code_verifier: str | None,
    deadline: Deadline,
) -> Tokens:
    """What the code of a callback stands for; Facebook's and Instagram's with a long life, or none at all.

    `code_verifier` is sent where the table says that the provider takes it. Raises OAuthTokenExchangeFailed.
    """
    form = {
        "grant_type": "authorization_code",
        "code": code.removesuffix(provider.code_suffix),
        "redirect_uri": redirect_uri,
    }
    if provider.pkce and code_verifier:
        form["code_verifier"] = code_verifier
    try:
        request = signed(provider, application, form)
        url = filled_in(provider.token_url, application)
        answer = ask("POST", url, deadline=deadline, headers=JSON_PLEASE, **request)
        tokens = granted(provider, answer, [*application.secrets, code, code_verifier])
        tokens = replace(tokens, client_id=application.client_id)
        # A token of an hour that nobody can refresh is no connection: all of it fails.
        return (
            prolonged(provider, provider.long_lived, application, tokens, deadline) if provider.long_lived else tokens
        )
    except Failed as failure:
        raise OAuthTokenExchangeFailed(
            failure.told_of(provider.display_name), provider=provider.key, **failure.details
        ) from None
