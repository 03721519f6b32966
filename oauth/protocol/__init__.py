"""What the hub says to the eight services and what it makes of their answers. No database, no request, no state."""

from oauth.protocol.authorizing import authorization_url, check_issuer
from oauth.protocol.exchanging import exchange
from oauth.protocol.id_tokens import claims
from oauth.protocol.profiles import Profile, profile
from oauth.protocol.refreshing import refresh
from oauth.protocol.revoking import revoke
from oauth.protocol.tokens import Tokens

__all__ = [
    "Profile",
    "Tokens",
    "authorization_url",
    "check_issuer",
    "claims",
    "exchange",
    "profile",
    "refresh",
    "revoke",
]
