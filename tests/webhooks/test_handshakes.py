"""A provider that asks first, and that tells by GET."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from django.db import connections
from django.test import Client

from integrationhub.webhooks import endpoints, handling
from integrationhub.webhooks.sources import Door
from providers import registry
from tests.make import Api
from tests.webhooks.asking_adapter import AskingChat
from tests.webhooks.posting import count, events, work_off

WORD = {"X-Asking": "its word", "X-Asking-Shard": "7", "X-Else": "a secret"}


@pytest.fixture
def path(api: Api, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(handling, "LOOKED_FOR", handling.FIRST_LOOK * 0)
    usual = settings.ADAPTER_MODULES
    settings.ADAPTER_MODULES = [*usual, "tests.webhooks.asking_adapter"]
    registry.load()
    yield urlsplit(api.post("/webhooks/endpoints", {"provider_key": "asking_chat"}).json()["url"]).path
    settings.ADAPTER_MODULES = usual
    registry.load()


def asked(path: str, query: str, method: str = "get", **headers: str) -> Any:
    client = Client(raise_request_exception=False)
    return getattr(client, method)(f"{path}?{query}", headers={**WORD, **headers})


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_question_is_answered_and_not_stored(path: str, method: str) -> None:
    answer = asked(path, "challenge=abc%3Cb%3E", method)
    assert (answer.status_code, answer.content, answer["Content-Type"]) == (200, b"abc<b>", "text/plain")
    assert count("webhooks_post") == 0


def test_a_question_without_its_signature_is_not_answered(path: str) -> None:
    answer = asked(path, "challenge=abc", **{"X-Asking": "another word"})
    assert (answer.status_code, answer.json()["details"]["provider"]) == (401, "asking_chat")
    assert "abc" not in answer.content.decode()


def test_no_connection_is_kept_while_an_adapter_asks_its_provider(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As to fetch Amazon's certificate, or to confirm an address."""
    lent: list[bool] = []

    def ask(*_: Any) -> str:
        lent.extend(connections[name].connection is not None for name in ("default", "system"))
        return "yes"

    endpoints.forget()
    monkeypatch.setattr(AskingChat, "answer_handshake", ask)
    assert asked(path, "challenge=abc").content == b"yes"
    assert lent == [False, False]


def test_what_is_told_by_get_is_read_from_the_address(api: Api, path: str) -> None:
    for query in ("id=1", "id=2", "id=1"):
        assert asked(path, query).status_code == 200
    work_off()
    assert [(event.type, event.reference) for event in events(api.tenant)] == [
        ("message.delivered", "1"),
        ("message.delivered", "2"),
    ]
    shown = api.get(f"/webhooks/{events(api.tenant)[0].id}").json()
    assert shown["raw_body"] == "id=1"
    assert (shown["headers"]["X-Asking-Shard"], shown["headers"]["X-Else"]) == ("7", "[hidden]")


def test_what_cannot_be_read_is_kept_to_be_seen(api: Api, path: str) -> None:
    assert asked(path, "no=id").status_code == 200
    work_off()
    [event] = events(api.tenant)
    assert (event.type, event.status, event.payload) == ("unreadable", "kept", "no=id")


def test_an_adapter_that_is_gone_has_no_address_any_more(path: str, settings: Any) -> None:
    settings.ADAPTER_MODULES = [name for name in settings.ADAPTER_MODULES if not name.startswith("tests.webhooks")]
    registry.load()
    assert asked(path, "id=1").json()["code"] == "ERR_WEBHOOK_NOT_FOUND"


def test_what_is_printed_of_a_door_holds_no_secret() -> None:
    assert "hunter2" not in repr(Door(uuid4(), "asking_chat", ({"token": "hunter2"},), "hunter2"))
