"""Scaleway is asked what became of a mail. What it has in common with its family is in test_anymail_email.py."""

from datetime import UTC, datetime
from typing import Any

import pytest

from providers import registry
from providers.adapters.scaleway_email import ScalewayEmail
from providers.callbacks import InboundEvent, Kind
from providers.errors import Ambiguous, Next, Stop
from tests.make import Api
from tests.providers import conformance
from tests.providers.answering import AnsweringServer
from tests.providers.mail_services import mail, send

ID = "9f3d2c1b-0a49-4f5e-8d7c-6b5a49382716"
EMAIL = {"id": ID, "status": "sent", "mail_rcpt": "ada@example.com", "updated_at": "2026-11-26T01:37:05.123456Z"}


def status(server: AnsweringServer, reference: str = ID) -> InboundEvent | None:
    return registry.instance("scaleway_email").status(mail(server, "scaleway_email"), reference)


def test_a_mail_is_asked_about_by_what_its_sending_answered(server: AnsweringServer) -> None:
    server.answer(200, {"emails": [{**EMAIL, "status": "new"}]})
    reference = send(server, "scaleway_email").reference
    server.answer(200, EMAIL)
    event = status(server, reference)
    assert event is not None
    assert (event.kind, event.reference) == (Kind.SENT, ID)
    assert event.occurred_at == datetime(2026, 11, 26, 1, 37, 5, 123456, tzinfo=UTC)
    assert "ada" not in str(event.payload)
    asked = server.asked[-1]
    assert (asked.method, asked.path) == ("GET", f"/transactional-email/v1alpha1/regions/fr-par/emails/{ID}")
    assert asked.headers["X-Auth-Token"]


@pytest.mark.parametrize(
    ("said", "kind", "reason"),
    [
        ("new", Kind.ACCEPTED, ""),
        ("sending", Kind.ACCEPTED, ""),
        ("failed", Kind.FAILED, "scaleway_failed"),
        ("canceled", Kind.FAILED, "scaleway_canceled"),
    ],
)
def test_each_status_is_told_in_the_hubs_words(server: AnsweringServer, said: str, kind: Kind, reason: str) -> None:
    server.answer(200, {**EMAIL, "status": said, "updated_at": None})
    event = status(server)
    assert event is not None
    assert (event.kind, event.reason, event.occurred_at) == (kind, reason, None)


def test_one_that_it_does_not_know_is_none(server: AnsweringServer) -> None:
    server.answer(404, {"type": "not_found", "message": "resource is not found"})
    assert status(server) is None


@pytest.mark.parametrize("said", [{"id": "another"}, {"status": "unknown"}, {"status": []}, {"status": None}])
def test_what_cannot_be_read_is_ambiguous(server: AnsweringServer, said: dict[str, Any]) -> None:
    server.answer(200, {**EMAIL, **said})
    with pytest.raises(Ambiguous):
        status(server)


def test_a_refused_key_is_told_as_such(server: AnsweringServer) -> None:
    server.answer(403, {"type": "permissions_denied", "message": "no"})
    with pytest.raises(Next) as caught:
        status(server)
    assert caught.value.credential_refused


def test_a_reference_is_one_part_of_the_address(server: AnsweringServer) -> None:
    server.answer(404, {})
    with pytest.raises(Stop):
        status(server, "../domains?x=1")
    assert server.asked[0].path.endswith("/emails/..%2Fdomains%3Fx%3D1")


@pytest.mark.parametrize(("wanted", "status_code"), [("sent", 200), ("delivered", 503)])
def test_it_serves_where_a_mail_has_to_be_sent_and_not_where_it_has_to_arrive(
    api: Api, wanted: str, status_code: int
) -> None:
    api.post("/marketplace/integrations/scaleway_email/install", {"config": {"from": "orders@example.com"}})
    body = {"provider_key": "scaleway_email", "credentials": conformance.secrets_of(ScalewayEmail), "verify": False}
    assert api.post("/credentials/bind", body).status_code == 201
    order = {"category": "messaging", "intent": "message.send.email", "options": {"success_status": wanted}}
    answer = api.post("/execute/plan", {**order, "payload": {"to": ["ada@example.com"], "subject": "a", "text": "b"}})
    assert answer.status_code == status_code, answer.content
