"""A code for tokens."""

from integrationhub.core.deadline import Deadline
from oauth.application import Application
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
    raise NotImplementedError
