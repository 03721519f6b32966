"""Asking a tenant's identity provider who somebody is: the HTTP-Redirect binding.

https://docs.oasis-open.org/security/saml/v2.0/saml-bindings-2.0-os.pdf, section 3.4
"""

import base64
import re
import zlib
from datetime import UTC, datetime, timedelta
from html import escape
from urllib.parse import urlencode
from uuid import UUID

from integrationhub.core.representation import moment
from integrationhub.core.tenancy import tenant_scope
from oauth.saml import configuring
from oauth.saml.documents import SAML, SAMLP
from oauth.saml.errors import SamlDecode
from oauth.saml.metadata import POST, acs_url, entity_id
from oauth.saml.models import IdentityProvider, SignInRequest

# For as long somebody may sit before the form of the identity provider.
OPEN_FOR = timedelta(minutes=10)
LONGEST_SENT_RELAY_STATE = 80  # Bindings, section 3.4.3.

_PATH = re.compile(r"/(?!/)[!-\[\]-~]{0,511}")


def is_path(relay_state: str) -> bool:
    """Whether it leads to this hub and nowhere else: a path from the root, without what browsers read as a host."""
    return _PATH.fullmatch(relay_state) is not None and "//" not in relay_state.partition("?")[0]


def sign_in_url(*, tenant_id: UUID, relay_state: str = "") -> str:
    """Where somebody's browser goes to sign in; the request that it carries is answered once, within ten minutes.

    `relay_state` is a path (`is_path`), kept here: what comes back beside the response is anybody's. Raises SamlDecode
    (not_configured).
    """
    if (idp := configuring.find(tenant_id=tenant_id)) is None:
        raise SamlDecode("not_configured")
    now = datetime.now(UTC)
    with tenant_scope(tenant_id):
        asked = SignInRequest(tenant_id=tenant_id, relay_state=relay_state, expires_at=now + OPEN_FOR)
        asked.save(force_insert=True)
    query = {"SAMLRequest": _deflated(_request(idp, asked, now))}
    if 0 < len(relay_state) <= LONGEST_SENT_RELAY_STATE:
        query["RelayState"] = relay_state
    return f"{idp.sso_url}{'&' if '?' in idp.sso_url else '?'}{urlencode(query)}"


def _request(idp: IdentityProvider, asked: SignInRequest, now: datetime) -> str:
    return (
        f'<samlp:AuthnRequest xmlns:samlp="{SAMLP[1:-1]}" xmlns:saml="{SAML[1:-1]}" ID="{asked.id}" Version="2.0"'
        f' IssueInstant="{moment(now)}" Destination="{escape(idp.sso_url)}" ProtocolBinding="{POST}"'
        f' AssertionConsumerServiceURL="{escape(acs_url(idp.tenant_id))}">'
        f"<saml:Issuer>{escape(entity_id(idp.tenant_id))}</saml:Issuer></samlp:AuthnRequest>"
    )


def _deflated(xml: str) -> str:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return base64.b64encode(packer.compress(xml.encode()) + packer.flush()).decode()
