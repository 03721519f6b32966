from rest_framework import serializers

from integrationhub.core.catalogue import CATEGORIES


class ErrorRow(serializers.Serializer):
    code = serializers.CharField()
    status = serializers.IntegerField(help_text="The HTTP status that the code goes with.")
    name = serializers.CharField(help_text="Short, and not a key: two codes share one.")
    category = serializers.ChoiceField(CATEGORIES)
    message = serializers.CharField()
    resolution = serializers.CharField()
    retryable = serializers.BooleanField(
        help_text="Whether the same request, sent again, may succeed. Some answers know better: theirs is what counts."
    )
    docs_url = serializers.URLField()


class ErrorList(serializers.Serializer):
    data = ErrorRow(many=True)  # type: ignore[assignment]  # The stubs know `data` as the result alone.
