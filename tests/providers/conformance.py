"""What every adapter is asked and answered in the conformance tests, made of the adapter's own declarations.

An adapter is tested with the `examples` of its schemas: as a credential and as a configuration, they are to be valid.
"""

import base64
import socket
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

import pytest

from integrationhub.core.deadline import Deadline
from providers import registry
from providers.adapter import Adapter, Call, Receipt
from providers.errors import Ambiguous, Next, ProviderError, Retry, Stop
from providers.intents import INTENTS
from tests.providers import fcm
from tests.providers.misbehaving import RESET, MisbehavingServer, answering
from tests.whatsapp import talking

DIALLING = [adapter for adapter in registry.all() if adapter.base_url or adapter.has_own_address]


@dataclass(frozen=True)
class Case:
    """A provider's behaviour and the class that the contract wants for it."""

    name: str
    answer: bytes | None
    kind: type[ProviderError]
    status: int = 0


def _status(status: int, kind: type[ProviderError], **headers: str) -> Case:
    return Case(f"status {status}", answering(status, b'{"message": "no"}', **headers), kind, status)


def _success(name: str, body: bytes, **more: Any) -> Case:
    return Case(f"200 with {name}", answering(200, body, **more), Ambiguous)


# How late an exchange may end that its deadline ends: the silent server would hold it for half a minute.
MARGIN_SECONDS = 3.0
CASES = [
    *(_status(status, Stop) for status in (400, 404, 422)),
    *(_status(status, Next) for status in (401, 402, 403)),
    *(_status(status, Ambiguous) for status in (500, 501, 502, 504, 520)),
    *(_status(status, Ambiguous, Location="http://127.0.0.1:9/") for status in (304, 399)),
    _status(429, Retry),
    _status(503, Retry),
    _success("no body", b""),
    _success("words", b"OK"),
    _success("a page", b"<!doctype html><title>Sign in to the hotel's network</title>"),
    _success("a list", b"[]"),
    _success("an empty object", b"{}"),
    _success("null", b"null"),
    _success("NaN", b'{"sid": NaN, "messages": NaN}'),
    _success("truncated JSON", b'{"sid": "SM1", "messages": [{"status"'),
    _success("UTF-16", '{"sid": "SM1"}'.encode("utf-16")),
    _success("less than it said", b'{"sid": "SM1"}', length=1000),
    _success("a deep nest", b"[" * 100_000),
    _success("a body too long", b" " * (2 * 1024 * 1024) + b"{}"),
    _success("a body compressed unasked", b"\x1f\x8b\x08\x00", Content_Encoding="gzip"),
    Case("no answer but an end", b"", Ambiguous),
    Case("a reset", RESET, Ambiguous),
    Case("a line that is not HTTP", b"SSH-2.0-OpenSSH_9.6\r\n\r\n", Ambiguous),
]


# What a tenant has to have before, for what the example of an intent speaks of.
BEFORE: dict[str, Callable[[UUID], None]] = {"message.send.whatsapp": talking.know_template}

# Those that log in first are logged in, so that the one request of a case is the one that acts.
LOGGED_IN: dict[str, Callable[[dict[str, Any]], None]] = {"fcm_push": fcm.log_in}


def example_of(schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """An object of the first example of each member that has any."""
    members = (schema or {}).get("properties", {})
    return {name: member["examples"][0] for name, member in members.items() if member.get("examples")}


def secrets_of(adapter: type[Adapter]) -> dict[str, Any]:
    """What the hub opens for a call: a credential, or the token of a connected account."""
    if adapter.connection_provider:
        return {"access_token": "ya29.an-example-of-an-access-token"}
    return example_of(adapter.credential_schema)


def call(adapter: type[Adapter], intent: str = "", *, base_url: str = "", seconds: float = 5.0) -> Call:
    """An intent's example for this adapter; without an intent, the check of a credential."""
    tenant = uuid4()
    BEFORE.get(intent, lambda _: None)(tenant)
    secrets = secrets_of(adapter)
    LOGGED_IN.get(adapter.key, lambda _: None)(secrets)
    return Call(
        tenant,
        intent,
        INTENTS[intent].example if intent else {},
        Deadline.after(seconds),
        config=example_of(adapter.config_schema) if intent else {},
        base_url=base_url,
        secrets=secrets,
        attempt_id=uuid4(),
    )


def actions() -> list[Any]:
    """Everything that a dialling adapter does over the network: each of its intents, and its check ("")."""
    done = [(adapter, intent) for adapter in DIALLING for intent in sorted(adapter.intents)]
    done += [(adapter, "") for adapter in DIALLING if adapter.check is not Adapter.check]
    return [pytest.param(adapter, intent, id=f"{adapter.key} {intent or 'check'}") for adapter, intent in done]


def act(adapter: type[Adapter], asked: Call) -> Receipt | bool:
    instance = registry.instance(adapter.key)
    return instance.execute(asked) if asked.intent else instance.check(asked)


def failure(adapter: type[Adapter], asked: Call) -> ProviderError:
    """The error of an action that has to fail, checked for what holds of every error."""
    limit = asked.deadline.at + MARGIN_SECONDS
    with pytest.raises(ProviderError) as caught:
        act(adapter, asked)
    error = caught.value
    assert time.monotonic() < limit, "it went on behind its deadline"
    assert type(error) in (Retry, Next, Ambiguous, Stop)
    assert error.reason.isascii()
    assert error.reason == error.reason.lower()
    told = "".join([str(error), repr(error), repr(vars(error)), *traceback.format_exception(error)])
    assert [value for value in asked.secrets.values() if value in told] == [], "the error tells a secret"
    assert [login for login in logins(asked.secrets) if _shares(login, told)] == [], "the error tells a login"
    return error


def logins(secrets: Mapping[str, str]) -> list[str]:
    """What Basic authentication makes of the secrets: each as a password, and any two as user and password."""
    pairs = [("api", value) for value in secrets.values()] + list(permutations(secrets.values(), 2))
    return [base64.b64encode(":".join(pair).encode()).decode() for pair in pairs]


def _shares(login: str, told: str) -> bool:
    """Whether more of a login is told than the letters around its secrets: nine in a row."""
    return any(login[at : at + 9] in told for at in range(len(login) - 8))


def failure_at(adapter: type[Adapter], intent: str, answer: bytes | None, seconds: float = 5.0) -> ProviderError:
    """What an adapter makes of a provider that answers every request so. It is asked once, since nothing is repeated
    below the executor."""
    with MisbehavingServer(answer) as server:
        error = failure(adapter, call(adapter, intent, base_url=server.base_url, seconds=seconds))
        assert server.hits == 1
    return error


@contextmanager
def refusing() -> Iterator[str]:
    """An address that refuses connections: its port is taken, so that nobody else gets it, but not listened to."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"
