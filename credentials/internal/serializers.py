from rest_framework import serializers

from providers.serializers import Moment


class OpenedCredential(serializers.Serializer):
    """The one answer of the hub that holds a secret."""

    id = serializers.UUIDField(source="credential.id")
    tenant_id = serializers.UUIDField(source="credential.tenant_id")
    provider_key = serializers.CharField(source="credential.provider_key")
    version = serializers.IntegerField(source="credential.version")
    expires_at = Moment(source="credential.expires_at", allow_null=True)
    credentials = serializers.DictField(
        source="secrets", help_text="What was bound, in the form of the adapter's credential_schema."
    )
