"""What e-mail services tell of their own accord: who signed it, and for those of anymail's family what it says.

anymail's own views read the events (`anymail_callbacks.py`); nothing of their URL conf, settings or signals is used.
"""

import base64
import hashlib
import hmac
import importlib
from functools import cache
from typing import Any, ClassVar

from providers import callbacks
from providers.adapter import JSONObject
from providers.anymail_family import AnymailEmail, secret
from providers.callbacks import InboundEvent, Webhook

SIGNING_SECRET = {"signing_secret": secret("by which the service signs its webhooks", "an-example-of-a-signing-secret")}
# Of services that sign nothing, but take an address with a user and a password in it.
WEBHOOK_LOGIN: JSONObject = {
    "webhook_username": {
        "type": "string",
        "pattern": "^[A-Za-z0-9._~-]{6,100}$",
        "description": "the user in the address that the service's webhooks are sent to: https://user:password@...",
        "examples": ["hub-of-the-shop"],
    },
    "webhook_password": {
        "type": "string",
        "pattern": "^[A-Za-z0-9._~-]{8,200}$",
        "x-secret": True,
        "description": "the password in that address",
        "examples": ["an-example-of-a-webhook-password"],
    },
}


class TellingEmail(AnymailEmail):
    """A service that tells what became of a message. `view` is the class in anymail.webhooks that reads it;
    `payload_at` and `key_at` name the members of an event that are the event, and its id where it has one."""

    view: ClassVar[str]
    payload_at: ClassVar[str] = ""
    key_at: ClassVar[str] = ""

    def parse_webhook(self, hook: Webhook) -> list[InboundEvent]:
        events: list[InboundEvent] = _reading().events(
            f"{self.service}.{self.view}", hook, payload_at=self.payload_at, key_at=self.key_at
        )
        return events

    def needed(self, secrets: JSONObject, name: str) -> str:
        """A secret without which nothing can be verified. Raises InvalidSignature."""
        value = secrets.get(name)
        if not value:
            raise self.unverified(f"the credential has no {name}.", reason="no_secret")
        return str(value)

    def expect(self, given: Any, expected: str) -> None:
        """Raises InvalidSignature unless both are alike."""
        if not isinstance(given, str) or not callbacks.is_same(given, expected):
            raise self.unverified("the signature is not the one of this body.", reason="wrong_signature")


class LoginEmail(TellingEmail):
    """One that signs nothing: whoever knows the login of its address is believed."""

    def verify_webhook(self, hook: Webhook, secrets: JSONObject) -> None:
        pair = f"{self.needed(secrets, 'webhook_username')}:{self.needed(secrets, 'webhook_password')}"
        self.expect(hook.headers.get("authorization"), f"Basic {base64.b64encode(pair.encode()).decode()}")


def hmac_sha256(key: str, message: bytes) -> str:
    return hmac.new(key.encode(), message, hashlib.sha256).hexdigest()


def svix_fault(hook: Webhook, secret: str, prefix: str = "svix") -> str:
    """What is wrong with the signature of a Standard Webhook, as a reason; empty for a good one.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """
    id_, timestamp = hook.headers.get(f"{prefix}-id", ""), hook.headers.get(f"{prefix}-timestamp", "")
    given = hook.headers.get(f"{prefix}-signature", "").split()
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        is_recent = callbacks.is_recent(float(timestamp))
        signed = f"{id_}.{timestamp}.".encode() + hook.body
    except ValueError:
        return "unreadable"
    expected = f"v1,{base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()}"
    if not any([callbacks.is_same(each, expected) for each in given]):
        return "wrong_signature"
    return "" if is_recent else "stale"


@cache
def _reading() -> Any:
    """Loaded with the first webhook of a worker."""
    return importlib.import_module("providers.anymail_callbacks")
