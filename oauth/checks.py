"""What must be right before an account is connected."""

from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured

from integrationhub.core.checks import BEFORE_START
from oauth import table


@register(Tags.security, BEFORE_START)
def providers_file_fits(**_: Any) -> list[CheckMessage]:
    try:
        table.providers()
    except ImproperlyConfigured as error:
        hint = "Its shape is that of oauth/providers.yaml, with the members alone that differ."
        return [Error(str(error), hint=hint, id="oauth.E001")]
    return []
