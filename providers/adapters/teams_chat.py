"""Microsoft Teams, by the webhook of a workflow ("Send webhook alerts to a channel" in Teams' app Workflows).

Webhooks of Office 365 connectors (webhook.office.com) are no more:
https://devblogs.microsoft.com/microsoft365dev/retirement-of-office-365-connectors-within-microsoft-teams/
The message and its card: https://learn.microsoft.com/connectors/teams/#microsoft-teams-webhook
The hosts: https://learn.microsoft.com/power-automate/ip-address-configuration
"""

import json
import re
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from integrationhub.core.outbound import Answer
from providers import answers, chats
from providers.adapter import Adapter, Call, Receipt
from providers.errors import Next, ProviderError, Stop

# Of each of Microsoft's clouds: the environments of Power Platform, and Logic Apps, on which workflows stood before.
HOSTS = (
    "environment.api.powerplatform.com",
    "environment.api.gov.powerplatform.microsoft.us",
    "environment.api.high.powerplatform.microsoft.us",
    "environment.api.appsplatform.us",
    "environment.api.powerplatform.partner.microsoftonline.cn",
    "logic.azure.com",
    "logic.azure.us",
    "logic.azure.cn",
)
WEBHOOK = (
    rf"^https://([a-z0-9-]{{1,63}}\.){{1,3}}({'|'.join(map(re.escape, HOSTS))})(:443)?"
    r"(/powerautomate/automations/direct(/cu/[0-9]{1,5})?)?"
    r"/workflows/(?P<workflow>[A-Za-z0-9_-]{16,64})/triggers/[A-Za-z0-9_-]{1,60}/paths/invoke"
    r"\?[A-Za-z0-9_.~%=&-]*(?<=[?&])sig=(?P<signature>[A-Za-z0-9_.~%-]{20,100})(&[A-Za-z0-9_.~%=&-]*)?$"
)
# Teams posts no larger ones, and a workflow that took such a one tells nobody:
# https://learn.microsoft.com/microsoftteams/limits-specifications-teams#chat
LARGEST_MESSAGE = 28_000
RUN = "x-ms-workflow-run-id"
# A code is what Logic Apps says: https://learn.microsoft.com/azure/logic-apps/logic-apps-http-endpoint
_CODES: dict[str, dict[str, Any]] = {
    # Switched off, deleted, or of an address that a newer one has replaced.
    "WorkflowTriggerIsNotEnabled": {"kind": Next, "credential_refused": True},
    "WorkflowNotFound": {"kind": Next, "credential_refused": True},
    "WorkflowTriggerNotFound": {"kind": Next, "credential_refused": True},
    "TriggerInputSchemaMismatch": {"kind": Stop},
}


class TeamsChat(Adapter):
    """The workflow has its channel or chat built in, and posts there whatever `channel` says; `only_channels` keeps out
    what is meant for another one. It begins a message of its own each time: there are no threads. `text` is the text of
    an adaptive card, with Markdown's emphasis, lists and links; of `blocks`, those of a type in CamelCase are the
    elements of a card in its place.

    Success means that the workflow has begun: whether it posted, only its run history tells."""

    key = "teams_chat"
    display_name = "Microsoft Teams"
    summary = "Messages to the channel or chat of a workflow's webhook."
    docs_url = "https://support.microsoft.com/office/create-incoming-webhooks-with-workflows-for-microsoft-teams-8ae491c7-0394-4861-ba59-055e33f75498"
    has_own_address = True  # Workflows stand on the host of the tenant's own environment.
    allowed_hosts = frozenset(f"*.{host}" for host in HOSTS)
    intents = frozenset({"message.send.chat"})
    status_classes = {404: Next}  # There is no such workflow.
    config_schema = {
        "type": "object",
        "properties": {"only_channels": chats.ONLY_CHANNELS},
        "additionalProperties": False,
    }
    credential_schema = {
        "type": "object",
        "properties": {
            "webhook_url": {
                "type": "string",
                "maxLength": 1000,
                "pattern": WEBHOOK,
                "x-secret": True,
                "description": "the workflow's webhook URL, whole: https://….environment.api.powerplatform.com/…&sig=…",
                "examples": [
                    "https://default0123456789abcdef0123456789ab.cd.environment.api.powerplatform.com:443"
                    "/powerautomate/automations/direct/workflows/0123456789abcdef0123456789abcdef"
                    "/triggers/manual/paths/invoke?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0"
                    "&sig=Example-Example_Example-Example_Example-Exa"
                ],
            },
        },
        "required": ["webhook_url"],
        "additionalProperties": False,
    }

    def execute(self, call: Call) -> Receipt:
        message = _message(call)
        if len(json.dumps(message, ensure_ascii=False).encode()) > LARGEST_MESSAGE:
            raise chats.too_long(self.display_name, f"{LARGEST_MESSAGE} bytes")
        call = _opened(call)
        answer = self.ask(call, "POST", call.secrets["path"], json=message)
        run = answer.headers.get(RUN, "")
        # A workflow that answers in its own words says 200.
        if answer.status == HTTPStatus.ACCEPTED or (answer.status == HTTPStatus.OK and run):
            return Receipt(run)
        raise self._failure(call, answer)

    def address(self, call: Call) -> str:
        """The webhook's own host, unless an operator has another."""
        webhook = urlsplit(call.secrets["webhook_url"])
        return call.base_url or f"{webhook.scheme}://{webhook.netloc}"

    def _failure(self, call: Call, answer: Answer) -> ProviderError:
        """A code counts in a refusal only: beside a 5xx it says nothing about whether the workflow began."""
        said = answers.document(answer).get("error")
        error = said if isinstance(said, dict) else {}
        known: dict[str, Any] = {}
        if 400 <= answer.status < 500 and (word := answers.word(error.get("code"))):
            known = {"reason": f"teams_{word}", **_CODES.get(error["code"], {})}
        return self.failure(call, answer, error.get("message"), **known)


def _opened(call: Call) -> Call:
    """With the parts of the address that an answer may repeat, the signature quoted and not. Raises Next for an address
    at none of Microsoft's hosts."""
    url = call.secrets["webhook_url"]
    webhook = re.fullmatch(WEBHOOK, url)
    if webhook is None:
        raise Next("The webhook is no address of a workflow.", reason="webhook_invalid", credential_refused=True)
    parts = urlsplit(url)
    read = {"path": f"{parts.path}?{parts.query}", "read": parse_qs(parts.query)["sig"][0]}
    return replace(call, secrets={**call.secrets, **webhook.groupdict(), **read})


def _message(call: Call) -> dict[str, Any]:
    chats.channel(call)
    text = {"type": "TextBlock", "text": call.payload["text"], "wrap": True}
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": chats.blocks(call, chats.CARD) or [text],
        "msteams": {"width": "full"},
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}
