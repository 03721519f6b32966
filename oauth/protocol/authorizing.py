"""Where a browser is sent to ask for consent, and whether what comes back is from there."""

import re
from collections.abc import Iterable
from urllib.parse import quote, urlencode

from oauth.application import Application
from oauth.errors import OAuthTokenExchangeFailed
from oauth.protocol.places import filled_in
from oauth.table import OAuthProvider

_DIRECTORY_ID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def authorization_url(
    provider: OAuthProvider,
    application: Application,
    *,
    redirect_uri: str,
    state: str,
    scopes: Iterable[str],
    nonce: str | None,
    code_challenge: str | None,
) -> str:
    """`code_challenge` is of S256 (RFC 7636); it and `nonce` are left out where the table says that the provider cannot
    take them. Without `scopes` the application's are asked for, and without those the table's."""
    asked = tuple(scopes) or application.scopes or provider.default_scopes
    params = {
        **provider.authorize_params,
        "response_type": "code",
        "client_id": application.client_id,
        "redirect_uri": redirect_uri,
        "scope": provider.scope_separator.join(asked),
        "state": state,
    }
    if provider.pkce and code_challenge:
        params |= {"code_challenge": code_challenge, "code_challenge_method": "S256"}
    if provider.nonce and nonce:
        params["nonce"] = nonce
    # `quote`, since Apple takes a plus sign for a part of the scope's name.
    url = filled_in(provider.authorize_url, application)
    return f"{url}{'&' if '?' in url else '?'}{urlencode(params, quote_via=quote)}"


def check_issuer(provider: OAuthProvider, iss: str | None) -> None:
    """Whether a callback's `iss` is this provider's (https://www.rfc-editor.org/rfc/rfc9207): asked before the code
    goes anywhere. Raises OAuthTokenExchangeFailed."""
    if not provider.issuers or (iss is None and not provider.is_issuer_required):
        return
    if iss is None or not any(_is_of(issuer, iss) for issuer in provider.issuers):
        raise OAuthTokenExchangeFailed(
            f"This answer does not come from {provider.display_name}.", reason="issuer_mismatch", provider=provider.key
        )


def _is_of(issuer: str, said: str) -> bool:
    pattern = _DIRECTORY_ID.join(re.escape(part) for part in issuer.split("{tid}"))
    return re.fullmatch(pattern, said) is not None
