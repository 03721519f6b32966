"""One payload, whichever chat takes it: what each makes of the channel, the thread and the blocks."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest

from providers import registry
from providers.errors import Next
from providers.models import Provider
from tests.make import Api
from tests.providers.adapters.chatting import Chat
from tests.providers.answering import AnsweringServer
from tests.providers.conformance import example_of

KEYS = ["slack_chat", "telegram_chat", "discord_chat", "teams_chat"]
POSTED = {"message_id": 77, "chat": {"id": -1001234567890}}
SUCCESS = {"ok": True, "ts": "1503435956.000247", "result": POSTED, "id": "223456789012345678"}
BLOCKS = [
    {"type": "section", "text": {"type": "mrkdwn", "text": "*Shipped*"}},
    {"type": "rich", "title": "Shipped"},
    {"type": "FactSet", "facts": []},
    {"type": 5},
    {},
]
THREADS = ["1503435956.000247", "42", "reply:77", "423456789012345678", "no thread of anybody's"]


@pytest.fixture(params=KEYS)
def chat(request: pytest.FixtureRequest, server: AnsweringServer) -> Chat:
    server.answer(200, SUCCESS, **{"x-ms-workflow-run-id": "08584RUN"})
    return Chat(server, request.param, **example_of(registry.get(request.param).credential_schema))


def sent(chat: Chat) -> dict[str, Any]:
    """The last request: the members of its body and of its query."""
    asked = chat.server.asked[-1]
    query = {name: values[0] for name, values in parse_qs(asked.path.partition("?")[2]).items()}
    is_form = "form" in asked.headers["Content-Type"]
    body = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()} if is_form else asked.json()
    return {**query, **body}


def test_a_channel_left_to_others_is_not_written_to(chat: Chat) -> None:
    error = chat.failure(config={"only_channels": ["#orders"]}, channel="#salaries")
    assert (type(error), error.reason, chat.server.asked) == (Next, "channel_not_served", [])
    chat.send(config={"only_channels": ["#orders"]}, channel="#orders")
    chat.send(config={"only_channels": []}, channel="#salaries")
    assert len(chat.server.asked) == 2


def test_an_installations_channel_replaces_the_payloads_where_there_is_one_to_name(chat: Chat) -> None:
    names = {"slack_chat": "channel", "telegram_chat": "chat_id"}
    chat.send(config={"channel": "-1001", "only_channels": ["#orders"]})
    assert sent(chat).get(names.get(chat.adapter.key, "channel")) == ("-1001" if chat.adapter.key in names else None)
    assert ("channel" in chat.adapter.config_schema["properties"]) is (chat.adapter.key in names)


def test_each_chat_takes_the_threads_that_are_in_its_own_form(chat: Chat) -> None:
    members = ("thread_ts", "message_thread_id", "reply_parameters", "thread_id")
    taken = []
    for thread_id in THREADS:
        chat.send(thread_id=thread_id)
        taken += [thread_id for name in members if name in sent(chat)]
    own = {"slack_chat": THREADS[:1], "telegram_chat": THREADS[1:3], "discord_chat": THREADS[3:4], "teams_chat": []}
    assert taken == own[chat.adapter.key]


def test_each_chat_takes_the_blocks_that_are_in_its_own_language(chat: Chat) -> None:
    chat.send(blocks=BLOCKS)
    text = json.dumps(sent(chat))
    taken = [block["type"] for block in BLOCKS[:3] if f'"type": "{block["type"]}"' in text]
    own = {"slack_chat": ["section"], "telegram_chat": [], "discord_chat": ["rich"], "teams_chat": ["FactSet"]}
    assert taken == own[chat.adapter.key]


# --- As a tenant sees it ---

MESSAGE = {"category": "messaging", "intent": "message.send.chat", "payload": {"channel": "#orders", "text": "Shipped"}}


@pytest.fixture
def second() -> Iterator[AnsweringServer]:
    server = AnsweringServer()
    server.start()
    yield server
    server.stop()


def install(api: Api, key: str, server: AnsweringServer, priority: int, **config: str) -> None:
    Provider.objects.filter(provider_key=key).update(base_url=server.base_url)
    body = {"provider_key": key, "credentials": example_of(registry.get(key).credential_schema), "verify": False}
    assert api.post("/credentials/bind", body).status_code == 201
    installed = api.post(f"/marketplace/integrations/{key}/install", {"config": config, "priority": priority})
    assert installed.status_code == 201, installed.content


def test_what_slack_does_not_take_telegram_posts_in_its_own_chat(
    api: Api, server: AnsweringServer, second: AnsweringServer
) -> None:
    install(api, "slack_chat", server, 0)
    install(api, "telegram_chat", second, 1, channel="-1001234567890")
    server.answer(200, {"ok": False, "error": "token_revoked"})
    second.answer(200, SUCCESS)
    body = api.post("/execute", MESSAGE).json()
    assert (body["status"], body["provider_key"], body["fallback_used"]) == ("succeeded", "telegram_chat", True)
    assert body["result"] == {"channel": "-1001234567890", "thread_id": "reply:77"}
    assert parse_qs(second.asked[0].body.decode())["chat_id"] == ["-1001234567890"]


@pytest.mark.parametrize("key", ["telegram_chat", "discord_chat", "teams_chat"])
def test_a_secret_in_an_address_is_in_no_answer_record_or_log(
    api: Api, server: AnsweringServer, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    install(api, key, server, 0)
    secret = next(iter(example_of(registry.get(key).credential_schema).values()))
    for status in (200, 401, 500):
        server.answer(status, {"message": secret, "description": secret, "error": {"message": secret}, "ok": False})
        answer = api.post("/execute", MESSAGE)
        assert answer.status_code >= 400
        executions = api.get("/executions").content.decode()
        [last, *_] = api.get("/executions").json()["data"]
        whole = api.get(f"/executions/{last.get('execution_id') or last['id']}").content.decode()
        told = answer.content.decode() + executions + whole + caplog.text
        assert secret not in told
        assert server.asked[-1].path not in told
