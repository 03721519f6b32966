"""Answers as Discord documents them; what is asked is compared with a library in test_chat_wire.py."""

from typing import Any

import pytest

from providers import registry, schema_faults
from providers.errors import Ambiguous, Next, ProviderError, Retry, Stop
from tests.providers.adapters.chatting import Chat
from tests.providers.answering import AnsweringServer

ID, TOKEN = "123456789012345678", "Example-Example_Ex" * 4
URL = f"https://discord.com/api/webhooks/{ID}/{TOKEN}"
POSTED = {"id": "223456789012345678", "channel_id": "323456789012345678", "content": "Shipped", "webhook_id": ID}


@pytest.fixture
def discord(server: AnsweringServer) -> Chat:
    server.answer(200, POSTED)
    return Chat(server, "discord_chat", webhook_url=URL)


def test_a_posted_message_returns_its_id_and_channel(discord: Chat) -> None:
    receipt = discord.send()
    assert (receipt.reference, receipt.result) == ("223456789012345678", {"channel": "323456789012345678"})
    assert discord.server.asked[0].path == f"/api/webhooks/{ID}/{TOKEN}?wait=true"
    assert "channel" not in discord.server.asked[0].json(), "the webhook has its own"


def test_a_text_wakes_whom_it_names_but_never_everyone(discord: Chat) -> None:
    discord.send(text="A note of a buyer's: @everyone")
    assert discord.server.asked[0].json()["allowed_mentions"] == {"parse": ["users", "roles"]}


@pytest.mark.parametrize("said", [{"id": None}, {"id": ""}, {"id": 223456789012345678}, {"id": "no snowflake"}])
def test_a_success_that_cannot_be_read_is_ambiguous(discord: Chat, said: dict[str, Any]) -> None:
    discord.server.answer(200, {**POSTED, **said})
    error = discord.failure()
    assert (type(error), error.reason) == (Ambiguous, "unreadable_answer")


@pytest.mark.parametrize(
    ("status", "code", "kind", "is_refused"),
    [
        (404, 10015, Next, True),
        (401, 50027, Next, True),
        (403, 50013, Next, False),
        (400, 220001, Next, False),
        (404, 10003, Stop, False),
        (400, 50006, Stop, False),
        (400, 50035, Stop, False),
        (400, 50083, Stop, False),
        (400, 200000, Stop, False),
        (400, 240000, Stop, False),
        (400, 999999, Stop, False),
    ],
)
def test_each_code_has_its_class(
    discord: Chat, status: int, code: int, kind: type[ProviderError], is_refused: bool
) -> None:
    discord.server.answer(status, {"code": code, "message": "No luck"})
    error = discord.failure()
    assert (type(error), error.reason, error.credential_refused) == (kind, f"discord_{code}", is_refused)
    assert "No luck" in str(error)


@pytest.mark.parametrize("code", [None, 0, "10015", 10015.0, True])
def test_a_code_that_is_none_leaves_the_status_to_speak(discord: Chat, code: object) -> None:
    discord.server.answer(400, {"code": code, "message": "Bad Request"})
    error = discord.failure()
    assert (type(error), error.reason) == (Stop, "upstream_400")


def test_a_code_beside_a_server_error_is_not_believed(discord: Chat) -> None:
    discord.server.answer(500, {"code": 10015, "message": "500: Internal Server Error"})
    error = discord.failure()
    assert (type(error), error.reason) == (Ambiguous, "upstream_500")


@pytest.mark.parametrize(("said", "wait"), [(0.65, 0.65), (1, 1), (9999.5, 300), (None, 2), ("0.65", 2), (True, 2)])
def test_too_many_requests_tells_fractions_in_its_body(discord: Chat, said: Any, wait: float) -> None:
    """https://discord.com/developers/docs/topics/rate-limits#exceeding-a-rate-limit"""
    body = {"message": "You are being rate limited.", "retry_after": said, "global": False}
    discord.server.answer(429, body, **{"Retry-After": "2"})
    error = discord.failure()
    assert (type(error), error.retry_after) == (Retry, wait)


def test_a_text_that_is_too_long_for_it_is_left_to_another(discord: Chat) -> None:
    discord.send(text="x" * 2000)
    error = discord.failure(text="x" * 2001)
    assert (type(error), error.reason, len(discord.server.asked)) == (Next, "text_too_long", 1)


@pytest.mark.parametrize("repeated", [URL, TOKEN, f"/api/webhooks/{ID}/{TOKEN}?wait=true"])
def test_the_token_in_the_address_is_never_told(discord: Chat, repeated: str) -> None:
    discord.server.answer(400, {"code": 50035, "message": f"Invalid Form Body at {repeated}"})
    error = discord.failure()
    assert "[hidden]" in str(error)
    assert TOKEN not in str(error)


def test_a_webhook_is_read_where_nothing_is_changed(discord: Chat) -> None:
    """https://discord.com/developers/docs/resources/webhook#get-webhook-with-token"""
    discord.server.answer(200, {"id": ID, "type": 1, "name": "Orders", "channel_id": "1", "token": TOKEN})
    assert discord.check() is True
    asked = discord.server.asked[0]
    assert (asked.method, asked.path) == ("GET", f"/api/webhooks/{ID}/{TOKEN}")
    discord.server.answer(200, {"id": "999999999999999999", "type": 1})
    with pytest.raises(Ambiguous):
        discord.check()


@pytest.mark.parametrize(
    ("url", "is_one"),
    [
        (URL, True),
        (URL.replace("discord.com/api", "canary.discord.com/api/v10"), True),
        (URL.replace("discord.com", "discordapp.com"), True),
        (URL.replace("https", "http"), False),
        (URL.replace("discord.com", "discord.com.evil.example"), False),
        (URL.replace("discord.com", "evil.example"), False),
        (URL.replace("discord.com", "user@discord.com"), False),
        (f"{URL}/../../../users/@me", False),
        (f"{URL}?wait=false", False),
        (f"{URL}\n", False),
    ],
)
def test_only_an_address_of_discords_is_a_webhook(discord: Chat, url: str, is_one: bool) -> None:
    schema = registry.get("discord_chat").credential_schema
    assert (schema_faults.faults(schema_faults.compiled(schema or {}), {"webhook_url": url}) == []) is is_one
    if not is_one:
        error = discord.failure(secrets={"webhook_url": url})
        assert (type(error), error.reason, discord.server.asked) == (Next, "webhook_invalid", [])


def test_an_address_of_its_test_versions_leads_to_the_same_webhook(discord: Chat) -> None:
    discord.send(secrets={"webhook_url": URL.replace("discord.com/api", "ptb.discord.com/api/v9")})
    assert discord.server.asked[0].path == f"/api/webhooks/{ID}/{TOKEN}?wait=true"
