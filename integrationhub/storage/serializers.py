"""The bodies that these endpoints take, and the shapes that OpenAPI shows of their answers."""

from rest_framework import serializers

from integrationhub.storage.ipfs_files import FILE_BODY, FORM_BODY, PIN_BODY

_FILE = {"type": "string", "format": "binary", "description": "the file itself, of 100 MiB at most"}
ADD_BODY = {
    "application/json": FILE_BODY,
    "multipart/form-data": {
        **FORM_BODY,
        "properties": {"file": _FILE, **FORM_BODY["properties"]},
        "required": ["file"],
    },
}
KEEP_BODY = {"application/json": PIN_BODY}
VERIFIED = (
    "`true`: the hub has computed the address from the bytes. `not_supported`: the provider cut the file by a rule of "
    "its own, so that the bytes alone do not tell."
)


class KeptShape(serializers.Serializer):
    cid = serializers.CharField(help_text="Version 1 in base32, version 0 in base58, whatever the provider wrote.")
    pinned = serializers.BooleanField(help_text="`false`: the provider has taken it on and still looks for it.")
    status = serializers.CharField(required=False, help_text="A pinning service's own word.")
    provider_key = serializers.CharField()
    fallback_used = serializers.BooleanField()
    execution_id = serializers.UUIDField()
    request_id = serializers.CharField()


class AddedShape(KeptShape):
    size = serializers.IntegerField(help_text="In bytes.")
    verified = serializers.JSONField(help_text=VERIFIED)
