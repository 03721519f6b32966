"""What must be right before an account is connected."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured

from integrationhub.core.checks import BEFORE_START
from oauth import table


@register(Tags.security, BEFORE_START)
def providers_file_fits(**_: Any) -> list[CheckMessage]:
    try:
        rows = table.providers()
    except ImproperlyConfigured as error:
        hint = "Its shape is that of oauth/providers.yaml, with the members alone that differ."
        return [Error(str(error), hint=hint, id="oauth.E001")]
    if settings.OUTBOUND_ALLOWED_NETWORKS:
        return []
    return [
        Error(
            f"The file of {table.SETTING} leads {key} over plain http.",
            hint="Use https: tokens and secrets go there.",
            id="oauth.E002",
        )
        for key, row in rows.items()
        if "http://" in str(row)
    ]
