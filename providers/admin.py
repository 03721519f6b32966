"""The operators' page of one provider. It is registered above, where attempts and circuits are known as well
(`integrationhub/execution/provider_admin.py`)."""

import json
from typing import Any

from django import forms
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from integrationhub.core.operators import SYSTEM, SystemModelAdmin
from providers import ordering, recording
from providers.adapter import JSONObject
from providers.models import Provider, ProviderChange
from providers.recording import Author

SHOWN_CHANGES = 100
STEPS = {"up": -1, "down": 1}


class FormAsRead(forms.ModelForm):
    """A form whose page sends along what it showed: what is left as it was there is not written, and what somebody else
    has changed meanwhile is not changed by who did not see that."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.show_hidden_initial = True

    def add_initial_prefix(self, field_name: str) -> str:
        """Not with the field's name at its end, by which the browser finds what to renumber when a row is dragged."""
        return f"{self.add_prefix(field_name)}-read"

    def clean(self) -> dict[str, Any]:
        super().clean()
        for name in set(self.changed_data) & set(self.cleaned_data):
            read, stored = self.data.get(self.add_initial_prefix(name)), self.initial.get(name, "")
            # By its words, since browsers have ways of their own with white space.
            is_old = read is not None and read.split() != str(stored).split()
            if is_old and self.cleaned_data[name] != stored:
                self.add_error(name, "Somebody else has changed it since. Nothing is saved: load the page again.")
        return self.cleaned_data


class PositionForm(FormAsRead):
    """The one number of a row that can be changed in the list; its label is what the eye reads off the row."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["position"].widget.attrs |= {"aria-label": f"Position of {self.instance}", "class": "hub-position"}


class ProviderAdmin(SystemModelAdmin):
    form = FormAsRead
    is_recorded = False  # `recording` does so, with the values.
    list_filter = ["status", "category"]
    search_fields = ["provider_key", "display_name", "summary"]
    # Dragging a row renumbers all of them in the browser, and "Save" sends them; the buttons of a row need neither.
    ordering_field = "position"
    list_before_template = "providers/row_buttons.html"
    object_history_template = "providers/history.html"
    readonly_fields = ["intents_shown", "config_schema", "credential_schema", "docs", "created_at", "updated_at"]
    fieldsets = [
        ("Overview", {"classes": ["tab"], "fields": ["provider_key", "display_name", "category", "status", "summary"]}),
        ("Connection", {"classes": ["tab"], "fields": ["base_url", "position"]}),
        (
            "Adapter",
            {"classes": ["tab"], "fields": ["intents_shown", "config_schema", "credential_schema", "docs"]},
        ),
        ("Dates", {"classes": ["tab"], "fields": ["created_at", "updated_at"]}),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Provider | None = None) -> list[str]:
        """The key is fixed once given, since installations, credentials and executions name it; the status of a row is
        changed by its buttons, which first tell whom it concerns."""
        return [*self.readonly_fields, "provider_key", "status"] if obj else self.readonly_fields

    def has_delete_permission(self, request: HttpRequest, obj: Provider | None = None) -> bool:
        return False  # Retired instead, since past executions name it.

    def get_list_display(self, request: HttpRequest) -> Any:
        shown = super().get_list_display(request)
        return shown if self.has_change_permission(request) else [name for name in shown if name != "move_buttons"]

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> Any:
        return super().get_changelist_form(request, **{**kwargs, "form": PositionForm})

    def save_model(self, request: HttpRequest, obj: Any, form: forms.ModelForm, change: bool) -> None:
        if change:
            recording.save(obj, form.changed_data, by=author(request), using=SYSTEM)
        else:
            recording.create(obj, by=author(request), using=SYSTEM)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        wanted = request.POST.get("move", "") if request.method == "POST" else ""
        if wanted and self.has_change_permission(request):
            return self._moved(request, *wanted.partition(":")[::2])
        if request.method != "POST" or "_save" not in request.POST or not self.has_change_permission(request):
            return super().changelist_view(request, extra_context)
        with transaction.atomic(using=SYSTEM):
            recording.lock(using=SYSTEM)
            return super().changelist_view(request, extra_context)

    def _moved(self, request: HttpRequest, provider_id: str, direction: str) -> HttpResponse:
        """Move a row by one place, and leave the keyboard's focus on the very button, for the next step."""
        provider = self.get_object(request, provider_id)
        if provider is not None and direction in STEPS:
            moved = ordering.move(provider.pk, STEPS[direction], by=author(request), using=SYSTEM)
            end = "first" if direction == "up" else "last"
            said = f"{provider} moved {direction}." if moved else f"{provider} is the {end} already."
            self.message_user(request, said)
        return HttpResponseRedirect(f"{request.get_full_path()}#{direction}-{provider_id}")

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        provider: Any = self.get_object(request, object_id)
        mine = ProviderChange.objects.using(SYSTEM).filter(provider=provider).select_related("undoes")
        return super().history_view(request, object_id, {**(extra_context or {}), "changes": mine[:SHOWN_CHANGES]})

    @display(description="order")
    def move_buttons(self, provider: Provider) -> SafeString:
        button = (
            '<button type="submit" form="row-buttons" class="hub-step" name="move" value="{0}:{1}" id="{1}-{0}" '
            'aria-label="Move {2} {1}" title="Move {1}">{3}</button>'
        )
        up, down = (
            format_html(button, provider.pk, way, provider, glyph) for way, glyph in (("up", "▲"), ("down", "▼"))
        )
        return format_html('<span class="hub-steps">{}{}</span>', up, down)

    @display(description="intents")
    def intents_shown(self, provider: Provider) -> str:
        return ", ".join(provider.intents) or "No adapter yet."

    @display(description="configuration of an installation")
    def config_schema(self, provider: Provider) -> str:
        return _shown(provider.adapter.config_schema) if provider.adapter else "No adapter yet."

    @display(description="credential")
    def credential_schema(self, provider: Provider) -> str:
        if provider.adapter is None:
            return "No adapter yet."
        schema = provider.adapter.credential_schema
        return "This provider needs no credential." if schema is None else _shown(schema)

    @display(description="documentation")
    def docs(self, provider: Provider) -> str:
        if not provider.adapter or not provider.adapter.docs_url:
            return "-"
        return format_html('<a href="{0}" rel="noreferrer">{0}</a>', provider.adapter.docs_url)


def author(request: HttpRequest) -> Author:
    return Author(request.user.get_username(), ProviderChange.Via.ADMIN)


def _shown(schema: JSONObject) -> SafeString:
    return format_html('<pre class="whitespace-pre-wrap">{}</pre>', json.dumps(schema, indent=2))
