"""Answers as Telegram documents and gives them; what is asked is compared with its library in test_chat_wire.py."""

from typing import Any
from urllib.parse import parse_qs

import pytest

from providers import registry
from providers.callbacks import Kind
from providers.errors import Ambiguous, InvalidSignature, Next, ProviderError, Retry, Stop
from tests.providers.adapters.chatting import Chat
from tests.providers.answering import AnsweringServer
from tests.providers.hooks import hook

TOKEN = "123456789:AAExampleExampleExampleExampleExampl"
POSTED = {"ok": True, "result": {"message_id": 77, "date": 1, "chat": {"id": -1001, "type": "supergroup"}}}


@pytest.fixture
def telegram(server: AnsweringServer) -> Chat:
    server.answer(200, POSTED)
    return Chat(server, "telegram_chat", bot_token=TOKEN)


def refusal(status: int, description: str, **parameters: Any) -> tuple[int, dict[str, Any]]:
    said = {"ok": False, "error_code": status, "description": description}
    return status, {**said, "parameters": parameters} if parameters else said


def form(chat: Chat) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(chat.server.asked[-1].body.decode()).items()}


def test_a_posted_message_says_how_to_answer_it(telegram: Chat) -> None:
    receipt = telegram.send(channel="-1001")
    assert receipt.reference == "-1001:77", "each chat counts for itself"
    assert receipt.result == {"channel": "-1001", "thread_id": "reply:77"}
    telegram.send(channel="-1001", thread_id=receipt.result["thread_id"])
    assert form(telegram)["reply_parameters"] == '{"message_id": 77}'


@pytest.mark.parametrize("said", [{"ok": False}, {"result": {}}, {"result": {"message_id": 77}}, {"result": None}])
def test_a_success_that_cannot_be_read_is_ambiguous(telegram: Chat, said: dict[str, Any]) -> None:
    telegram.server.answer(200, {**POSTED, **said})
    error = telegram.failure()
    assert (type(error), error.reason) == (Ambiguous, "unreadable_answer")


@pytest.mark.parametrize(
    ("status", "description", "kind", "is_refused"),
    [
        (401, "Unauthorized", Next, True),
        (404, "Not Found", Next, True),
        (403, "Forbidden: bot was blocked by the user", Stop, False),
        (403, "Forbidden: user is deactivated", Stop, False),
        (403, "Forbidden: bot can't initiate conversation with a user", Next, False),
        (403, "Forbidden: bot was kicked from the supergroup chat", Next, False),
        (403, "Forbidden: bot is not a member of the channel chat", Next, False),
        (403, "Forbidden: something new", Next, False),
        (400, "Bad Request: not enough rights to send text messages to the chat", Next, False),
        (400, "Bad Request: have no rights to send a message", Next, False),
        (400, "Bad Request: CHAT_WRITE_FORBIDDEN", Next, False),
        (400, "Bad Request: message is too long", Next, False),
        (400, "Bad Request: chat not found", Stop, False),
        (400, "Bad Request: message thread not found", Stop, False),
        (400, "Bad Request: message to be replied not found", Stop, False),
        (500, "Internal Server Error", Ambiguous, False),
        (502, "Bad Gateway", Ambiguous, False),
    ],
)
def test_each_refusal_has_its_class(
    telegram: Chat, status: int, description: str, kind: type[ProviderError], is_refused: bool
) -> None:
    telegram.server.answer(*refusal(status, description))
    error = telegram.failure()
    assert (type(error), error.credential_refused, error.upstream_status) == (kind, is_refused, status)
    assert description in str(error)


@pytest.mark.parametrize("words", ["chat not found", "the group chat was deleted", "group chat was deactivated"])
def test_a_chat_that_is_gone_is_the_fault_of_who_named_it(telegram: Chat, words: str) -> None:
    telegram.server.answer(*refusal(400, f"Bad Request: {words}"))
    assert type(telegram.failure()) is Stop
    assert type(error := telegram.failure(config={"channel": "-4242"})) is Next
    assert error.reason == "chat_not_found"


def test_a_group_that_moved_is_named_and_not_written_to(telegram: Chat) -> None:
    """https://core.telegram.org/bots/api#responseparameters"""
    words = "Bad Request: group chat was upgraded to a supergroup chat"
    telegram.server.answer(*refusal(400, words, migrate_to_chat_id=-1001234567890))
    error = telegram.failure(channel="-4242")
    assert (type(error), error.reason) == (Stop, "chat_moved")
    assert "its number is -1001234567890 now" in str(error)
    assert len(telegram.server.asked) == 1
    assert type(telegram.failure(config={"channel": "-4242"})) is Next


@pytest.mark.parametrize(("said", "wait"), [(35, 35), (100_000, 300), ("35", 7), (None, 7)])
def test_too_many_requests_tells_in_its_body_how_long_to_wait(telegram: Chat, said: Any, wait: int) -> None:
    status, body = refusal(429, "Too Many Requests: retry after 35", retry_after=said)
    telegram.server.answer(status, body, **{"Retry-After": "7"})
    error = telegram.failure()
    assert (type(error), error.retry_after) == (Retry, wait)


def test_a_text_that_is_too_long_for_it_is_left_to_another(telegram: Chat) -> None:
    telegram.send(text="x" * 4096)
    error = telegram.failure(text="x" * 4097)
    assert (type(error), error.reason, len(telegram.server.asked)) == (Next, "text_too_long", 1)


def test_the_token_in_the_address_is_never_told(telegram: Chat) -> None:
    """`failure` looks for it; here Telegram repeats the address, as it is and quoted."""
    for token in (TOKEN, TOKEN.replace(":", "%3A")):
        telegram.server.answer(*refusal(400, f"Bad Request: no POST to /bot{token}/sendMessage"))
        error = telegram.failure()
        assert token not in str(error)
        assert "/bot[hidden]/sendMessage" in str(error)


def test_a_token_is_tested_where_nothing_is_changed(telegram: Chat) -> None:
    """https://core.telegram.org/bots/api#getme"""
    telegram.server.answer(200, {"ok": True, "result": {"id": 123456789, "is_bot": True, "username": "hub_bot"}})
    assert telegram.check() is True
    assert telegram.server.asked[0].path == f"/bot{TOKEN}/getMe"
    telegram.server.answer(*refusal(401, "Unauthorized"))
    with pytest.raises(Next) as caught:
        telegram.check()
    assert caught.value.credential_refused


# --- What people write ---

WRITTEN = {
    "message_id": 5,
    "from": {"id": 42, "is_bot": False},
    "chat": {"id": 42, "type": "private"},
    "date": 1700000000,
}


def test_the_secret_that_the_webhook_was_set_with_proves_an_update() -> None:
    """https://core.telegram.org/bots/api#setwebhook"""
    adapter, secret = registry.instance("telegram_chat"), "Example_secret-of-a-webhook"
    adapter.verify_webhook(hook(b"{}", X_Telegram_Bot_Api_Secret_Token=secret), {"webhook_secret": secret})
    for given, secrets, reason in [
        ({"X_Telegram_Bot_Api_Secret_Token": secret.lower()}, {"webhook_secret": secret}, "wrong_signature"),
        ({}, {"webhook_secret": secret}, "wrong_signature"),
        ({"X_Telegram_Bot_Api_Secret_Token": ""}, {}, "no_secret"),
    ]:
        with pytest.raises(InvalidSignature) as caught:
            adapter.verify_webhook(hook(b"{}", **given), secrets)
        assert caught.value.reason == reason


@pytest.mark.parametrize("name", ["message", "channel_post"])
def test_what_somebody_writes_is_received_once(name: str) -> None:
    [event] = registry.instance("telegram_chat").parse_webhook(hook({"update_id": 9, name: {**WRITTEN, "text": "Hi"}}))
    assert (event.kind, event.reference, event.key) == (Kind.RECEIVED, "42:5", "9")
    assert event.occurred_at is not None
    assert event.occurred_at.isoformat() == "2023-11-14T22:13:20+00:00"
    assert event.payload["text"] == "Hi"


@pytest.mark.parametrize(
    "told",
    [
        {"update_id": 9, "edited_message": WRITTEN},
        {"update_id": 9, "my_chat_member": {}},
        {"update_id": 9, "message": {**WRITTEN, "from": {"id": 1, "is_bot": True}}},
    ],
)
def test_what_nobody_has_written_is_left_out(told: dict[str, Any]) -> None:
    assert registry.instance("telegram_chat").parse_webhook(hook(told)) == []


@pytest.mark.parametrize("broken", [{"date": 1 << 40}, {"date": "now"}, {"chat": {}}, {"message_id": "5"}])
def test_a_message_of_another_shape_is_none(broken: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="without a number or a date"):
        registry.instance("telegram_chat").parse_webhook(hook({"update_id": 9, "message": {**WRITTEN, **broken}}))
