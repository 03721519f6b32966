from typing import Any

from rest_framework import serializers

from integrationhub.core.pagination import PageShape
from providers.serializers import Moment
from templates import parameters, preview
from templates.models import MessageTemplate, SyncRun


class ParameterRow(serializers.Serializer):
    """One thing that a template takes, and where it stands in `template_params`."""

    field = serializers.CharField()
    kind = serializers.CharField(help_text="`text`, `image`, `video`, `document`, `location`, `url`, `copy_code`, ...")
    names = serializers.ListField(child=serializers.CharField(), help_text="Of the placeholders, in their order.")
    named = serializers.BooleanField(source="is_named", help_text="Whether values are given by name.")
    required = serializers.BooleanField(source="is_required")  # type: ignore[assignment]  # As the stubs know it: a flag.
    index = serializers.IntegerField(allow_null=True, help_text="Of the button.")
    card = serializers.IntegerField(allow_null=True, help_text="Of the carousel.")


class TemplateRow(serializers.ModelSerializer):
    sendable = serializers.BooleanField(source="is_sendable", read_only=True)
    parameters = serializers.SerializerMethodField(help_text="What `template_params` must or may hold.")
    preview = serializers.SerializerMethodField(help_text="How it looks, with Meta's samples where it has them.")
    created_at = Moment(read_only=True)
    updated_at = Moment(read_only=True)

    class Meta:
        model = MessageTemplate
        fields = [
            "id",
            "meta_id",
            "waba_id",
            "name",
            "language",
            "status",
            "sendable",
            "category",
            "previous_category",
            "parameter_format",
            "components",
            "quality",
            "rejected_reason",
            "parameters",
            "preview",
            "created_at",
            "updated_at",
        ]

    def get_parameters(self, template: MessageTemplate) -> list[dict[str, Any]]:
        return [dict(ParameterRow(slot).data) for slot in parameters.required(template)]

    def get_preview(self, template: MessageTemplate) -> dict[str, Any]:
        return preview.render(template)


class TemplateList(PageShape):
    data = TemplateRow(many=True)  # type: ignore[assignment]  # The stubs know `data` as the result alone.
    last_synced_at = Moment(allow_null=True)


class NamedTemplate(serializers.Serializer):
    name = serializers.CharField()
    languages = TemplateRow(many=True)
    last_synced_at = Moment(allow_null=True)


class TemplateFilters(serializers.Serializer):
    name = serializers.CharField(required=False, max_length=512)
    language = serializers.CharField(required=False, max_length=32)
    status = serializers.CharField(required=False, max_length=64)
    category = serializers.CharField(required=False, max_length=64)
    quality = serializers.CharField(required=False, max_length=64)
    sendable = serializers.BooleanField(required=False)


class LanguageChoice(serializers.Serializer):
    language = serializers.CharField(required=False, max_length=32)


class SyncChoice(serializers.Serializer):
    wait = serializers.BooleanField(required=False, default=False, help_text="Answer when it is done.")


class SyncRow(serializers.ModelSerializer):
    """`pages` and `seen` grow while it runs; the four counts are there once it has succeeded."""

    error = serializers.JSONField(allow_null=True, help_text="Code, message and details of what made it fail.")
    created_at = Moment(read_only=True)
    started_at = Moment(read_only=True, allow_null=True)
    finished_at = Moment(read_only=True, allow_null=True)

    class Meta:
        model = SyncRun
        fields = [
            "id",
            "state",
            "pages",
            "seen",
            "expected",
            "added",
            "changed",
            "removed",
            "unchanged",
            "error",
            "created_at",
            "started_at",
            "finished_at",
        ]
