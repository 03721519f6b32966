"""Chat messages on the wire: each adapter's request beside that of the provider's own, or the kept, library."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import apprise
import pytest
import requests
from discord_webhook import DiscordWebhook
from slack_sdk import WebClient
from telegram import Bot, Message, ReplyParameters, User

from providers import registry
from tests.providers.answering import AnsweringServer, Asked, call
from tests.providers.wire import Redirected, assert_same

TEXTS = ["Order A-1042 was shipped.", "Tea & cake <5 €> + ü = 100 %", "漢字 🎉\nsecond line"]
SLACK = "xoxb-123456789012-1234567890123-ExampleExampleExample"
TELEGRAM = "123456789:AAExampleExampleExampleExampleExampl"
DISCORD_PATH = "/api/webhooks/123456789012345678/" + "Example-Example_Ex" * 4
DISCORD = f"https://discord.com{DISCORD_PATH}"
TEAMS_PATH = (
    "/powerautomate/automations/direct/workflows/0123456789abcdef0123456789abcdef/triggers/manual/paths/invoke"
    "?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=Example-Example_Example-Example_Example-Exa"
)
TEAMS_HOST = "default0123456789abcdef0123456789ab.cd.environment.api.powerplatform.com"


def ours(server: AnsweringServer, key: str, secret: str, value: str, **payload: Any) -> Asked:
    asked = replace(call("message.send.chat", payload, **{secret: value}), base_url=server.base_url)
    registry.instance(key).execute(asked)
    return server.asked[-1]


def checked(server: AnsweringServer, key: str, secret: str, value: str) -> Asked:
    asked = replace(call("message.send.chat", **{secret: value}), base_url=server.base_url)
    assert registry.instance(key).check(asked) is True
    return server.asked[-1]


# --- Slack, beside the package slack-sdk ---

BLOCKS = [{"type": "section", "text": {"type": "mrkdwn", "text": "*Shipped*"}}]
ATTACHMENTS = [{"color": "#36a64f", "text": "A-1042"}]


def slack(server: AnsweringServer) -> WebClient:
    server.answer(200, {"ok": True, "ts": "1503435956.000247", "channel": "C1", "team_id": "T1"})
    return WebClient(token=SLACK, base_url=f"{server.base_url}/api/", retry_handlers=[])


@pytest.mark.parametrize("text", TEXTS)
def test_slack_is_asked_as_by_its_own_library(server: AnsweringServer, text: str) -> None:
    slack(server).chat_postMessage(channel="#orders", text=text)
    assert_same(ours(server, "slack_chat", "bot_token", SLACK, channel="#orders", text=text), server.asked[0])


def test_slack_is_asked_for_a_thread_with_blocks_as_by_its_own_library(server: AnsweringServer) -> None:
    message = {"channel": "C1", "text": "Shipped", "blocks": BLOCKS, "attachments": ATTACHMENTS}
    slack(server).chat_postMessage(**message, thread_ts="1503435956.000247")
    sent = ours(server, "slack_chat", "bot_token", SLACK, **message, thread_id="1503435956.000247")
    assert_same(sent, server.asked[0])


def test_slacks_token_is_tested_as_by_its_own_library(server: AnsweringServer) -> None:
    slack(server).auth_test()
    assert_same(checked(server, "slack_chat", "bot_token", SLACK), server.asked[0])


# --- Telegram, beside the package python-telegram-bot ---


async def _with_bot(server: AnsweringServer, method: str, **arguments: Any) -> Message | User:
    async with Bot(TELEGRAM, base_url=f"{server.base_url}/bot") as bot:
        server.asked.clear()  # It begins with a getMe of its own.
        server.answer(200, {"ok": True, "result": TELEGRAM_MESSAGE if method == "send_message" else TELEGRAM_BOT})
        return await getattr(bot, method)(**arguments)


TELEGRAM_BOT = {"id": 123456789, "is_bot": True, "first_name": "Hub", "username": "hub_bot"}
TELEGRAM_MESSAGE = {"message_id": 77, "date": 1, "chat": {"id": -1001, "type": "supergroup", "title": "Orders"}}


def telegram(server: AnsweringServer, method: str, **arguments: Any) -> Asked:
    server.answer(200, {"ok": True, "result": TELEGRAM_BOT})
    asyncio.run(_with_bot(server, method, **arguments))
    return server.asked[-1]


@pytest.mark.parametrize("text", TEXTS)
def test_telegram_is_asked_as_by_its_own_library(server: AnsweringServer, text: str) -> None:
    theirs = telegram(server, "send_message", chat_id=-1001234567890, text=text)
    assert_same(ours(server, "telegram_chat", "bot_token", TELEGRAM, channel="-1001234567890", text=text), theirs)


@pytest.mark.parametrize(
    ("thread_id", "arguments"),
    [("42", {"message_thread_id": 42}), ("reply:77", {"reply_parameters": ReplyParameters(77)})],
)
def test_telegram_is_asked_for_a_thread_as_by_its_own_library(
    server: AnsweringServer, thread_id: str, arguments: dict[str, Any]
) -> None:
    theirs = telegram(server, "send_message", chat_id="@orders", text="Shipped", **arguments)
    sent = ours(server, "telegram_chat", "bot_token", TELEGRAM, channel="@orders", text="Shipped", thread_id=thread_id)
    assert_same(sent, theirs)


def test_telegrams_bot_is_read_as_by_its_own_library(server: AnsweringServer) -> None:
    theirs = telegram(server, "get_me")
    assert_same(checked(server, "telegram_chat", "bot_token", TELEGRAM), theirs)


# --- Discord, beside the package discord-webhook ---


def discord(server: AnsweringServer, text: str, **more: Any) -> Asked:
    server.answer(200, {"id": "223456789012345678", "channel_id": "323456789012345678"})
    mentions: Any = {"parse": ["users", "roles"]}
    DiscordWebhook(url=server.base_url + DISCORD_PATH, content=text, allowed_mentions=mentions, **more).execute()
    return server.asked[-1]


THEIRS_ALONE = {
    "body.attachments": "an empty list, where we have none",
    "body.embeds": "an empty list, where we have none",
    "body.wait": "an option that it sends along, beside the query",
    "query.wait": "it writes Python's True",
}


@pytest.mark.parametrize("text", TEXTS)
def test_discord_is_asked_as_by_the_library(server: AnsweringServer, text: str) -> None:
    theirs = discord(server, text)
    sent = ours(server, "discord_chat", "webhook_url", DISCORD, channel="#orders", text=text)
    assert_same(sent, theirs, apart=THEIRS_ALONE)


def test_discord_is_asked_for_a_thread_with_embeds_as_by_the_library(server: AnsweringServer) -> None:
    embed, thread = {"type": "rich", "title": "A-1042", "description": "Shipped"}, "423456789012345678"
    theirs = discord(server, "Shipped", thread_id=thread, embeds=[embed])
    sent = ours(
        server, "discord_chat", "webhook_url", DISCORD, channel="#o", text="Shipped", blocks=[embed], thread_id=thread
    )
    apart = {name: reason for name, reason in THEIRS_ALONE.items() if name != "body.embeds"}
    assert_same(sent, theirs, apart={**apart, "body.thread_id": "an option that it sends along, beside the query"})


# --- Teams, beside the plugin of the package apprise ---


@pytest.fixture
def redirected(server: AnsweringServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[AnsweringServer]:
    """Apprise makes its sessions itself, inside of `requests.post`; their connections lead to the server."""
    monkeypatch.setattr(requests.sessions.Session, "get_adapter", lambda *_, **__: Redirected(server))
    return server


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")
@pytest.mark.parametrize("text", TEXTS)
def test_a_workflow_of_teams_is_asked_as_by_the_library(redirected: AnsweringServer, text: str) -> None:
    redirected.answer(202, b"")
    url = f"https://{TEAMS_HOST}:443{TEAMS_PATH}"
    plugin = apprise.Apprise.instantiate(url)
    plugin.include_image = False
    assert plugin.send(body=text)
    card = "body.attachments[0].content.body[0]"
    theirs = {f"{card}.id": "the library names the block", f"{card}.style": "its default"}
    sent = ours(redirected, "teams_chat", "webhook_url", url, channel="#orders", text=text)
    assert_same(sent, redirected.asked[0], apart=theirs)
