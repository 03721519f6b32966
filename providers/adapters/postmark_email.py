"""Postmark, by django-anymail.

Send: https://postmarkapp.com/developer/api/email-api
Webhooks, which are protected by a login alone: https://postmarkapp.com/developer/webhooks/webhooks-overview
"""

from collections.abc import Mapping
from typing import Any

from providers import mail_refusals
from providers.adapter import Call
from providers.anymail_family import MB, config_schema, schema, secret
from providers.callbacks import Kind
from providers.mail_callbacks import WEBHOOK_LOGIN, LoginEmail


class PostmarkEmail(LoginEmail):
    key = "postmark_email"
    display_name = "Postmark"
    summary = "E-mail through Postmark."
    docs_url = "https://postmarkapp.com/developer/api/email-api"
    base_url = "https://api.postmarkapp.com"
    credential_schema = schema(
        WEBHOOK_LOGIN, server_token=secret("the server's API token", "0f9c2d47-6b1e-4a53-8c1d-5e7a9b3f2d64", 20)
    )
    config_schema = config_schema(
        message_stream={
            "type": "string",
            "pattern": "^[a-z0-9-]{1,30}$",
            "description": "the stream that messages are sent in; `outbound` unless set",
            "examples": ["outbound"],
        }
    )
    service = "postmark"
    view = "PostmarkTrackingWebhookView"
    tells = frozenset({Kind.DELIVERED})
    options = {"server_token": "server_token", "message_stream": "message_stream"}
    largest = 7 * MB
    checked = ("/server", "ID")
    refusals = mail_refusals.POSTMARK
    titles_templates = True

    def login(self, call: Call) -> dict[str, Any]:
        return {"headers": {"X-Postmark-Server-Token": call.secrets["server_token"], "Accept": "application/json"}}

    def code_of(self, said: Mapping[str, Any]) -> Any:
        return said.get("ErrorCode")

    def words_of(self, said: Mapping[str, Any]) -> Any:
        return said.get("Message")
