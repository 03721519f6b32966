"""What an id_token says, once it is proven to be the provider's and for us."""

from collections.abc import Mapping
from typing import Any

from integrationhub.core.deadline import Deadline
from oauth.application import Application
from oauth.table import OAuthProvider


def claims(
    provider: OAuthProvider, application: Application, id_token: str, *, nonce: str | None, deadline: Deadline
) -> Mapping[str, Any]:
    """The claims of an id_token signed by the provider's keys, whose iss, aud, azp, exp, iat and sub are right.

    `nonce` is what the authorization was asked with; None for a token that did not come of one of ours, and nothing
    is compared then. Raises OAuthTokenExchangeFailed (`id_token_invalid`, `id_token_unsupported`, `keys_unavailable`).
    """
    raise NotImplementedError
