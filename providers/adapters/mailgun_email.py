"""Mailgun, by django-anymail.

Send: https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages/post-v3--domain-name--messages
Webhooks: https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhooks

It has no codes; a 404 for a message can only be the domain, in this region.
"""

from http import HTTPStatus
from typing import Any

from integrationhub.core.outbound import Answer
from providers import callbacks
from providers.adapter import Call, JSONObject
from providers.anymail_family import MB, region, schema, secret
from providers.callbacks import Kind, Webhook
from providers.errors import Next, ProviderError
from providers.mail_callbacks import TellingEmail, hmac_sha256


class MailgunEmail(TellingEmail):
    key = "mailgun_email"
    display_name = "Mailgun"
    summary = "E-mail through Mailgun."
    docs_url = "https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages"
    base_url = "https://api.mailgun.net"
    api_path = "/v3/"
    regions = {"eu": "https://api.eu.mailgun.net"}
    allowed_hosts = frozenset({"api.eu.mailgun.net"})
    credential_schema = schema(
        {"webhook_signing_key": secret("the HTTP webhook signing key", "an-example-of-a-webhook-signing-key")},
        api_key=secret(
            "an API key of the account; the sending key of a domain can send, but not be verified",
            "key-3ax6xnjp29jd6fds4gc373sgvjxteol0",
        ),
        domain={
            "type": "string",
            "pattern": r"^[A-Za-z0-9]([A-Za-z0-9-]{0,62}\.)+[A-Za-z]{2,63}$",
            "description": "the sending domain, such as mg.example.com",
            "examples": ["mg.example.com"],
        },
        region=region("us", "eu"),
    )
    service = "mailgun"
    view = "MailgunTrackingWebhookView"
    payload_at, key_at = "event-data", "id"
    tells = frozenset({Kind.DELIVERED})
    options = {"api_key": "api_key", "sender_domain": "domain"}
    largest = 18 * MB
    checked = ("/v3/domains/{domain}", "domain")
    status_classes = {404: Next}

    def login(self, call: Call) -> dict[str, Any]:
        return {"auth": ("api", call.secrets["api_key"])}

    def is_accepted(self, answer: Answer) -> bool:
        """An address that is none of its API's is greeted with 200."""
        return super().is_accepted(answer) and b"Mailgun Magnificent API" not in answer.body

    def refusal(self, call: Call, answer: Answer) -> ProviderError:
        if answer.status == HTTPStatus.OK and not self.is_accepted(answer):
            return self.failure(call, answer, kind=Next, reason="wrong_address")
        return super().refusal(call, answer)

    def verify_webhook(self, hook: Webhook, secrets: JSONObject) -> None:
        """https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks

        Only a time and a token are signed, not the event: who has seen one request could put another event in its
        place for five minutes, if they knew the address too.
        """
        key = self.needed(secrets, "webhook_signing_key")
        try:
            signed = hook.json()["signature"]
            timestamp, token, given = str(signed["timestamp"]), str(signed["token"]), signed["signature"]
            is_recent = callbacks.is_recent(float(timestamp))
        except (ValueError, LookupError, TypeError, RecursionError):
            raise self.unverified("the body has no signature.", reason="unreadable") from None
        self.expect(given, hmac_sha256(key, f"{timestamp}{token}".encode("utf-8", "replace")))
        if not is_recent:
            raise self.unverified("it was signed too long ago.", reason="stale")
