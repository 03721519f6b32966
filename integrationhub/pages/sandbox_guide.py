"""The sandbox's recipients, as they are documented. What they do stands in `providers/sandbox_script.py`."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from integrationhub.core import catalogue as c
from integrationhub.core.catalogue import Entry


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a recipient that ends in `digits` selects; `entry` is the error that the caller sees, None for a 200."""

    digits: str
    happens: str | Promise
    entry: Entry | None = None


OUTCOMES = (
    Outcome("0006", _("The first provider delivers, as it does for any recipient that is not listed here.")),
    Outcome("0503", _("The first provider answers 503, the second delivers: a fallback with two attempts.")),
    Outcome("0504", _("The first provider cannot be reached, the second delivers.")),
    Outcome("0429", _("The first provider answers 429 with Retry-After: 2, the second delivers.")),
    Outcome("0505", _("The first provider takes the request and never answers, so nobody knows."), c.EXECUTION_FAILED),
    Outcome("9503", _("Every provider answers 503."), c.ALL_PROVIDERS_FAILED),
    Outcome("9504", _("No provider can be reached."), c.ALL_PROVIDERS_FAILED),
    Outcome("0500", _("The adapter itself has a bug."), c.EXECUTION_FAILED),
    Outcome("0001", _("The provider calls the number invalid."), c.INVALID_PHONE),
    Outcome("0004", _("The recipient has blocked the sender."), c.META_UNDELIVERABLE),
    Outcome("1048", _("Meta limits the sender for spam: its error 131048."), c.META_UNDELIVERABLE),
    Outcome("0024", _("The 24-hour window is closed."), c.TEMPLATE_REQUIRED),
    Outcome("0100", _("Meta's error 100."), c.META_INVALID_PARAM),
    Outcome("0190", _("Meta's error 190."), c.META_UNAUTHORIZED),
    Outcome("2000", _("Meta's error 132000."), c.META_TEMPLATE_PAUSED),
    Outcome("3000", _("Meta's error 133000."), c.META_TEMPLATE_NOT_FOUND),
    Outcome("4004", _("Meta's error 4."), c.META_RATE_LIMIT),
    Outcome(
        "0401", _("The stored credential has expired; no attempt is made and nothing is stored."), c.CREDENTIAL_EXPIRED
    ),
    Outcome("0422", _("The month's quota is used up; nothing is stored."), c.QUOTA_EXCEEDED),
    Outcome("0428", _("The rate limit is exhausted; nothing is stored."), c.EXECUTION_RATE_LIMIT_EXCEEDED),
)
