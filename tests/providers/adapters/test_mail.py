"""What both mail adapters do with a message before anything is sent: `providers/composing.py`."""

import base64
from typing import Any

import pytest

from integrationhub.core.errors import InvalidRequest
from providers import registry
from providers.errors import Blocked, Next, Stop
from tests.providers import conformance
from tests.providers.answering import AnsweringServer
from tests.providers.carriers import CarrierServer
from tests.providers.mailboxes import GmailServer, GraphServer, attached_in, mail_to, send_mail


def given_file(size: int) -> dict[str, str]:
    return {"filename": "a.bin", "content": base64.b64encode(b"x" * size).decode()}


def fetched_at(server: AnsweringServer, path: str = "/a.pdf?key=s3cr3t") -> dict[str, str]:
    return {"filename": "a.pdf", "content_type": "application/pdf", "url": f"{server.base_url}{path}"}


@pytest.mark.parametrize(
    ("payload", "field", "reason"),
    [
        ({"subject": "Hello\r\nBcc: mallory@example.com"}, "payload.subject", "wrong_form"),
        ({"subject": "Hello\n"}, "payload.subject", "wrong_form"),
        ({"subject": "Hello\u0085Bcc: x"}, "payload.subject", "wrong_form"),
        ({"subject": "Hello\u2028Bcc: x"}, "payload.subject", "wrong_form"),
        ({"from": "a\u000b@example.com"}, "payload.from", "wrong_form"),
        ({"reply_to": "a@example.com\nBcc: x"}, "payload.reply_to", "wrong_form"),
        ({"to": ["ada@example.com", "b\u0001@example.com"]}, "payload.to[1]", "wrong_form"),
        ({"cc": ["a@example.com\r\nBcc: x"]}, "payload.cc[0]", "wrong_form"),
        ({"bcc": ["a@example.com\rx"]}, "payload.bcc[0]", "wrong_form"),
        ({"headers": {"X-Order": "1\r\nBcc: x"}}, "payload.headers.X-Order", "wrong_form"),
        ({"headers": {"bcc": "mallory@example.com"}}, "payload.headers.bcc", "not_allowed"),
        ({"headers": {"From": "mallory@example.com"}}, "payload.headers.From", "not_allowed"),
        ({"headers": {"Subject": "Another"}}, "payload.headers.Subject", "not_allowed"),
        ({"headers": {"Content-Type": "text/html"}}, "payload.headers.Content-Type", "not_allowed"),
        ({"headers": {"Resent-To": "mallory@example.com"}}, "payload.headers.Resent-To", "not_allowed"),
        ({"headers": {"MIME-Version": "2.0"}}, "payload.headers.MIME-Version", "not_allowed"),
        ({"attachments": [{"filename": "a\r\nX: b", "content": ""}]}, "payload.attachments[0].filename", "wrong_form"),
        (
            {"attachments": [{"filename": "a", "content_type": "a/b\r\nX: c", "content": ""}]},
            "payload.attachments[0].content_type",
            "wrong_form",
        ),
    ],
)
def test_a_header_that_would_make_another_message_is_refused(
    mailbox: CarrierServer, payload: dict[str, Any], field: str, reason: str
) -> None:
    """By the preflight of the first provider, and by those that a fallback reaches, which has none."""
    with pytest.raises(InvalidRequest) as caught:
        registry.instance(mailbox.key).preflight(mail_to(mailbox, **payload))
    assert [(fault["field"], fault["reason"]) for fault in caught.value.details["fields"]] == [(field, reason)]
    with pytest.raises(Stop, match="Nothing was sent") as stopped:
        send_mail(mailbox, **payload)
    assert (stopped.value.reason, mailbox.hits) == ("unwritable_message", 0)


def test_the_payloads_sender_comes_first(gmail: GmailServer, graph: GraphServer) -> None:
    for mailbox in (gmail, graph):
        send_mail(mailbox, config={"from": "shop@example.com"}, **{"from": "orders@example.com"})
        send_mail(mailbox, config={"from": "shop@example.com"})
    assert [b"shop" in asked.body for asked in graph.asked] == [False, True]
    assert [b"orders" in asked.body for asked in graph.asked] == [True, False]
    assert gmail.faults == graph.faults == []


def test_a_template_is_left_to_a_provider_that_has_some(mailbox: CarrierServer) -> None:
    with pytest.raises(Next) as caught:
        send_mail(mailbox, template_id="welcome")
    assert (caught.value.reason, mailbox.hits) == ("templates_unsupported", 0)


@pytest.mark.parametrize(("key", "most"), [("gmail_email", 25_000_000), ("microsoft_email", 2_900_000)])
def test_what_is_too_large_is_left_to_another_provider(
    gmail: GmailServer, graph: GraphServer, key: str, most: int
) -> None:
    mailbox = gmail if key == gmail.key else graph
    with pytest.raises(Next) as caught:
        send_mail(mailbox, attachments=[given_file(most - 10), given_file(11)])
    assert (caught.value.reason, mailbox.hits) == ("message_too_large", 0)
    assert f"{most:,}" in caught.value.message


def test_an_attachment_named_by_its_address_is_fetched(mailbox: CarrierServer, server: AnsweringServer) -> None:
    server.answer(200, b"%PDF-1.7")
    send_mail(mailbox, attachments=[fetched_at(server)])
    assert [(asked.method, asked.path) for asked in server.asked] == [("GET", "/a.pdf?key=s3cr3t")]
    assert "Authorization" not in server.asked[0].headers
    assert (mailbox.hits, mailbox.faults) == (1, [])
    assert attached_in(mailbox.asked[0]) == [b"%PDF-1.7"]


@pytest.mark.parametrize("status", [302, 403, 404, 500])
def test_an_attachment_that_is_not_there_sends_nothing(
    mailbox: CarrierServer, server: AnsweringServer, status: int
) -> None:
    server.answer(status, b"no", Location="/elsewhere")
    with pytest.raises(Next, match=f"HTTP {status}") as caught:
        send_mail(mailbox, attachments=[fetched_at(server)])
    assert (caught.value.reason, caught.value.upstream_status, mailbox.hits) == ("attachment_unavailable", None, 0)
    assert "s3cr3t" not in str(caught.value)
    assert len(server.asked) == 1


def test_an_attachment_longer_than_the_provider_takes_is_not_read(graph: GraphServer, server: AnsweringServer) -> None:
    server.answer(200, b"x" * 2_900_001)
    with pytest.raises(Next, match="answer_too_large") as caught:
        send_mail(graph, attachments=[fetched_at(server)])
    assert (caught.value.reason, graph.hits) == ("attachment_unavailable", 0)


def test_an_attachment_that_cannot_be_reached_sends_nothing(mailbox: CarrierServer) -> None:
    with conformance.refusing() as nowhere, pytest.raises(Next, match="refused") as caught:
        send_mail(mailbox, attachments=[{"filename": "a.pdf", "url": f"{nowhere}/a.pdf"}])
    assert (type(caught.value), caught.value.reason, mailbox.hits) == (Next, "attachment_unavailable", 0)


def test_an_attachment_inside_of_our_network_is_not_told_from_one_that_refuses(mailbox: CarrierServer) -> None:
    with pytest.raises(Blocked, match="refused") as caught:
        send_mail(mailbox, attachments=[{"filename": "a.pdf", "url": "http://10.1.2.3/latest/meta-data"}])
    assert (caught.value.reason, caught.value.outcome_class, mailbox.hits) == ("attachment_unavailable", "next", 0)
