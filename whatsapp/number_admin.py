"""Operators see whose numbers are bound, and ask Meta whether one works, in Meta's own words."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display

from credentials.models import Credential
from integrationhub.core.errors import HubError
from integrationhub.core.operators import ReadOnlyAdmin
from whatsapp import accounts, onboarding
from whatsapp.models import BusinessNumber
from whatsapp.onboarding import Finding

COLOURS = {Credential.Status.ACTIVE: "success"}


@admin.register(BusinessNumber)
class BusinessNumberAdmin(ReadOnlyAdmin):
    """One row for each version of a tenant's credential; the version in use is the one that counts."""

    list_display = [
        "phone_number_id",
        "waba_id",
        "tenant_id",
        "shown_status",
        "is_verified",
        "proven_at",
        "hears_it",
        "failing_since",
    ]
    list_select_related = ["credential"]
    search_fields = ["phone_number_id", "waba_id", "tenant_id"]
    fields = list_display
    ordering = ["-credential_id"]
    actions_list = ["ask_deployments"]
    actions_detail = ["ask"]

    def has_ask_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("whatsapp.change_businessnumber")

    @display(description=_("credential"), ordering="credential__status", label=COLOURS)
    def shown_status(self, number: BusinessNumber) -> tuple[str, str]:
        return number.credential.status, number.credential.get_status_display()

    @display(description=_("verified"), boolean=True)
    def is_verified(self, number: BusinessNumber) -> bool:
        return number.credential.verified == Credential.Verified.VERIFIED

    @display(description=_("hears the number"), boolean=True)
    def hears_it(self, number: BusinessNumber) -> bool:
        """Whether what customers write to it goes to this tenant: of a version in use by one query."""
        is_in_use = number.credential.status == Credential.Status.ACTIVE
        return is_in_use and accounts.tenant_of_phone_number(number.phone_number_id) == number.tenant_id

    @display(description=_("refused by Meta since"))
    def failing_since(self, number: BusinessNumber) -> Any:
        return number.credential.failing_since

    @action(description=_("Check"), url_path="check", permissions=["ask"])
    def ask(self, request: HttpRequest, object_id: str) -> HttpResponse:
        number: BusinessNumber | None = self.get_object(request, object_id)
        if number is None:
            raise Http404
        return self._asked(request, f"Check {number.phone_number_id}", number.tenant_id)

    @action(description=_("Check the deployment's number"), url_path="check-deployments", permissions=["ask"])
    def ask_deployments(self, request: HttpRequest) -> HttpResponse:
        return self._asked(request, "Check the deployment's number", None)

    def _asked(self, request: HttpRequest, title: str, tenant_id: UUID | None) -> HttpResponse:
        """The page, and once its button is pressed what Meta says, by seven calls at most."""
        findings, trouble = [], ""
        if request.method == "POST":
            try:
                findings = _findings(tenant_id)
            except HubError as error:
                trouble = f"{error.message} {error.entry.resolution}"
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "findings": findings,
            "trouble": trouble,
            "is_asked": request.method == "POST",
        }
        return TemplateResponse(request, "whatsapp/number_check.html", context)


def _findings(tenant_id: UUID | None) -> list[Finding]:
    """Raises WhatsappNotConfigured and what opening a credential raises."""
    return onboarding.examine(accounts.graph(tenant_id) if tenant_id else accounts.shared_graph())
