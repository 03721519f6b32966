"""How an application proves to a provider that it is who it says."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus

from oauth.application import Application
from oauth.protocol import apple
from oauth.table import OAuthProvider


def signed(provider: OAuthProvider, application: Application, form: Mapping[str, str]) -> dict[str, Any]:
    """Arguments of a request that sends this form in the application's name. Raises Failed for a key of Apple's that
    does not sign."""
    if provider.client_auth == "basic":
        # Both are encoded as in a form first: https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1
        return {"data": dict(form), "auth": (quote_plus(application.client_id), quote_plus(application.client_secret))}
    is_apple = provider.client_auth == "apple_jwt"
    secret = apple.client_secret(application) if is_apple else application.client_secret
    return {"data": {**form, "client_id": application.client_id, "client_secret": secret}}
