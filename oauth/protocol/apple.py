"""Apple gives no secret: an application signs one itself, for each call anew.

https://developer.apple.com/documentation/accountorganizationaldatasharing/creating-a-client-secret
"""

import time

import jwt

from oauth.application import Application
from oauth.protocol.asking import Failed

AUDIENCE = "https://appleid.apple.com"
LIFETIME_SECONDS = 300


def client_secret(application: Application) -> str:
    """A JWT of five minutes. Raises Failed (`unusable_private_key`)."""
    now = int(time.time())
    said = {
        "iss": application.team_id,
        "sub": application.client_id,
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + LIFETIME_SECONDS,
    }
    try:
        return jwt.encode(said, application.private_key, algorithm="ES256", headers={"kid": application.key_id})
    except (jwt.PyJWTError, ValueError, TypeError):
        # What these say may hold some of the key.
        raise Failed("unusable_private_key") from None
