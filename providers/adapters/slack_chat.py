"""Slack, by a bot's token. It answers 200 to a refusal too: what counts is `ok`, and the word in `error`.

Post: https://docs.slack.dev/reference/methods/chat.postMessage (with the list of its errors)
Rate limits: https://docs.slack.dev/apis/web-api/rate-limits
Events and their signature: https://docs.slack.dev/apis/events-api,
https://docs.slack.dev/authentication/verifying-requests-from-slack
"""

import hashlib
import hmac
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from integrationhub.core.outbound import Answer
from providers import answers, callbacks, chats
from providers.adapter import Adapter, Call, JSONObject, Receipt
from providers.callbacks import InboundEvent, Kind, Webhook
from providers.errors import Ambiguous, Next, ProviderError, Retry, Stop

# A timestamp is a message's id within its channel, and the id of the thread that begins with it.
THREAD = r"[0-9]{10}\.[0-9]{6}"


def _each(words: str, **known: Any) -> dict[str, dict[str, Any]]:
    return dict.fromkeys(words.split(), known)


# A word that is not listed is a refusal as well, of this message as far as anyone can tell.
_ERRORS: dict[str, dict[str, Any]] = {
    # It did not act: too many requests, a body that did not arrive whole, a service that is away.
    **_each("ratelimited rate_limited request_timeout service_unavailable", kind=Retry),
    # "It's possible some aspect of the operation succeeded before the error was raised."
    **_each("fatal_error internal_error", kind=Ambiguous),
    # The token is none, is no longer one, or was not given what this takes.
    **_each("not_authed invalid_auth account_inactive token_revoked token_expired", kind=Next, credential_refused=True),
    **_each("not_allowed_token_type missing_scope", kind=Next, credential_refused=True),
    # The workspace or its administrators do not let this app post, or not there.
    **_each("no_permission access_denied accesslimited ekm_access_denied enterprise_is_restricted", kind=Next),
    **_each("team_access_not_granted two_factor_setup_required org_login_required team_added_to_org", kind=Next),
    **_each("restricted_action restricted_action_read_only_channel restricted_action_thread_only_channel", kind=Next),
    **_each("restricted_action_non_threadable_channel not_in_channel external_channel_migrating", kind=Next),
    **_each("message_limit_exceeded messages_tab_disabled as_user_not_supported", kind=Next),
    **_each("method_deprecated deprecated_endpoint", kind=Next),
    # Too long for Slack, where another chat may take it.
    **_each("msg_too_long msg_blocks_too_long", kind=Next),
}
# Subtypes of what somebody has written: https://docs.slack.dev/reference/events/message#subtypes
_WRITTEN = (None, "file_share", "me_message", "thread_broadcast")
_CHANNEL_FAULTS = ("channel_not_found", "is_archived", "user_not_found")


class SlackChat(Adapter):
    """`channel` is a channel's id (C…), its name with a hash, or a user's id (U…) for a direct message; `thread_id` the
    timestamp of the message to answer, which is the `reference` of one sent before; `blocks` are Block Kit's, and
    `attachments` Slack's own. `text` is in Slack's mrkdwn.

    A message that is posted is there: nothing comes afterwards. What is heard of by the Events API is what others write
    where the app listens (`message.channels`, `message.im`, ...)."""

    key = "slack_chat"
    display_name = "Slack"
    summary = "Messages to a workspace's channels and people, by a bot."
    docs_url = "https://docs.slack.dev/reference/methods/chat.postMessage"
    base_url = "https://slack.com"
    intents = frozenset({"message.send.chat"})
    config_schema = {
        "type": "object",
        "properties": {
            "channel": chats.member(description="the id of a channel (C…) or a user (U…), or a channel's #name"),
            "only_channels": chats.ONLY_CHANNELS,
        },
        "additionalProperties": False,
    }
    credential_schema = {
        "type": "object",
        "properties": {
            "bot_token": {
                "type": "string",
                "pattern": r"^xox(e\.xox)?[bp]-[A-Za-z0-9-]{10,250}$",
                "x-secret": True,
                "description": "the app's bot token (xoxb-…) with the scope chat:write",
                "examples": ["xoxb-123456789012-1234567890123-ExampleExampleExample"],
            },
            "signing_secret": {
                "type": "string",
                "minLength": 16,
                "maxLength": 100,
                "x-secret": True,
                "description": "the app's signing secret (in its basic information), which proves events",
                "examples": ["0123456789abcdef0123456789abcdef"],
            },
        },
        "required": ["bot_token"],
        "additionalProperties": False,
    }

    def check(self, call: Call) -> bool:
        """https://docs.slack.dev/reference/methods/auth.test"""
        answer = self.ask(call, "POST", "/api/auth.test", headers=_login(call), data={})
        if not _is_ok(answer) or not isinstance(answers.document(answer).get("team_id"), str):
            raise self._failure(call, answer)
        return True

    def execute(self, call: Call) -> Receipt:
        answer = self.ask(call, "POST", "/api/chat.postMessage", headers=_login(call), json=_message(call))
        said = answers.document(answer)
        posted, channel = said.get("ts"), said.get("channel")
        if not _is_ok(answer) or not isinstance(posted, str) or not re.fullmatch(THREAD, posted):
            raise self._failure(call, answer)
        return Receipt(posted, {"channel": channel if isinstance(channel, str) else None, "thread_id": posted})

    def verify_webhook(self, hook: Webhook, secrets: JSONObject) -> None:
        if not (secret := secrets.get("signing_secret")):
            raise self.unverified("no signing secret is bound.", reason="no_secret")
        moment = hook.headers.get("x-slack-request-timestamp", "")
        if not re.fullmatch("[0-9]{1,12}", moment) or not callbacks.is_recent(int(moment)):
            raise self.unverified("the signature is not of now.", reason="too_old")
        signed = hmac.new(secret.encode(), b":".join([b"v0", moment.encode(), hook.body]), hashlib.sha256)
        if not callbacks.is_same(hook.headers.get("x-slack-signature", ""), f"v0={signed.hexdigest()}"):
            raise self.unverified("the signature is not the one of this body.", reason="wrong_signature")

    def answer_handshake(self, hook: Webhook, secrets: JSONObject) -> str | None:
        """https://docs.slack.dev/reference/events/url_verification"""
        try:
            told = hook.json()
        except (ValueError, RecursionError):
            return None
        is_asked = isinstance(told, dict) and told.get("type") == "url_verification"
        return str(told.get("challenge", "")) if is_asked else None

    def parse_webhook(self, hook: Webhook) -> list[InboundEvent]:
        """Messages of people; those of bots, our own among them, and changes of a message are left out."""
        told = hook.json()
        event = told["event"] if told["type"] == "event_callback" else {}
        if event.get("type") != "message" or "bot_id" in event or event.get("subtype") not in _WRITTEN:
            return []
        if not re.fullmatch(THREAD, event["ts"]):
            raise ValueError("a message without a timestamp")
        moment = datetime.fromtimestamp(float(event["ts"]), UTC)
        return [InboundEvent(Kind.RECEIVED, event["ts"], key=told["event_id"], occurred_at=moment, payload=event)]

    def _failure(self, call: Call, answer: Answer) -> ProviderError:
        """A word counts beside a success or a refusal only: with a 5xx it does not tell whether Slack acted."""
        said = answers.document(answer)
        word = said.get("error")
        if said.get("ok") is not False or not isinstance(word, str) or not re.fullmatch("[a-z0-9_]{1,60}", word):
            return self.failure(call, answer)
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return self.failure(call, answer, word)
        known = {"kind": Stop, "credential_refused": False, **_ERRORS.get(word, {})}
        if word in _CHANNEL_FAULTS:
            known["kind"] = chats.channel_fault(call)
        return self.failure(call, answer, "; ".join([word, *_details(said)]), reason=f"slack_{word}", **known)


def _login(call: Call) -> dict[str, str]:
    return {"Authorization": f"Bearer {call.secrets['bot_token']}"}


def _message(call: Call) -> dict[str, Any]:
    message: dict[str, Any] = {"channel": chats.channel(call), "text": call.payload["text"]}
    if blocks := chats.blocks(call, chats.BLOCK_KIT):
        message["blocks"] = blocks
    if attachments := call.payload.get("attachments"):
        message["attachments"] = attachments
    if thread := chats.thread(call, THREAD):
        message["thread_ts"] = thread[0]
    return message


def _is_ok(answer: Answer) -> bool:
    return answer.status == HTTPStatus.OK and answers.document(answer).get("ok") is True


def _details(said: dict[str, Any]) -> Iterable[str]:
    """What else it says of a fault, such as which block: https://docs.slack.dev/apis/web-api/#responses"""
    metadata = said.get("response_metadata")
    messages = metadata.get("messages") if isinstance(metadata, dict) else None
    return [line for line in messages if isinstance(line, str)] if isinstance(messages, list) else []
