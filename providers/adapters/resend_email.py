"""Resend, by django-anymail.

Send: https://resend.com/docs/api-reference/emails/send-email

The attempt's id is the idempotency key: one attempt is sent once, whatever stands between. A 5xx stays ambiguous
all the same, since what would come after it is another attempt, or another provider.
"""

from collections.abc import Mapping
from typing import Any

from providers import mail_refusals
from providers.adapter import Call
from providers.anymail_family import MB, AnymailEmail, schema, secret
from providers.composing import Mail
from providers.errors import Next


class ResendEmail(AnymailEmail):
    key = "resend_email"
    display_name = "Resend"
    summary = "E-mail through Resend."
    docs_url = "https://resend.com/docs/api-reference/emails/send-email"
    base_url = "https://api.resend.com"
    credential_schema = schema(api_key=secret("an API key that may send", "re_8HvT2kQz_4mN6pR1sW3xY5zA7bC9dE0fG", 12))
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
