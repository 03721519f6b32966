from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display

from integrationhub.audit import trail
from integrationhub.core.operators import ReadOnlyAdmin
from integrationhub.webhooks import listing, processing
from integrationhub.webhooks.models import NOBODY, Endpoint, Post, RefusedPost, WebhookEvent

# What is badly signed makes no row of these: it is kept apart, with the reason.
VERDICTS = {
    "current": _("valid, by the secret in use"),
    "previous": _("valid, by the secret that is rotated out"),
    "": _("not told"),
}
VERDICT_COLORS = {"current": "success", "previous": "warning", "": "info"}
COLORS = {"received": "info", "processed": "success", "kept": "warning", "failed": "danger"}


@admin.register(WebhookEvent)
class WebhookEventAdmin(ReadOnlyAdmin):
    """What providers told of which tenant, newest first. Rows of nobody name a number that no tenant has bound."""

    list_display = (
        "type",
        "shown_owner",
        "shown_status",
        "reference",
        "shown_verdict",
        "duplicates",
        "replays",
        "received_at",
    )
    list_filter = ("status", "provider_key", "type", "is_shared")
    search_fields = ("tenant_id__exact", "reference__exact", "post_id__exact")
    search_help_text = _("exact tenant id, reference or body id")
    fields = (
        "id",
        "shown_owner",
        "direction",
        "provider_key",
        "type",
        "reference",
        "shown_status",
        "attempts",
        "due_at",
        "duplicates",
        "replays",
        "shown_verdict",
        "is_shared",
        "post_id",
        "occurred_at",
        "received_at",
        "processed_at",
        "payload",
    )
    ordering = ("-id",)
    show_full_result_count = False
    actions = ("replay",)
    is_recorded = False

    @display(description=_("status"), ordering="status", label=COLORS)
    def shown_status(self, event: WebhookEvent) -> str:
        return event.status

    @display(description=_("signature"), ordering="secret", label=VERDICT_COLORS)
    def shown_verdict(self, event: WebhookEvent) -> tuple[str, Any]:
        return event.secret, VERDICTS.get(event.secret, event.secret)

    @admin.display(description=_("tenant"), ordering="tenant_id")
    def shown_owner(self, event: WebhookEvent) -> str:
        return _owner(event)

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("webhooks.change_webhookevent")

    @action(description=_("Replay: handle again, or give to who has bound the number"), permissions=["replay"])
    def replay(self, request: HttpRequest, queryset: QuerySet[WebhookEvent]) -> None:
        given = unowned = 0
        for event in queryset:
            if event.tenant_id == NOBODY:
                unowned += 1
                given += len(processing.assign(event))
            else:
                subject = trail.operator(request.user)
                listing.replay(tenant_id=event.tenant_id, event_id=str(event.id), subject=subject)
        self.message_user(request, f"{len(queryset) - unowned} events wait for a worker again.")
        if unowned:
            self.message_user(request, f"Of {unowned} without an owner {given} were given to one.", messages.WARNING)


@admin.register(Post)
class PostAdmin(ReadOnlyAdmin):
    """The bodies that came, as they came."""

    list_display = ("received_at", "provider_key", "shown_owner", "shown_status", "shown_verdict", "repeats", "takes")
    list_filter = ("status", "provider_key", "secret")
    search_fields = ("id__exact", "tenant_id__exact", "request_id__exact")
    search_help_text = _("exact id, tenant id or request id")
    fields = (
        "id",
        "shown_owner",
        "provider_key",
        "shown_status",
        "shown_verdict",
        "repeats",
        "takes",
        "lease_until",
        "request_id",
        "received_at",
        "processed_at",
        "headers",
        "shown_body",
    )
    ordering = ("-id",)
    show_full_result_count = False
    actions = ("process_again",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Post]:
        return super().get_queryset(request).defer("body")

    @display(description=_("status"), ordering="status", label=COLORS)
    def shown_status(self, post: Post) -> str:
        return post.status

    @display(description=_("signature"), ordering="secret", label=VERDICT_COLORS)
    def shown_verdict(self, post: Post) -> tuple[str, Any]:
        return post.secret, VERDICTS.get(post.secret, post.secret)

    @admin.display(description=_("tenant"), ordering="tenant_id")
    def shown_owner(self, post: Post) -> str:
        return _owner(post)

    @admin.display(description=_("body"))
    def shown_body(self, post: Post) -> str:
        return _text(post.body)

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("webhooks.change_post")

    @action(description=_("Take apart again; what is stored is not stored twice"), permissions=["replay"])
    def process_again(self, request: HttpRequest, queryset: QuerySet[Post]) -> None:
        chosen = list(queryset)
        queryset.update(status=Post.Status.RECEIVED, takes=0, lease_until=Now())
        for post in sorted(chosen, key=lambda post: post.tenant_id):
            self.log_change(request, post, "To be taken apart again.")
        self.message_user(request, f"{len(chosen)} bodies wait for a worker again.")


@admin.register(RefusedPost)
class RefusedPostAdmin(ReadOnlyAdmin):
    """Badly signed bodies, of each endpoint the last fifty. They were answered by 401, and nothing reads them."""

    list_display = ("received_at", "provider_key", "shown_owner", "reason", "explanation", "size")
    list_filter = ("reason", "provider_key")
    search_fields = ("tenant_id__exact",)
    search_help_text = _("exact tenant id")
    fields = (
        "id",
        "shown_owner",
        "provider_key",
        "reason",
        "explanation",
        "size",
        "received_at",
        "headers",
        "shown_body",
    )
    ordering = ("-id",)

    @admin.display(description=_("tenant"), ordering="tenant_id")
    def shown_owner(self, post: RefusedPost) -> str:
        return _owner(post)

    @admin.display(description=_("body"))
    def shown_body(self, post: RefusedPost) -> str:
        return _text(post.body)


@admin.register(Endpoint)
class EndpointAdmin(ReadOnlyAdmin):
    """The addresses of tenants with an app of their own at a provider. Their tokens are kept nowhere."""

    list_display = ("provider_key", "tenant_id", "created_at")
    list_filter = ("provider_key",)
    search_fields = ("tenant_id__exact",)
    search_help_text = _("exact tenant id")
    fields = ("id", "provider_key", "tenant_id", "created_at")


LONGEST_SHOWN = 100_000


def _owner(row: WebhookEvent | Post | RefusedPost) -> str:
    return str(_("nobody")) if row.tenant_id == NOBODY else str(row.tenant_id)


def _text(body: bytes | memoryview) -> str:
    return bytes(body)[:LONGEST_SHOWN].decode("utf-8", "replace").replace("\0", "\N{SYMBOL FOR NULL}")
