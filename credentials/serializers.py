from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from credentials.models import Credential
from integrationhub.core.pagination import PageShape
from providers.serializers import Moment

ANSWERS: dict[str, bool | str] = {
    Credential.Verified.VERIFIED: True,
    Credential.Verified.FAILED: False,
    Credential.Verified.UNCHECKED: False,
    Credential.Verified.NOT_SUPPORTED: "not_supported",
}


@extend_schema_field({"oneOf": [{"type": "boolean"}, {"type": "string", "enum": ["not_supported"]}]})
class VerifiedField(serializers.CharField):
    def to_representation(self, value: Any) -> Any:
        return ANSWERS[value]


class CredentialRow(serializers.ModelSerializer):
    """A credential as it may be shown. Nothing here is the secret, or lets it be guessed."""

    verified = VerifiedField(read_only=True)
    expires_at = Moment(read_only=True, allow_null=True)
    failing_since = Moment(read_only=True, allow_null=True)
    created_at = Moment(read_only=True)

    class Meta:
        model = Credential
        fields = [
            "id",
            "provider_key",
            "last4",
            "fingerprint",
            "version",
            "verified",
            "expires_at",
            "failing_since",
            "status",
            "created_at",
        ]


class VerifiedCredential(CredentialRow):
    """The credential after its provider was asked, and why it was refused, if it was."""

    upstream_reason = serializers.CharField(read_only=True, allow_null=True)
    upstream_status = serializers.IntegerField(read_only=True, allow_null=True)

    class Meta(CredentialRow.Meta):
        fields = [*CredentialRow.Meta.fields, "upstream_reason", "upstream_status"]


class CredentialList(PageShape):
    data = CredentialRow(many=True)  # type: ignore[assignment]  # The stubs know `data` as the result alone.


class CredentialFilters(serializers.Serializer):
    provider_key = serializers.CharField(required=False, allow_blank=True)
