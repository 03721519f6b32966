"""Discord, by a channel's webhook.

Execute: https://discord.com/developers/docs/resources/webhook#execute-webhook
Codes: https://discord.com/developers/docs/topics/opcodes-and-status-codes#json-json-error-codes
Rate limits: https://discord.com/developers/docs/topics/rate-limits#exceeding-a-rate-limit
"""

import re
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from integrationhub.core.outbound import Answer
from providers import answers, chats
from providers.adapter import Adapter, Call, Receipt
from providers.errors import Next, ProviderError, Retry, Stop
from providers.retry_after import LONGEST_SECONDS

LONGEST_TEXT, MOST_EMBEDS = 2000, 10
THREAD = "[0-9]{17,20}"
# The address as Discord shows it; those of its test versions, and an old name, lead to the same webhook.
WEBHOOK = (
    r"^https://((ptb|canary)\.)?discord(app)?\.com/api/(v[0-9]{1,2}/)?webhooks/"
    r"(?P<id>[0-9]{17,20})/(?P<token>[A-Za-z0-9_-]{40,100})$"
)
# Whoever is named is told, but @everyone and @here in a text that may be anybody's wake nobody:
# https://discord.com/developers/docs/resources/message#allowed-mentions-object
_MENTIONS = {"parse": ["users", "roles"]}
_CODES: dict[int, dict[str, Any]] = {
    10015: {"kind": Next, "credential_refused": True},  # Unknown webhook: it was deleted.
    50027: {"kind": Next, "credential_refused": True},  # Invalid webhook token.
    50013: {"kind": Next},  # Missing permissions.
    220001: {"kind": Next},  # A forum's webhook posts to threads only.
    220004: {"kind": Next},  # "Webhook services cannot be used in forum channels."
    10003: {"kind": Stop},  # Unknown channel: the thread that was named.
    50006: {"kind": Stop},  # An empty message.
    50035: {"kind": Stop},  # Invalid form body.
    50083: {"kind": Stop},  # The thread is archived.
    200000: {"kind": Stop},  # Blocked by the server's automatic moderation.
    240000: {"kind": Stop},  # Blocked by the filter of harmful links.
}


class DiscordChat(Adapter):
    """The webhook has its channel built in, and posts there whatever `channel` says; `only_channels` keeps out what is
    meant for another one. `thread_id` is the id of a thread in that channel. Of `blocks`, those of the type `rich` are
    sent as embeds."""

    key = "discord_chat"
    display_name = "Discord"
    summary = "Messages to the channel of a webhook."
    docs_url = "https://discord.com/developers/docs/resources/webhook#execute-webhook"
    base_url = "https://discord.com"
    intents = frozenset({"message.send.chat"})
    status_classes = {404: Next}  # There is no such webhook.
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
                "pattern": WEBHOOK,
                "x-secret": True,
                "description": "the webhook's address: https://discord.com/api/webhooks/<id>/<token>",
                "examples": [
                    "https://discord.com/api/webhooks/123456789012345678/"
                    "ExampleExampleExampleExampleExampleExampleExampleExampleExampleExampl"
                ],
            },
        },
        "required": ["webhook_url"],
        "additionalProperties": False,
    }

    def check(self, call: Call) -> bool:
        """https://discord.com/developers/docs/resources/webhook#get-webhook-with-token"""
        call = _opened(call)
        answer = self.ask(call, "GET", _path(call))
        if answer.status != HTTPStatus.OK or answers.document(answer).get("id") != call.secrets["id"]:
            raise self._failure(call, answer)
        return True

    def execute(self, call: Call) -> Receipt:
        call, message = _opened(call), _message(call)
        if len(call.payload["text"]) > LONGEST_TEXT:
            raise chats.too_long(self.display_name, f"{LONGEST_TEXT} characters")
        answer = self.ask(call, "POST", _path(call), params=_query(call), json=message)
        posted = answers.document(answer)
        number, channel = posted.get("id"), posted.get("channel_id")
        if answer.status != HTTPStatus.OK or not isinstance(number, str) or not re.fullmatch(THREAD, number):
            raise self._failure(call, answer)
        return Receipt(number, {"channel": channel if isinstance(channel, str) else None})

    def _failure(self, call: Call, answer: Answer) -> ProviderError:
        """A code counts in a refusal only: beside a 5xx it says nothing about whether Discord acted."""
        said = answers.document(answer)
        code = said.get("code")
        known: dict[str, Any] = {}
        if type(code) is int and code and 400 <= answer.status < 500:
            known = {"reason": f"discord_{code}"}
            known |= {"credential_refused": False, **_CODES[code]} if code in _CODES else {}
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            known |= {"kind": Retry, **_wait(said.get("retry_after"))}
        return self.failure(call, answer, said.get("message"), **known)


def _opened(call: Call) -> Call:
    """With id and token apart: either alone may be what an answer repeats. Raises Next for an address that is none."""
    webhook = re.fullmatch(WEBHOOK, call.secrets["webhook_url"])
    if webhook is None:
        raise Next("The webhook is no address of Discord's.", reason="webhook_invalid", credential_refused=True)
    return replace(call, secrets={**call.secrets, **webhook.groupdict()})


def _path(call: Call) -> str:
    return f"/api/webhooks/{call.secrets['id']}/{call.secrets['token']}"


def _query(call: Call) -> dict[str, str]:
    """Only one that waits is told what became of the message."""
    thread = chats.thread(call, THREAD)
    return {"thread_id": thread[0], "wait": "true"} if thread else {"wait": "true"}


def _message(call: Call) -> dict[str, Any]:
    chats.channel(call)
    message: dict[str, Any] = {"content": call.payload["text"], "allowed_mentions": _MENTIONS}
    if embeds := chats.blocks(call, chats.EMBED)[:MOST_EMBEDS]:
        message["embeds"] = embeds
    return message


def _wait(seconds: Any) -> dict[str, float]:
    """In seconds and their fractions, where the header has whole ones; nothing where the body does not say."""
    return {"retry_after": min(LONGEST_SECONDS, max(0.0, seconds))} if type(seconds) in (int, float) else {}
