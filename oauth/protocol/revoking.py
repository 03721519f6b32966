"""The end of a grant."""

from integrationhub.core.deadline import Deadline
from oauth.application import Application
from oauth.protocol.tokens import Tokens
from oauth.table import OAuthProvider


def revoke(provider: OAuthProvider, application: Application, tokens: Tokens, deadline: Deadline) -> None:
    """Have the provider end the grant. That it was over before is fine.

    Raises OAuthRevocationFailed; its reason is `not_supported_by_provider` where there is no way to.
    """
    raise NotImplementedError
