"""Metadata, the two sides of a trust: what is read of an identity provider's, and what this hub says of itself.

https://docs.oasis-open.org/security/saml/v2.0/saml-metadata-2.0-os.pdf
"""

from html import escape
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings

from oauth.saml import certificates
from oauth.saml.documents import DS, parsed, text_of
from oauth.saml.errors import SamlDecode

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

MD = "{urn:oasis:names:tc:SAML:2.0:metadata}"
POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
PROTOCOL = "urn:oasis:names:tc:SAML:2.0:protocol"


def acs_url(tenant_id: UUID) -> str:
    """Where a tenant's identity provider posts its answers."""
    return f"{settings.PUBLIC_BASE_URL}/saml/acs/{tenant_id}"


def entity_id(tenant_id: UUID) -> str:
    """What it knows this hub as. Each tenant is a service provider of its own, so that what is issued for one is of no
    use to another. The address is one that it is told anyway, since some take no name with a query."""
    return acs_url(tenant_id)


def metadata_url(tenant_id: UUID) -> str:
    return f"{settings.PUBLIC_BASE_URL}/saml/metadata?tenant_id={tenant_id}"


def login_url(tenant_id: UUID) -> str:
    return f"{settings.PUBLIC_BASE_URL}/saml/login?tenant_id={tenant_id}"


def service_provider(tenant_id: UUID) -> str:
    """This hub as the service provider of a tenant, known or not, in XML."""
    return (
        f'<md:EntityDescriptor xmlns:md="{MD[1:-1]}" entityID="{escape(entity_id(tenant_id))}">'
        f'<md:SPSSODescriptor protocolSupportEnumeration="{PROTOCOL}" AuthnRequestsSigned="false"'
        ' WantAssertionsSigned="true">'
        f'<md:AssertionConsumerService Binding="{POST}" Location="{escape(acs_url(tenant_id))}" index="0"'
        ' isDefault="true"/></md:SPSSODescriptor></md:EntityDescriptor>'
    )


def identity_provider(xml: str) -> dict[str, Any]:
    """`entity_id`, `sso_url` and `certificates` of the one identity provider that the document describes.

    Raises ValueError with what the document would have to be.
    """
    try:
        root = parsed(xml.encode("utf-8", "replace"))
    except SamlDecode as error:
        raise ValueError("well-formed XML in UTF-8, without DOCTYPE and processing instructions") from error
    entities = [each for each in root.iter(f"{MD}EntityDescriptor") if each.find(f"{MD}IDPSSODescriptor") is not None]
    if len(entities) != 1:
        raise ValueError("metadata of exactly one identity provider")
    [entity] = entities
    services = entity.findall(f"{MD}IDPSSODescriptor/{MD}SingleSignOnService")
    urls = [each.get("Location", "") for each in services if each.get("Binding") == REDIRECT]
    if not urls:
        raise ValueError("metadata with a SingleSignOnService of the HTTP-Redirect binding")
    return {"entity_id": entity.get("entityID", ""), "sso_url": urls[0], "certificates": _certificates(entity)}


def _certificates(entity: "Element") -> list[str]:
    """Those of keys that sign, each once."""
    keys = entity.findall(f"{MD}IDPSSODescriptor/{MD}KeyDescriptor")
    found = [each for key in keys if key.get("use") != "encryption" for each in key.iter(f"{DS}X509Certificate")]
    return list(dict.fromkeys(certificates.pem_of_base64(text_of(each)) for each in found))
