"""Meta's proof that a token is used by the application it was made for.

https://developers.facebook.com/docs/graph-api/guides/secure-requests
"""

import hashlib
import hmac

from oauth.application import Application


def proof(application: Application, access_token: str) -> str:
    """`appsecret_proof`: the token under the secret, in hexadecimal digits."""
    return hmac.new(application.client_secret.encode(), access_token.encode(), hashlib.sha256).hexdigest()
