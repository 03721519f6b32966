"""What must be right in the settings before WhatsApp works, and what is better known before a customer writes."""

import re
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from integrationhub.core.checks import BEFORE_START
from providers import base_urls

# The longest that a signature of S3's serves.
LONGEST_URL_SECONDS = 7 * 24 * 60 * 60
# Meta repeats a webhook for seven days.
LEAST_KEPT_DAYS = 8
ACCOUNT = ("META_WABA_ID", "META_WHATSAPP_ACCESS_TOKEN", "META_WHATSAPP_PHONE_NUMBER_ID")
_IDS = ("META_WABA_ID", "META_WHATSAPP_PHONE_NUMBER_ID")


@register(Tags.security, BEFORE_START)
def meta_can_be_reached(**_: Any) -> list[CheckMessage]:
    """The token goes where these lead."""
    return list(_unreachable())


def _unreachable() -> Iterator[CheckMessage]:
    if fault := base_urls.fault(settings.META_GRAPH_BASE_URL):
        hint = f"META_GRAPH_BASE_URL: {fault} Leave it out for https://graph.facebook.com."
        yield Error("META_GRAPH_BASE_URL is no address that the hub would call.", hint=hint, id="whatsapp.E001")
    if not re.fullmatch(r"v[0-9]{1,3}\.[0-9]", settings.META_GRAPH_API_VERSION):
        hint = "Write it as Meta does, as in v25.0, or leave it out."
        yield Error("META_GRAPH_API_VERSION is no version of the Graph API.", hint=hint, id="whatsapp.E002")
    for name in _IDS:
        if (value := getattr(settings, name)) and not re.fullmatch("[0-9]{5,32}", value):
            hint = "Meta's ids are digits; a phone number is none of them."
            yield Error(f"{name} is no id of Meta's.", hint=hint, id="whatsapp.E003")


@register()
def files_can_be_kept(**_: Any) -> list[CheckMessage]:
    return list(_store_faults())


def _store_faults() -> Iterator[CheckMessage]:
    if not 1 <= settings.MEDIA_URL_SECONDS <= LONGEST_URL_SECONDS:
        hint = f"Set it to 1 to {LONGEST_URL_SECONDS} seconds, or leave it out for a quarter of an hour."
        yield Error("MEDIA_URL_SECONDS is no life that an address can have.", hint=hint, id="whatsapp.E004")
    if settings.WHATSAPP_KEPT_DAYS < LEAST_KEPT_DAYS:
        hint = (
            f"Set it to {LEAST_KEPT_DAYS} days or more, or leave it out for ninety: Meta tells of messages for a week."
        )
        yield Error("WHATSAPP_KEPT_DAYS is too short.", hint=hint, id="whatsapp.E005")
    if settings.META_WABA_ID and not settings.AWS_STORAGE_BUCKET_NAME:
        hint = "Set it, S3_ENDPOINT_URL and AWS_*, and fetch in the admin what was not, within seven days."
        yield Warning(
            "AWS_STORAGE_BUCKET_NAME is not set: customers' files are not kept.", hint=hint, id="whatsapp.W004"
        )


@register()
def account_is_whole(**_: Any) -> list[CheckMessage]:
    """Tenants without an account of their own are served by all three settings, or by none."""
    return list(_halves())


def _halves() -> Iterator[CheckMessage]:
    missing = [name for name in ACCOUNT if not getattr(settings, name)]
    if missing and len(missing) < len(ACCOUNT):
        hint = "Until then WhatsApp is not configured for tenants that have bound no account of their own."
        yield Warning(f"{' and '.join(missing)} is not set, but the rest is.", hint=hint, id="whatsapp.W001")
    if missing:
        return
    if not settings.META_WEBHOOK_APP_SECRETS:
        hint = "Set it to the app secret of the Meta app: without it Meta's webhooks are refused."
        yield Warning("META_WEBHOOK_APP_SECRET is not set.", hint=hint, id="whatsapp.W002")
    if not settings.META_WEBHOOK_VERIFY_TOKEN:
        hint = "Set it to any text, and write the same into the Meta app where its webhook is set up."
        yield Warning("META_WEBHOOK_VERIFY_TOKEN is not set.", hint=hint, id="whatsapp.W003")
