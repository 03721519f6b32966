"""The admin's login and password pages, which tell the trail who came in, who did not, and who has a new password."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from unfold.forms import AuthenticationForm

from integrationhub.audit import refusals, trail
from integrationhub.core.operators import SYSTEM


class LoginForm(AuthenticationForm):
    def clean(self) -> dict[str, Any]:
        """Raises ValidationError, as ever; a login that cannot be recorded does not come about."""
        try:
            cleaned: dict[str, Any] = super().clean()
        except ValidationError:
            name = self.cleaned_data.get("username", "")
            refusals.note_login(name, is_known=User.objects.filter(username=name).exists())
            raise
        trail.note(tenant_id=trail.platform(), action="operator.signed_in", actor=trail.operator(self.get_user()))
        return cleaned


def change_password(request: HttpRequest) -> HttpResponse:
    """The admin's page for an operator's own password: it is changed together with the entry, or not at all."""
    with transaction.atomic(using=SYSTEM):
        answer: HttpResponse = admin.site.password_change(request)
        if answer.status_code == 302:
            who = trail.operator(request.user)
            trail.record_as_system(tenant_id=trail.platform(), action="operator.password_changed", actor=who)
    return answer
