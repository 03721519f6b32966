from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from integrationhub.core import catalogue
from integrationhub.core.http import HubRequest
from integrationhub.core.pagination import PageParameters, filters, page
from integrationhub.core.tenancy import tenant_scope
from integrationhub.core.views import HubView
from integrationhub.idempotency.keyed import keyed
from templates import finding, runs, sync
from templates.serializers import (
    LanguageChoice,
    NamedTemplate,
    SyncChoice,
    SyncRow,
    TemplateFilters,
    TemplateList,
    TemplateRow,
)


class Templates(HubView):
    roles = {"GET": "organizer"}
    failures = {"GET": (catalogue.INVALID_REQUEST,)}

    @extend_schema(
        summary="List the WhatsApp templates as they were last synced",
        parameters=[TemplateFilters, PageParameters],
        responses={200: TemplateList},
    )
    def get(self, request: HubRequest, version: str) -> Response:
        tenant_id, wanted = request.user.tenant_id, filters(request, TemplateFilters)
        with tenant_scope(tenant_id):
            rows = finding.listed(tenant_id=tenant_id, **wanted)
            synced_at = runs.last_success(tenant_id)
            shown = page(request, rows, serialize=lambda row: TemplateRow(row).data, order=("name", "language", "id"))
        return Response({**shown, "last_synced_at": synced_at})


class OneTemplate(HubView):
    """A template of the name `sync` is found by `GET /whatsapp/templates?name=sync`."""

    roles = {"GET": "organizer"}
    failures = {"GET": (catalogue.TEMPLATE_NOT_FOUND, catalogue.INVALID_REQUEST)}

    @extend_schema(
        summary="Read one WhatsApp template in each of its languages, with the parameters that it takes",
        parameters=[LanguageChoice],
        responses={200: NamedTemplate},
    )
    def get(self, request: HubRequest, version: str, template_name: str) -> Response:
        tenant_id, wanted = request.user.tenant_id, filters(request, LanguageChoice)
        found = finding.named(tenant_id=tenant_id, name=template_name, **wanted)
        with tenant_scope(tenant_id):
            synced_at = runs.last_success(tenant_id)
        shown = {"name": template_name, "languages": found, "last_synced_at": synced_at}
        return Response(NamedTemplate(shown).data)


class SyncTemplates(HubView):
    """A tenant has one sync at a time: whoever asks while one is under way is told of that one."""

    roles = {"POST": "organizer"}
    body_is_optional = True
    failures = {
        "POST": (
            catalogue.WHATSAPP_NOT_CONFIGURED,
            catalogue.WHATSAPP_SYNC_FAILED,
            catalogue.CREDENTIAL_EXPIRED,
            catalogue.EXECUTION_FAILED,
            catalogue.INVALID_REQUEST,
        )
    }

    @extend_schema(
        summary="Read the WhatsApp templates from Meta",
        request=None,
        parameters=[SyncChoice],
        responses={202: SyncRow, 200: SyncRow},
    )
    @keyed
    def post(self, request: HubRequest, version: str) -> Response:
        who, is_awaited = request.user, filters(request, SyncChoice)["wait"]
        act = sync.now if is_awaited else sync.ask
        run = act(tenant_id=who.tenant_id, subject=who.subject)
        return Response(SyncRow(run).data, status=200 if run.is_over else 202)


class OneSync(HubView):
    roles = {"GET": "organizer"}

    @extend_schema(summary="Read how far a sync of templates is", responses={200: SyncRow})
    def get(self, request: HubRequest, version: str, run_id: str) -> Response:
        return Response(SyncRow(runs.get(tenant_id=request.user.tenant_id, run_id=run_id)).data)
