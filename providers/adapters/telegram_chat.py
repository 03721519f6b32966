"""Telegram, by a bot's token, which stands in the address of every request.

Methods and answers: https://core.telegram.org/bots/api#making-requests, https://core.telegram.org/bots/api#sendmessage
A failure has a status and a description, and beside some of them `parameters`:
https://core.telegram.org/bots/api#responseparameters
Updates, and the secret that comes with them: https://core.telegram.org/bots/api#setwebhook
"""

import json
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from integrationhub.core.outbound import Answer
from providers import answers, callbacks, chats
from providers.adapter import Adapter, Call, JSONObject, Receipt
from providers.callbacks import InboundEvent, Kind, Webhook
from providers.errors import Next, ProviderError, Retry, Stop
from providers.retry_after import LONGEST_SECONDS

LONGEST_TEXT = 4096
# A topic of a forum, or a message to answer; neither looks like a thread of another chat.
THREAD = r"(?P<topic>[0-9]{1,10})|reply:(?P<message>[0-9]{1,10})"
# Descriptions are all that Telegram has beside the HTTP status; they are not documented, but collected by those who met
# them: https://github.com/TelegramBotAPI/errors. What is not listed counts by its status.
_SAYINGS: dict[str, dict[str, Any]] = {
    "bot was blocked by the user": {"kind": Stop},  # An opt-out.
    "user is deactivated": {"kind": Stop},
    "bot can't": {"kind": Next},  # "… initiate conversation with a user", "… send messages to bots"
    "bot was kicked": {"kind": Next},
    "bot is not a member": {"kind": Next},
    "not enough rights": {"kind": Next},
    "have no rights to send": {"kind": Next},
    "chat_write_forbidden": {"kind": Next},
    "message is too long": {"kind": Next, "reason": "text_too_long"},
}
_CHANNEL_FAULTS = (
    "chat not found",
    "chat_id is empty",
    "group is deactivated",
    "group chat was deactivated",
    "group chat was deleted",
    "upgraded to",
)


class TelegramChat(Adapter):
    """`channel` is a chat's number (-100…), or @name for a public one; `thread_id` a topic of a forum by its number, or
    `reply:` and the number of the message to answer, as `result.thread_id` of one sent before says it. There are no
    blocks here, and `text` is sent as it is.

    A group that has become a supergroup has a new number. Nothing is sent there unasked: the failure names the number,
    for whoever keeps the old one to write down.

    A message that is posted is there: nothing comes afterwards. What is heard of by a webhook is what people write to
    the bot and where it listens. Its `reference` is `<chat>:<number>`, since each chat counts for itself."""

    key = "telegram_chat"
    display_name = "Telegram"
    summary = "Messages to chats, groups and channels, by a bot."
    docs_url = "https://core.telegram.org/bots/api#sendmessage"
    base_url = "https://api.telegram.org"
    intents = frozenset({"message.send.chat"})
    # Of a token of no bot's Telegram says 401 or 404: the address that it stands in does not exist.
    status_classes = {404: Next}
    config_schema = {
        "type": "object",
        "properties": {
            "channel": chats.member(description="the number of a chat (-100…), or the @name of a public one"),
            "only_channels": chats.ONLY_CHANNELS,
        },
        "additionalProperties": False,
    }
    credential_schema = {
        "type": "object",
        "properties": {
            "bot_token": {
                "type": "string",
                "pattern": "^[0-9]{5,15}:[A-Za-z0-9_-]{30,60}$",
                "x-secret": True,
                "description": "the bot's token from @BotFather: <number>:<35 characters>",
                "examples": ["123456789:AAExampleExampleExampleExampleExampl"],
            },
            "webhook_secret": {
                "type": "string",
                "pattern": "^[A-Za-z0-9_-]{16,256}$",
                "x-secret": True,
                "description": "16 to 256 of A-Z, a-z, 0-9, _ and -: the secret_token that setWebhook was given",
                "examples": ["Example_secret-of-a-webhook"],
            },
        },
        "required": ["bot_token"],
        "additionalProperties": False,
    }

    def check(self, call: Call) -> bool:
        """https://core.telegram.org/bots/api#getme"""
        answer = self.ask(call, "POST", _path(call, "getMe"))
        if _result(answer).get("is_bot") is not True:
            raise self._failure(call, answer)
        return True

    def execute(self, call: Call) -> Receipt:
        form = _form(call)
        if len(call.payload["text"]) > LONGEST_TEXT:
            raise chats.too_long(self.display_name, f"{LONGEST_TEXT} characters")
        answer = self.ask(call, "POST", _path(call, "sendMessage"), data=form)
        reference = _reference(_result(answer))
        if not reference:
            raise self._failure(call, answer)
        chat, _, number = reference.partition(":")
        return Receipt(reference, {"channel": chat, "thread_id": f"reply:{number}"})

    def verify_webhook(self, hook: Webhook, secrets: JSONObject) -> None:
        """Nothing is signed: what proves it is a secret of the bot's owner, which Telegram repeats each time."""
        if not (secret := secrets.get("webhook_secret")):
            raise self.unverified("no webhook secret is bound.", reason="no_secret")
        if not callbacks.is_same(hook.headers.get("x-telegram-bot-api-secret-token", ""), secret):
            raise self.unverified("the secret token is not the bound one.", reason="wrong_signature")

    def parse_webhook(self, hook: Webhook) -> list[InboundEvent]:
        """Messages to the bot, in groups and in channels: https://core.telegram.org/bots/api#update"""
        told = hook.json()
        message = told.get("message") or told.get("channel_post")
        if not message or message.get("from", {}).get("is_bot"):
            return []
        reference, seconds = _reference(message), message["date"]
        if not reference or type(seconds) is not int or seconds >> 33:
            raise ValueError("a message without a number or a date")
        key, moment = str(told["update_id"]), datetime.fromtimestamp(seconds, UTC)
        return [InboundEvent(Kind.RECEIVED, reference, key=key, occurred_at=moment, payload=message)]

    def _failure(self, call: Call, answer: Answer) -> ProviderError:
        """What it says counts in a refusal only: beside a 5xx it does not tell whether Telegram acted."""
        said = answers.document(answer)
        description = said.get("description")
        if said.get("ok") is not False or not isinstance(description, str) or answer.status >= 500:
            return self.failure(call, answer, description)
        if answer.status == HTTPStatus.NOT_FOUND:
            return self.failure(call, answer, description, credential_refused=True)
        parameters = said.get("parameters")
        told = parameters if isinstance(parameters, dict) else {}
        if type(moved := told.get("migrate_to_chat_id")) is int:
            words = f"{description}; its number is {moved} now"
            return self.failure(call, answer, words, kind=chats.channel_fault(call), reason="chat_moved")
        return self.failure(call, answer, description, **_known(call, answer, description.lower(), told))


def _path(call: Call, method: str) -> str:
    return f"/bot{call.secrets['bot_token']}/{method}"


def _form(call: Call) -> dict[str, str]:
    form = {"chat_id": chats.channel(call), "text": call.payload["text"]}
    if (thread := chats.thread(call, THREAD)) and thread["topic"]:
        form["message_thread_id"] = thread["topic"]
    elif thread:
        form["reply_parameters"] = json.dumps({"message_id": int(thread["message"])})
    return form


def _result(answer: Answer) -> dict[str, Any]:
    """What it did; empty unless it says that it did."""
    said = answers.document(answer)
    result = said.get("result")
    is_done = answer.status == HTTPStatus.OK and said.get("ok") is True
    return result if is_done and isinstance(result, dict) else {}


def _reference(message: dict[str, Any]) -> str:
    """Empty for what is no message: https://core.telegram.org/bots/api#message"""
    chat, number = message.get("chat"), message.get("message_id")
    where = chat.get("id") if isinstance(chat, dict) else None
    return f"{where}:{number}" if type(where) is int and type(number) is int else ""


def _known(call: Call, answer: Answer, words: str, told: dict[str, Any]) -> dict[str, Any]:
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return {"kind": Retry, **_wait(told.get("retry_after"))}
    # A 403 is about the chat; for a wrong token it is 401 or 404.
    known = {"credential_refused": answer.status == HTTPStatus.UNAUTHORIZED}
    if any(fault in words for fault in _CHANNEL_FAULTS):
        return {**known, "kind": chats.channel_fault(call), "reason": "chat_not_found"}
    return {**known, **next((more for saying, more in _SAYINGS.items() if saying in words), {})}


def _wait(seconds: Any) -> dict[str, float]:
    """Nothing where the body does not say; the header, if there is one, counts then."""
    return {"retry_after": min(LONGEST_SECONDS, max(0.0, seconds))} if type(seconds) is int else {}
