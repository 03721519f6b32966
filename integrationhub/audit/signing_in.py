"""The admin's login form, which tells the trail who came in and who did not."""

from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from unfold.forms import AuthenticationForm

from integrationhub.audit import refusals, trail


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
