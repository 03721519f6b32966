"""Providers as a control room: how each of them does, who needs it, and the levers, each of which first says what it
moves."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.contrib.admin import helpers
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from unfold.decorators import action, display

from credentials import checking
from credentials.checking import Verified
from integrationhub.audit import trail
from integrationhub.core.operators import SYSTEM
from integrationhub.execution import surveying
from integrationhub.execution.provider_check import IS_OK
from integrationhub.execution.provider_health import MOST_ATTEMPTS, Window
from integrationhub.execution.surveying import Seen
from providers import recording, schema_forms
from providers.admin import ProviderAdmin, author
from providers.models import Provider, ProviderChange, Status
from providers.recording import CannotUndo

TWO_LINES = '<span class="hub-lines"><span>{}</span><small>{}</small></span>'
STATUS_COLORS = {
    Status.PLANNED: "info",
    Status.ACTIVE: "success",
    Status.DISABLED: "warning",
    Status.RETIRED: "danger",
}
# What a status is called as something to do, and what it means for tenants.
LEVERS = {
    "enable": (Status.ACTIVE, "Enable", "New executions of those who have it installed and enabled use it at once."),
    "disable": (Status.DISABLED, "Disable", "No new execution uses it; each goes on to the tenant's next provider."),
    "retire": (Status.RETIRED, "Retire", "No new execution uses it, and nobody can install it any more."),
}
HEALTHY, AILING = 0.95, 0.8
NO_CREDENTIAL: dict[str, Any] = {"type": "object", "properties": {}}


class ControlRoom(ProviderAdmin):
    list_display = [
        "shown_name",
        "shown_status",
        "shown_health",
        "shown_circuit",
        "shown_error",
        "shown_tenants",
        "move_buttons",
        "position",
    ]
    actions = ["enable", "disable", "retire"]
    actions_detail = ["test", "enable_page", "disable_page", "retire_page"]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changes = super().get_changelist_instance(request)
        seen = surveying.survey(changes.result_list)
        for provider in changes.result_list:
            provider.seen = seen[provider.provider_key]
        return changes

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Without the lever that is set already."""
        status = Provider.objects.using(SYSTEM).filter(pk=object_id).values_list("status", flat=True).first()
        offered: list[Any] = super().get_actions_detail(request, object_id)
        set_already = {f"{name}_page" for name, (becomes, *_) in LEVERS.items() if becomes == status}
        return [each for each in offered if each.method.original_function_name not in set_already]

    def get_urls(self) -> list[URLPattern]:
        undo = self.admin_site.admin_view(self.undo)
        mine = [path("<uuid:object_id>/history/<uuid:change_id>/undo/", undo, name="providers_provider_undo")]
        return [*mine, *super().get_urls()]

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().history_view(request, object_id, {"has_change": self.has_change_permission(request)})

    # --- What a row tells ---

    @display(description="provider", ordering="display_name")
    def shown_name(self, provider: Provider) -> SafeString:
        adapter = "" if provider.adapter else ", no adapter"
        return format_html(TWO_LINES, provider, f"{provider.provider_key}, {provider.category}{adapter}")

    @display(description="status", ordering="status")
    def shown_status(self, provider: Provider) -> SafeString:
        lever = "disable" if provider.status == Status.ACTIVE else "enable"
        if lever == "enable" and provider.adapter is None:
            return _chip(STATUS_COLORS[Status(provider.status)], provider.get_status_display())
        address = reverse(f"admin:providers_provider_{lever}_page", args=[provider.pk])
        return format_html(
            '<span class="hub-lines">{}<a class="hub-link" href="{}">{}<span class="hub-unseen"> {}</span></a></span>',
            _chip(STATUS_COLORS[Status(provider.status)], provider.get_status_display()),
            address,
            LEVERS[lever][1] + ("…" if lever == "disable" else ""),
            provider,
        )

    @display(description="last hour")
    def shown_health(self, provider: Provider) -> SafeString:
        seen: Seen = provider.seen  # type: ignore[attr-defined]  # `get_changelist_instance` puts it there.
        color, word, figures = _health(seen.health.last_hour)
        return format_html('<span class="hub-lines">{}<small>{}</small></span>', _chip(color, word), figures)

    @display(description="circuit")
    def shown_circuit(self, provider: Provider) -> SafeString:
        standing = provider.seen.circuit  # type: ignore[attr-defined]  # As above.
        if standing.state == "open":
            return format_html(TWO_LINES, _chip("danger", "Open"), f"asked in {standing.seconds:.0f} s")
        half = standing.state == "half_open"
        return _chip("warning", "Half open") if half else _chip("success", "Closed")

    @display(description="last error of the day")
    def shown_error(self, provider: Provider) -> str | SafeString:
        error = provider.seen.health.last_error  # type: ignore[attr-defined]  # As above.
        if error is None:
            return "none"
        status = f", HTTP {error.upstream_status}" if error.upstream_status else ""
        age = timesince(error.at, datetime.now(UTC), depth=1)
        return format_html(TWO_LINES, error.reason or error.code or "unknown", f"{age} ago{status}")

    @display(description="used by")
    def shown_tenants(self, provider: Provider) -> str:
        return _counted(provider.seen.tenants, "tenant")  # type: ignore[attr-defined]  # As above.

    # --- The levers ---

    @action(description="Enable", permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Provider]) -> HttpResponse | None:
        if missing := [provider.provider_key for provider in queryset if not provider.adapter]:
            self.message_user(request, f"Still planned, without an adapter: {', '.join(missing)}.", level="WARNING")
        self._set_status(request, [provider for provider in queryset if provider.adapter], Status.ACTIVE)
        return None

    @action(description="Disable…", permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[Provider]) -> HttpResponse | None:
        return self._confirmed(request, "disable", queryset)

    @action(description="Retire…", permissions=["change"])
    def retire(self, request: HttpRequest, queryset: QuerySet[Provider]) -> HttpResponse | None:
        return self._confirmed(request, "retire", queryset)

    @action(description="Enable", url_path="enable", permissions=["change"])
    def enable_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._lever_page(request, "enable", [self._found(request, object_id)])

    @action(description="Disable…", url_path="disable", permissions=["change"])
    def disable_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._lever_page(request, "disable", [self._found(request, object_id)])

    @action(description="Retire…", url_path="retire", permissions=["change"])
    def retire_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._lever_page(request, "retire", [self._found(request, object_id)])

    def _confirmed(self, request: HttpRequest, lever: str, queryset: QuerySet[Provider]) -> HttpResponse | None:
        """Do it, once whoever does it has been told whom it concerns."""
        if request.POST.get("confirmed") != "yes":
            return self._lever_page(request, lever, list(queryset))
        self._set_status(request, list(queryset), LEVERS[lever][0])
        return None

    def _lever_page(self, request: HttpRequest, lever: str, providers: list[Provider]) -> HttpResponse:
        names = ", ".join(map(str, providers))
        ids = [(helpers.ACTION_CHECKBOX_NAME, provider.pk) for provider in providers]
        return self._asking_page(
            request,
            title=f"{LEVERS[lever][1]} {names}?",
            verb=LEVERS[lever][1],
            meaning=LEVERS[lever][2],
            providers=providers,
            address=reverse("admin:providers_provider_changelist"),
            hidden=[("action", lever), ("confirmed", "yes"), *ids],
        )

    def _asking_page(self, request: HttpRequest, *, providers: list[Provider], **said: Any) -> HttpResponse:
        """A page that asks once more, with how many tenants and executions it concerns."""
        seen = surveying.survey(providers)
        concerns = [
            f"{provider} ({provider.provider_key}): {_reach(seen[provider.provider_key])}" for provider in providers
        ]
        shown = {"opts": self.opts, "original": providers[0] if len(providers) == 1 else None, "concerns": concerns}
        context = {**self.admin_site.each_context(request), **shown, **said}
        return TemplateResponse(request, "execution/provider_asking.html", context)

    def _set_status(self, request: HttpRequest, providers: list[Provider], status: Status) -> None:
        recording.lock(using=SYSTEM)
        for provider in providers:
            provider.status = status
            recording.save(provider, ["status"], by=author(request), using=SYSTEM)
            self.log_change(request, provider, f"Status set to {status.label}.")
        self.message_user(request, f"{len(providers)} set to {status.label}.")

    # --- Undoing ---

    def undo(self, request: HttpRequest, object_id: UUID, change_id: UUID) -> HttpResponse:
        """Ask, with what it would put back; then do it, or say why it cannot be done."""
        provider = self._found(request, str(object_id))
        change = ProviderChange.objects.using(SYSTEM).filter(pk=change_id, provider_id=object_id).first()
        if change is None:
            raise Http404
        history = reverse("admin:providers_provider_history", args=[object_id])
        if request.method != "POST":
            return self._asking_page(
                request,
                title=f"Undo this change of {provider}?",
                verb="Undo",
                meaning=f"{change.actor} made it at {change.made_at:%Y-%m-%d %H:%M:%S} UTC. It puts back:",
                lines=[(name, after, before) for name, before, after in change.lines],
                providers=[provider],
                address=request.path,
                back=history,
            )
        try:
            recording.undo(change_id, by=author(request), using=SYSTEM)
        except CannotUndo as reason:
            self.message_user(request, f"Not undone. {reason}", level="ERROR")
        else:
            self.log_change(request, provider, f"Undid a change of {', '.join(change.before)}.")
            self.message_user(request, "Undone.")
        return HttpResponseRedirect(history)

    # --- Testing ---

    @action(description="Test", url_path="test", permissions=["change"])
    def test(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """One real call with what the operator types in, which is used for it and kept nowhere."""
        provider = self._found(request, object_id)
        said, form = None, None
        if provider.adapter:
            schema = provider.adapter.credential_schema or NO_CREDENTIAL
            form = schema_forms.form_class(schema)(request.POST if request.method == "POST" else None)
            if form.is_valid():
                said = checking.ask(trail.platform(), provider.adapter, form.value(), author(request).actor)
                self.log_change(request, provider, f"Tested: {WORDS[said.verified].lower()}.")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Test {provider}",
            "original": provider,
            "form": form,
            "said": said,
            "word": WORDS[said.verified] if said else "",
            "is_ok": IS_OK[said.verified] if said else None,
        }
        return TemplateResponse(request, "execution/provider_test.html", context)

    def _found(self, request: HttpRequest, object_id: str) -> Provider:
        provider: Provider | None = self.get_object(request, object_id)
        if provider is None:
            raise Http404
        if not self.has_change_permission(request, provider):
            raise PermissionDenied
        return provider


WORDS = {
    Verified.VERIFIED: "Accepted",
    Verified.FAILED: "Not accepted",
    Verified.UNCHECKED: "Could not be asked",
    Verified.NOT_SUPPORTED: "Cannot be tested",
}


def _chip(color: str, word: str) -> SafeString:
    return format_html('<span class="hub-chip hub-{}">{}</span>', color, word)


def _health(window: Window) -> tuple[str, str, str]:
    """Color, word and figures of what came of a window's attempts."""
    rate = window.success_rate
    if rate is None:
        return "info", "Not used" if not window.attempts else "No result", _counted(window.attempts, "attempt")
    color, word = ("success", "Healthy") if rate >= HEALTHY else ("warning", "Ailing")
    if rate < AILING:
        color, word = "danger", "Failing"
    p95 = "" if window.p95_latency_ms is None else f", p95 {window.p95_latency_ms} ms"
    return color, word, f"{rate:.1%} of {window.succeeded + window.failed:,}{p95}"


def _reach(seen: Seen) -> str:
    least = f" at least (of the newest {MOST_ATTEMPTS:,} attempts)" if seen.health.is_sampled else ""
    executions = _counted(seen.health.last_day.executions, "execution")
    return f"used by {_counted(seen.tenants, 'tenant')}; {executions}{least} in the last 24 hours."


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
