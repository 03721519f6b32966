"""Answers as Slack documents them; what is asked is compared with its own library in test_chat_wire.py."""

import time
from typing import Any

import pytest
from slack_sdk.signature import SignatureVerifier

from providers import registry
from providers.callbacks import Kind, Webhook
from providers.errors import Ambiguous, InvalidSignature, Next, ProviderError, Retry, Stop
from tests.providers.adapters.chatting import Chat
from tests.providers.answering import AnsweringServer
from tests.providers.hooks import hook

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


# --- Events: signed by Slack's documentation and by its own library ---

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
MESSAGE = {"type": "message", "channel": "C1", "user": "U1", "text": "Hi", "ts": "1700000000.000100"}
EVENT = {"token": "a-verification-token", "type": "event_callback", "event_id": "Ev1", "event": MESSAGE}


def signed(body: bytes, secret: str = SECRET, seconds_ago: int = 0) -> Webhook:
    moment = str(int(time.time()) - seconds_ago)
    signature = SignatureVerifier(secret).generate_signature(timestamp=moment, body=body)
    return hook(body, X_Slack_Request_Timestamp=moment, X_Slack_Signature=str(signature))


def refusal(given: Webhook, secrets: dict[str, str] | None = None) -> str:
    with pytest.raises(InvalidSignature) as caught:
        registry.instance("slack_chat").verify_webhook(
            given, {"signing_secret": SECRET} if secrets is None else secrets
        )
    return caught.value.reason


def test_the_documented_example_is_signed_by_its_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """https://docs.slack.dev/authentication/verifying-requests-from-slack"""
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
        b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
        b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    given = hook(body, X_Slack_Request_Timestamp="1531420618", X_Slack_Signature=signature)
    assert refusal(given) == "too_old"
    monkeypatch.setattr(time, "time", lambda: 1531420618.0 + 299)
    registry.instance("slack_chat").verify_webhook(given, {"signing_secret": SECRET})


def test_what_slacks_library_signs_is_believed_for_five_minutes() -> None:
    adapter = registry.instance("slack_chat")
    adapter.verify_webhook(signed('{"text": "漢字 🎉"}'.encode()), {"signing_secret": SECRET})
    adapter.verify_webhook(signed(b"{}", seconds_ago=290), {"signing_secret": SECRET})
    assert refusal(signed(b"{}", seconds_ago=310)) == "too_old"
    assert refusal(signed(b"{}", seconds_ago=-310)) == "too_old"
    assert refusal(signed(b"{}", secret="another-secret")) == "wrong_signature"
    given = signed(b"{}")
    assert (
        refusal(hook(b"{} ", **{name.replace("-", "_"): text for name, text in given.headers.items()}))
        == "wrong_signature"
    )
    assert refusal(given, {}) == "no_secret"


def test_the_address_proves_itself_by_its_challenge() -> None:
    """https://docs.slack.dev/reference/events/url_verification"""
    adapter = registry.instance("slack_chat")
    asked = {
        "token": "x",
        "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P",
        "type": "url_verification",
    }
    assert adapter.answer_handshake(hook(asked), {}) == asked["challenge"]
    assert adapter.answer_handshake(hook(EVENT), {}) is None
    assert adapter.answer_handshake(hook(b"payload=%7B%7D"), {}) is None


def test_what_somebody_writes_is_received_once_and_without_slacks_token() -> None:
    [event] = registry.instance("slack_chat").parse_webhook(hook(EVENT))
    assert (event.kind, event.reference, event.key) == (Kind.RECEIVED, "1700000000.000100", "Ev1")
    assert event.occurred_at is not None
    assert event.occurred_at.isoformat() == "2023-11-14T22:13:20.000100+00:00"
    assert event.payload == MESSAGE


@pytest.mark.parametrize("more", [{"bot_id": "B1"}, {"subtype": "message_changed"}, {"type": "reaction_added"}])
def test_what_nobody_has_written_is_left_out(more: dict[str, str]) -> None:
    assert registry.instance("slack_chat").parse_webhook(hook({**EVENT, "event": {**MESSAGE, **more}})) == []
    assert registry.instance("slack_chat").parse_webhook(hook({"type": "app_rate_limited"})) == []
