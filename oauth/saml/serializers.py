from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from oauth.saml import certificates, configuring
from oauth.saml.models import IdentityProvider
from oauth.saml.signing_in import SignIn
from providers.serializers import Moment


class CertificateBody(serializers.Serializer):
    fingerprint = serializers.CharField(help_text="SHA-256.")
    subject = serializers.CharField()
    not_before = Moment()
    not_after = Moment()
    pem = serializers.CharField()

    def to_representation(self, text: str) -> dict[str, Any]:
        certificate = certificates.load(text)
        return {
            "fingerprint": certificates.fingerprint(certificate),
            "subject": certificate.subject.rfc4514_string(),
            "not_before": certificate.not_valid_before_utc,
            "not_after": certificate.not_valid_after_utc,
            "pem": text,
        }


class ServiceProviderBody(serializers.Serializer):
    entity_id = serializers.CharField()
    acs_url = serializers.CharField()
    metadata_url = serializers.CharField()
    login_url = serializers.CharField()


class IdentityProviderBody(serializers.ModelSerializer):
    certificates = CertificateBody(many=True)
    service_provider = serializers.SerializerMethodField()
    created_at = Moment(read_only=True)
    updated_at = Moment(read_only=True)

    class Meta:
        model = IdentityProvider
        fields = [
            "id",
            "entity_id",
            "sso_url",
            "certificates",
            "allow_idp_initiated",
            "service_provider",
            "created_at",
            "updated_at",
        ]

    @extend_schema_field(ServiceProviderBody)
    def get_service_provider(self, idp: IdentityProvider) -> dict[str, str]:
        """What the identity provider is told of this hub."""
        return configuring.service_provider(idp.tenant_id)


class ResponseBody(serializers.Serializer):
    SAMLResponse = serializers.CharField(allow_blank=True, trim_whitespace=False, help_text="base64, as it was posted")
    RelayState = serializers.CharField(
        required=False, allow_blank=True, trim_whitespace=False, default="", help_text="a path on this hub"
    )


class SignInBody(serializers.Serializer):
    subject = serializers.CharField(help_text="The whole text of NameID.")
    name_id_format = serializers.CharField(allow_null=True)
    attributes = serializers.DictField(child=serializers.ListField(child=serializers.CharField()))
    session_index = serializers.CharField(allow_null=True)
    issuer = serializers.CharField()
    assertion_id = serializers.CharField()
    in_response_to = serializers.CharField(allow_null=True, help_text="Null where it began at the identity provider.")
    valid_until = Moment()
    relay_state = serializers.CharField(allow_null=True, help_text="The path that sign-in began with.")

    def to_representation(self, signed_in: SignIn) -> dict[str, Any]:
        assertion = signed_in.assertion
        return {
            "subject": assertion.subject,
            "name_id_format": assertion.name_id_format,
            "attributes": assertion.attributes,
            "session_index": assertion.session_index,
            "issuer": assertion.issuer,
            "assertion_id": assertion.id,
            "in_response_to": assertion.in_response_to,
            "valid_until": assertion.valid_until,
            "relay_state": signed_in.relay_state,
        }
