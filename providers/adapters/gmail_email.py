"""Gmail: sends as the account that a tenant has connected.

Send: https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.messages/send
Errors: https://developers.google.com/workspace/gmail/api/guides/handle-errors
"""

import base64
from http import HTTPStatus
from typing import Any

from integrationhub.core.outbound import Answer
from providers import answers, composing, mime
from providers.adapter import CONNECTION_ID, Adapter, Call, Receipt
from providers.errors import Next, ProviderError, Retry, Stop
from providers.retry_after import LONGEST_SECONDS

# https://support.google.com/mail/answer/6584
LARGEST_ATTACHMENTS = 25_000_000
# By the `reason` of an error's first item. A 403 can be any of them.
_REASONS: dict[str, dict[str, Any]] = {
    "rateLimitExceeded": {"kind": Retry},
    "userRateLimitExceeded": {"kind": Retry},
    "quotaExceeded": {"kind": Next},
    # The day's limit of the tenant's own application, whichever account sends.
    "dailyLimitExceeded": {"kind": Next, "retry_after": LONGEST_SECONDS},
    "failedPrecondition": {"kind": Next},  # The account has no mailbox: "Mail service not enabled".
    "invalidArgument": {"kind": Stop},  # "Invalid To header", "Recipient address required".
    "authError": {"kind": Next, "credential_refused": True},
    "insufficientPermissions": {"kind": Next, "credential_refused": True},
    "domainPolicy": {"kind": Next, "credential_refused": True},
    "accessNotConfigured": {"kind": Next},  # The API is not enabled for the tenant's application.
}


class GmailEmail(Adapter):
    key = "gmail_email"
    display_name = "Gmail"
    summary = "E-mail as a connected Google account."
    docs_url = "https://developers.google.com/workspace/gmail/api/guides/sending"
    base_url = "https://gmail.googleapis.com"
    intents = frozenset({"message.send.email"})
    connection_provider = "google"
    connection_scopes = frozenset(
        {
            "https://www.googleapis.com/auth/gmail.send",
            "https://www.googleapis.com/auth/gmail.compose",
            "https://www.googleapis.com/auth/gmail.modify",
            "https://mail.google.com/",
        }
    )
    config_schema = {
        "type": "object",
        "properties": {
            "connection_id": CONNECTION_ID,
            "from": composing.SENDER,
            "from_name": composing.SENDER_NAME,
        },
        "additionalProperties": False,
    }
    # The message is too large for the way it is sent; another provider may take it.
    status_classes = {413: Next}

    def preflight(self, call: Call) -> None:
        composing.refuse(call)

    def execute(self, call: Call) -> Receipt:
        mail = composing.read(call, self.http, provider=self.display_name, largest=LARGEST_ATTACHMENTS)
        # Gmail reads from the message whom to send it to.
        raw = base64.urlsafe_b64encode(mime.written(mail, tells_bcc=True)).decode()
        login = {"Authorization": f"Bearer {call.secrets['access_token']}", "Accept": "application/json"}
        answer = self.ask(call, "POST", "/gmail/v1/users/me/messages/send", headers=login, json={"raw": raw})
        said = answers.document(answer)
        if answer.status == HTTPStatus.OK and isinstance(said.get("id"), str) and said["id"]:
            thread = said.get("threadId")
            return Receipt(said["id"], {"thread_id": thread if isinstance(thread, str) else None})
        raise self._failure(call, answer)

    def _failure(self, call: Call, answer: Answer) -> ProviderError:
        """A reason counts in a refusal only: beside a 5xx it says nothing about whether Gmail acted."""
        error = answers.document(answer).get("error")
        error = error if isinstance(error, dict) else {}
        reason = _reason(error)
        known = _REASONS.get(reason, {}) if 400 <= answer.status < 500 else {}
        if known:
            known = {"reason": f"gmail_{answers.word(reason)}", "credential_refused": False, **known}
        return self.failure(call, answer, error.get("message"), **known)


def _reason(error: dict[str, Any]) -> str:
    items = error.get("errors")
    first = items[0] if isinstance(items, list) and items else None
    reason = first.get("reason") if isinstance(first, dict) else None
    return reason if isinstance(reason, str) else ""
