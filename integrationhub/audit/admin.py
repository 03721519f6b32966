import json
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from integrationhub.audit.models import Entry
from integrationhub.core.ids import read_id
from integrationhub.core.operators import ReadOnlyAdmin

TWO_LINES = '<span class="hub-lines"><span>{}</span><small>{} #{}</small></span>'
COLORS = {"denied": "danger", "outbound": "warning"}


class ChosenFilter(admin.SimpleListFilter):
    """A value that was clicked in the list; there are too many to offer them all."""

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        chosen = request.GET.get(self.parameter_name or "")
        return [(chosen, chosen)] if chosen else []


class TenantFilter(ChosenFilter):
    title = _("tenant")
    parameter_name = "tenant_id"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> QuerySet[Entry]:
        known = read_id(self.value() or "")
        return queryset.filter(tenant_id=known) if known else queryset


class ActorFilter(ChosenFilter):
    title = _("actor")
    parameter_name = "actor"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> QuerySet[Entry]:
        return queryset.filter(actor=self.value()) if self.value() else queryset


@admin.register(Entry)
class EntryAdmin(ReadOnlyAdmin):
    """Who did what to what, newest first. `manage.py verify_audit` tells whether it is all there."""

    list_display = ("created_at", "shown_action", "about", "shown_actor", "shown_details")
    list_filter = ("action", TenantFilter, ActorFilter)
    search_fields = ("about__exact", "request_id__exact", "actor__exact", "tenant_id__exact")
    search_help_text = _("exact subject, request id, actor or tenant id")
    ordering = ("-id",)
    show_full_result_count = False
    fields = (
        "created_at",
        "action",
        "about",
        "actor",
        "tenant_id",
        "request_id",
        "all_details",
        "sequence",
        "previous_hash",
        "hash",
        "id",
    )

    @display(description=_("action"), ordering="action", label=COLORS)
    def shown_action(self, entry: Entry) -> tuple[str, str]:
        thing = entry.action.partition(".")[0]
        return thing if thing in COLORS else entry.action, entry.action

    @admin.display(description=_("who"), ordering="actor")
    def shown_actor(self, entry: Entry) -> SafeString:
        return format_html(
            TWO_LINES, _only("actor", entry.actor), _only("tenant_id", str(entry.tenant_id)), entry.sequence
        )

    @admin.display(description=_("details"))
    def shown_details(self, entry: Entry) -> str:
        return ", ".join(f"{name}: {_brief(value)}" for name, value in entry.details.items())[:120] or "-"

    @admin.display(description=_("details"))
    def all_details(self, entry: Entry) -> SafeString:
        return format_html('<pre class="whitespace-pre-wrap">{}</pre>', json.dumps(entry.details, indent=2))


def _only(name: str, value: str) -> SafeString:
    """The value, which leads to the entries that have it."""
    return format_html('<a href="?{}" title="{}">{}</a>', urlencode({name: value}), _("only these"), value)


def _brief(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
