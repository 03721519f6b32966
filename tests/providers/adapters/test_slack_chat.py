"""Answers as Slack documents them; what is asked is compared with its own library in test_chat_wire.py."""

from typing import Any

import pytest

from providers.errors import Ambiguous, Next, ProviderError, Retry, Stop
from tests.providers.adapters.chatting import Chat
from tests.providers.answering import AnsweringServer

TOKEN = "xoxb-123456789012-1234567890123-ExampleExampleExample"
# https://docs.slack.dev/reference/methods/chat.postMessage
POSTED = {"ok": True, "channel": "C123ABC456", "ts": "1503435956.000247", "message": {"text": "Shipped"}}


@pytest.fixture
def slack(server: AnsweringServer) -> Chat:
    server.answer(200, POSTED)
    return Chat(server, "slack_chat", bot_token=TOKEN)


def test_a_posted_message_says_where_it_is_and_how_to_answer_it(slack: Chat) -> None:
    receipt = slack.send()
    assert receipt.reference == "1503435956.000247"
    assert receipt.result == {"channel": "C123ABC456", "thread_id": "1503435956.000247"}
    slack.send(thread_id=receipt.result["thread_id"])
    assert slack.server.asked[1].json()["thread_ts"] == "1503435956.000247"


@pytest.mark.parametrize("said", [{"ts": ""}, {"ts": None}, {"ts": 1503435956.000247}, {"ok": "true"}, {"ok": None}])
def test_a_success_that_cannot_be_read_is_ambiguous(slack: Chat, said: dict[str, Any]) -> None:
    slack.server.answer(200, {**POSTED, **said})
    error = slack.failure()
    assert (type(error), error.reason) == (Ambiguous, "unreadable_answer")


@pytest.mark.parametrize(
    ("words", "kind", "is_refused"),
    [
        ("ratelimited rate_limited request_timeout service_unavailable", Retry, False),
        ("fatal_error internal_error", Ambiguous, False),
        ("not_authed invalid_auth account_inactive token_revoked token_expired missing_scope", Next, True),
        ("no_permission ekm_access_denied org_login_required team_added_to_org access_denied", Next, False),
        ("restricted_action restricted_action_read_only_channel not_in_channel msg_too_long", Next, False),
        ("no_text invalid_blocks too_many_attachments invalid_arguments something_new", Stop, False),
        ("channel_not_found is_archived user_not_found", Stop, False),
    ],
)
def test_each_word_beside_200_has_its_class(
    slack: Chat, words: str, kind: type[ProviderError], is_refused: bool
) -> None:
    for word in words.split():
        slack.server.answer(200, {"ok": False, "error": word})
        error = slack.failure()
        assert (type(error), error.reason, error.credential_refused) == (kind, f"slack_{word}", is_refused)
        assert word in str(error)


def test_a_channel_that_the_installation_names_is_not_the_callers_fault(slack: Chat) -> None:
    slack.server.answer(200, {"ok": False, "error": "channel_not_found"})
    assert type(slack.failure(config={"channel": "C0GONE"})) is Next
    assert type(slack.failure(config={"only_channels": ["#orders"]})) is Stop


def test_too_many_requests_tells_how_long_to_wait(slack: Chat) -> None:
    """https://docs.slack.dev/apis/web-api/rate-limits"""
    slack.server.answer(429, {"ok": False, "error": "ratelimited"}, **{"Retry-After": "30"})
    error = slack.failure()
    assert (type(error), error.reason, error.retry_after) == (Retry, "slack_ratelimited", 30)


def test_what_slack_says_of_a_block_is_passed_on_without_the_token(slack: Chat) -> None:
    messages = ["[ERROR] must be a valid type [json-pointer:/blocks/0]", f"[ERROR] token {TOKEN} was used", 5]
    said = {"ok": False, "error": "invalid_blocks", "response_metadata": {"messages": messages}}
    slack.server.answer(200, said)
    assert "invalid_blocks; [ERROR] must be a valid type [json-pointer:/blocks/0]" in str(slack.failure())


@pytest.mark.parametrize("status", [500, 502])
def test_a_word_beside_a_server_error_is_not_believed(slack: Chat, status: int) -> None:
    slack.server.answer(status, {"ok": False, "error": "invalid_auth"})
    error = slack.failure()
    assert (type(error), error.reason, error.credential_refused) == (Ambiguous, f"upstream_{status}", False)


@pytest.mark.parametrize("word", [None, 5, "", {"code": "x"}, "Not a word", "x" * 61])
def test_a_word_that_is_none_tells_nothing(slack: Chat, word: object) -> None:
    slack.server.answer(200, {"ok": False, "error": word})
    error = slack.failure()
    assert (type(error), error.reason) == (Ambiguous, "unreadable_answer")


def test_a_token_is_tested_where_nothing_is_changed(slack: Chat) -> None:
    """https://docs.slack.dev/reference/methods/auth.test"""
    slack.server.answer(200, {"ok": True, "url": "https://x.slack.com/", "team_id": "T12345678", "user_id": "W1"})
    assert slack.check() is True
    assert slack.server.asked[0].path == "/api/auth.test"
    slack.server.answer(200, {"ok": False, "error": "invalid_auth"})
    with pytest.raises(Next) as caught:
        slack.check()
    assert (caught.value.reason, caught.value.credential_refused) == ("slack_invalid_auth", True)
