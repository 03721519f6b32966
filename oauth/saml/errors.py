"""What can go wrong with a sign-in by SAML."""

from integrationhub.core import catalogue
from integrationhub.core.errors import HubError

# `details.reason`, and what it means.
REASONS = {
    "not_configured": "this tenant has no identity provider",
    "too_large": "the response is longer than 262144 characters of base64",
    "not_base64": "the response is not base64",
    "not_xml": "the response is not well-formed XML in UTF-8",
    "doctype": "the XML has a DOCTYPE",
    "processing_instruction": "the XML has a processing instruction",
    "not_a_response": "the XML is not a SAML 2.0 response",
    "duplicate_ids": "an ID occurs twice in the response",
    "status": "the identity provider says that the sign-in failed",
    "encrypted_assertion_unsupported": "the assertion is encrypted, which this hub does not read",
    "no_assertion": "the response holds no assertion of its own",
    "several_assertions": "the response holds several assertions",
    "unsigned": "neither the response nor its assertion is signed",
    "algorithm": "the signature uses an algorithm that is not accepted: RSA or ECDSA with SHA-256 or better",
    "certificate_expired": "no certificate of the identity provider is valid now",
    "signature": "no certificate of the identity provider vouches for the signature",
    "malformed": "the assertion lacks something that a sign-in must have",
    "issuer": "another identity provider issued it",
    "destination": "the response was sent to another address",
    "audience": "the assertion is for another service provider",
    "recipient": "the assertion was issued for another address",
    "expired": "the assertion is no longer valid",
    "not_yet_valid": "the assertion is not valid yet",
    "in_response_to": "it answers no open request of this hub",
    "replayed": "this assertion was used before",
    "relay_state": "RelayState is not a path on this hub",
}


class SamlDecode(HubError):
    """Why a response is refused, in one word of `REASONS`. Nothing that it says of anybody goes into the error."""

    entry = catalogue.SAML_DECODE

    def __init__(self, reason: str) -> None:
        super().__init__(f"The sign-in by SAML was refused: {REASONS[reason]}.", reason=reason)
        self.reason = reason
