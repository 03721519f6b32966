"""Every service, through the real apprise in its child process, to a server of ours on loopback."""

import json
from typing import Any
from urllib.parse import unquote_plus
from uuid import uuid4

import pytest

from integrationhub.core.deadline import Deadline
from providers import registry
from providers.adapter import Call
from providers.apprise.service import AppriseService
from tests.providers import conformance
from tests.providers.answering import AnsweringServer

ROWS = [adapter for adapter in registry.all() if issubclass(adapter, AppriseService)]
EACH = pytest.mark.parametrize("row", ROWS, ids=[row.key for row in ROWS])
PAYLOADS = {
    "message.send.push": {"title": "Shipped", "body": "On its way."},
    "message.send.chat": {"channel": "0123456789", "text": "On its way."},
    "message.send.sms": {"to": "+14155552671", "text": "On its way."},
    "message.send.whatsapp": {"to": "+14155552671", "text": "On its way."},
}
RECIPIENTS = {"token": "0123456789abcdef0123456789abcdef", "topic": "orders"}


def call(row: type[AppriseService], server: Any, seconds: float = 8.0, **payload: Any) -> Call:
    [intent] = row.intents
    given = {**PAYLOADS[intent], **payload}
    if intent == "message.send.push" and not RECIPIENTS.keys() & given.keys():
        given |= {"topic": RECIPIENTS["topic"]} if "topic" in row.recipients else {"token": RECIPIENTS["token"]}
    return Call(
        uuid4(),
        intent,
        given,
        Deadline.after(seconds),
        config=conformance.example_of(row.config_schema),
        base_url=server.base_url,
        secrets=conformance.example_of(row.credential_schema),
        attempt_id=uuid4(),
    )


def acceptance(row: type[AppriseService]) -> Any:
    """The least that the service says of a message that it took."""
    said: Any = {}
    for path, value in {**({row.reference: None} if row.reference else {}), **row.proof}.items():
        said = put(said, path.split("."), "r-1" if value is None else value)
    return said


def put(said: Any, steps: list[str], value: Any) -> Any:
    if not steps:
        return value
    if steps[0].isdigit():
        return [put(said[0] if isinstance(said, list) else {}, steps[1:], value)]
    return {**said, steps[0]: put(said.get(steps[0], {}), steps[1:], value)}


@EACH
def test_a_message_is_one_request_to_its_one_host(row: type[AppriseService], server: AnsweringServer) -> None:
    """A plugin that dials another host, or says something else than the words, is found out here."""
    server.answer(200, acceptance(row), **{"Content-Type": "application/json"})
    asked = call(row, server)
    receipt = registry.instance(row.key).execute(asked)
    assert receipt.reference == ("r-1" if row.reference else str(asked.attempt_id))
    [request] = server.asked
    sent = request.body.decode()
    if "json" in {name.lower(): value for name, value in request.headers.items()}.get("content-type", ""):
        sent = json.dumps(json.loads(sent), ensure_ascii=False)
    sent = unquote_plus(request.path + sent)
    assert "On its way." in sent
    assert "title" not in asked.payload or "Shipped" in sent
