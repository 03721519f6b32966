"""The shapes that OpenAPI shows of requests and answers, and what lists can be filtered by."""

from rest_framework import serializers

from integrationhub.core.pagination import PageShape
from whatsapp import message_schemas
from whatsapp.models import DeliveryStatus, MediumState

MESSAGE_BODY = {"application/json": {"oneOf": list(message_schemas.BY_TYPE.values())}}
_FILE = {"type": "string", "format": "binary", "description": "the file itself, of 100 MiB at most"}
MEDIA_BODY = {
    "application/json": message_schemas.MEDIA_MESSAGE,
    "multipart/form-data": {
        **message_schemas.MEDIA_FORM,
        "properties": {**message_schemas.MEDIA_FORM["properties"], "file": _FILE},
    },
}
READ_BODY = {"application/json": message_schemas.READ}
STATUS = (
    "How far it has come, and never back. `unknown`: whether Meta took it is not known, until a webhook tells; it is "
    "never sent again by itself. `failed`: see `error`."
)


class StepShape(serializers.Serializer):
    status = serializers.ChoiceField(DeliveryStatus.choices)
    at = serializers.DateTimeField(help_text="By Meta's clock where Meta told it.")


class DeliveryErrorShape(serializers.Serializer):
    code = serializers.CharField()
    message = serializers.CharField()
    meta = serializers.DictField(allow_null=True, help_text="Meta's own code, subcode and words.")


class DeliveryShape(serializers.Serializer):
    id = serializers.UUIDField(help_text="Ours.")
    message_id = serializers.CharField(allow_null=True, help_text="Meta's; null until it is known.")
    status = serializers.ChoiceField(DeliveryStatus.choices, help_text=STATUS)
    to = serializers.CharField()
    type = serializers.CharField()
    template_name = serializers.CharField(allow_null=True)
    template_language = serializers.CharField(allow_null=True)
    used_fallback_template = serializers.BooleanField(help_text="Whether `fallback_template` went out instead.")
    phone_number_id = serializers.CharField()
    wa_id = serializers.CharField(allow_null=True, help_text="WhatsApp's own id of the customer.")
    message_status = serializers.CharField(allow_null=True, help_text="What Meta said beside accepting it.")
    timeline = StepShape(many=True)
    error = DeliveryErrorShape(allow_null=True)
    attempt_id = serializers.UUIDField(allow_null=True, help_text="The attempt of the execution that sent it.")
    request_id = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class DeliveryPage(PageShape):
    data = DeliveryShape(many=True)  # type: ignore[assignment]  # The name of every list's rows.


class DeliveryFilters(serializers.Serializer):
    status = serializers.ChoiceField(DeliveryStatus.choices, required=False)
    to = serializers.CharField(required=False, max_length=16)
    type = serializers.CharField(required=False, max_length=32)
    template_name = serializers.CharField(required=False, max_length=512)
    created_after = serializers.DateTimeField(required=False)
    created_before = serializers.DateTimeField(required=False)


class ConversationWindowShape(serializers.Serializer):
    phone = serializers.CharField()
    open = serializers.BooleanField(help_text="Whether anything but a template may be sent.")
    closes_at = serializers.DateTimeField(
        allow_null=True, help_text="24 hours after the customer's last message; null: there was none."
    )


class CheckedShape(serializers.Serializer):
    valid = serializers.BooleanField(help_text="Always true: what is not is an error.")
    type = serializers.CharField(help_text="What would go out now.")
    used_fallback_template = serializers.BooleanField()
    preview = serializers.DictField(
        allow_null=True,
        help_text="Of a template: `header`, `body`, `footer`, `buttons` and `cards` as the customer would see them.",
    )


class FileShape(serializers.Serializer):
    id = serializers.UUIDField(help_text="Ours.")
    media_id = serializers.CharField(help_text="Meta's.")
    message_id = serializers.CharField(allow_null=True, help_text="Meta's id of the message that brought it.")
    state = serializers.ChoiceField(MediumState.choices, help_text="Always `stored`: anything else is an error.")
    content_type = serializers.CharField(help_text="As Meta told it.")
    filename = serializers.CharField(allow_null=True, help_text="As the customer's document was called.")
    sha256 = serializers.CharField(help_text="Of the bytes in the store; hexadecimal.")
    size = serializers.IntegerField(help_text="In bytes.")
    url = serializers.URLField(help_text="Anybody who has it can fetch the file until `url_expires_at`.")
    url_expires_at = serializers.DateTimeField()
    stored_at = serializers.DateTimeField()


class ReadShape(serializers.Serializer):
    message_id = serializers.CharField()
    read = serializers.BooleanField()
