"""Resend, by django-anymail.

Send: https://resend.com/docs/api-reference/emails/send-email
Webhooks: https://resend.com/docs/dashboard/webhooks/event-types

The attempt's id is the idempotency key: one attempt is sent once, whatever stands between. A 5xx stays ambiguous
all the same, since what would come after it is another attempt, or another provider.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

from integrationhub.core import catalogue
from providers import mail_callbacks, mail_refusals
from providers.adapter import Call, JSONObject
from providers.anymail_family import MB, AnymailEmail, schema, secret
from providers.callbacks import InboundEvent, Kind, Webhook
from providers.composing import Mail
from providers.errors import Next

_KINDS = {
    "email.sent": Kind.SENT,
    "email.delivered": Kind.DELIVERED,
    "email.delivery_delayed": Kind.DEFERRED,
    "email.bounced": Kind.BOUNCED,
    "email.complained": Kind.COMPLAINED,
    "email.opened": Kind.OPENED,
    "email.clicked": Kind.CLICKED,
    "email.failed": Kind.FAILED,
    "email.suppressed": Kind.FAILED,
}
_FAILURES = {"email.bounced": "bounce", "email.failed": "failed", "email.suppressed": "suppressed"}


class ResendEmail(AnymailEmail):
    key = "resend_email"
    display_name = "Resend"
    summary = "E-mail through Resend."
    docs_url = "https://resend.com/docs/api-reference/emails/send-email"
    base_url = "https://api.resend.com"
    tells = frozenset({Kind.SENT, Kind.DELIVERED})
    webhook_headers = frozenset({"svix-id"})
    credential_schema = schema(
        {
            "webhook_secret": secret(
                "the signing secret of the webhook, whsec_...", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
            )
        },
        api_key=secret("an API key that may send", "re_8HvT2kQz_4mN6pR1sW3xY5zA7bC9dE0fG", 12),
    )
    service = "resend"
    options = {"api_key": "api_key"}
    constants = {"verify_attachment_extensions": False}
    largest = 29 * MB
    checked = ("/domains", "data")
    refusals = mail_refusals.RESEND
    carries_metadata = False
    has_templates = False

    def check(self, call: Call) -> bool:
        """A key that may only send is told so, which no wrong key is."""
        try:
            return super().check(call)
        except Next as error:
            if error.reason == "resend_restricted_api_key":
                return True
            raise

    def login(self, call: Call) -> dict[str, Any]:
        return {"headers": {"Authorization": f"Bearer {call.secrets['api_key']}"}}

    def code_of(self, said: Mapping[str, Any]) -> Any:
        return said.get("name")

    def more_headers(self, call: Call) -> Mapping[str, str]:
        return {"Idempotency-Key": str(call.attempt_id)}

    def extras(self, call: Call, mail: Mail) -> dict[str, Any]:
        """Its own tags come back with what it tells; anymail's metadata would be a header that recipients see."""
        return {
            **super().extras(call, mail),
            "esp_extra": {"tags": [{"name": "attempt_id", "value": str(call.attempt_id)}]},
        }

    def verify_webhook(self, hook: Webhook, secrets: JSONObject) -> None:
        """https://resend.com/docs/dashboard/webhooks/verify-webhooks-requests"""
        if not (secret := secrets.get("webhook_secret")):
            raise self.unverified("the credential has no webhook_secret.", reason="no_secret")
        if fault := mail_callbacks.svix_fault(hook, secret):
            raise self.unverified("the signature is not the one of this body at this time.", reason=fault)

    def parse_webhook(self, hook: Webhook) -> list[InboundEvent]:
        told = hook.json()
        if told["type"] not in _KINDS:
            return []
        data, failure = told["data"], _FAILURES.get(told["type"], "")
        details = data.get(failure)
        code = details.get("type", "") if isinstance(details, dict) else ""
        return [
            InboundEvent(
                _KINDS[told["type"]],
                data["email_id"],
                key=hook.headers["svix-id"],
                occurred_at=datetime.fromisoformat(told["created_at"]),
                attempt_id=_attempt_id(data.get("tags")),
                reason=f"resend_{failure}" if failure else "",
                code=str(code),
                fault=catalogue.INVALID_REQUEST if code == "Permanent" or failure == "suppressed" else None,
                payload=told,
            )
        ]


def _attempt_id(tags: Any) -> UUID | None:
    with suppress(LookupError, TypeError, ValueError, AttributeError):
        return UUID(tags["attempt_id"])
    return None
