"""What a receiver answers: its status decides, whatever becomes of the words behind it."""

import gzip
import time
from uuid import UUID

import pytest

from tests.core.servers import RawServer
from tests.make import Api
from tests.telling.receiving import Receiver, deliveries, happen, later, subscribe, work_off

HOUR = 3600
PACKED = gzip.compress(b'{"ok": true}')
UNREADABLE: dict[str, list[bytes | float]] = {
    "compressed": [b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(PACKED), PACKED],
    "of 2 MiB": [b"Content-Length: 2097152\r\n\r\n", bytes(2 * 1024 * 1024)],
    "of 2 MiB, untold": [b"Connection: close\r\n\r\n", bytes(2 * 1024 * 1024)],
    "in a broken chunk": [b"Transfer-Encoding: chunked\r\n\r\n", b"zz\r\nok\r\n0\r\n\r\n"],
    "that never ends": [b"Transfer-Encoding: chunked\r\n\r\n", *[b"1\r\na\r\n", 0.1] * 60],
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_2xx_whose_body_cannot_be_read_is_delivered_and_not_sent_again(api: Api, tenant: UUID, name: str) -> None:
    with RawServer([b"HTTP/1.1 200 OK\r\n", *UNREADABLE[name]]) as server:
        subscribe(api, Receiver(url=server.url))
        happen(tenant)
        begun = time.monotonic()
        work_off()
        assert time.monotonic() - begun < 4, "nobody waits for the end of such a body"
        later(30 * HOUR)
        work_off()
        assert len(server.requests) == 1
    [row] = deliveries(tenant)
    [attempt] = row.attempts
    assert (row.status, attempt["outcome"], attempt["upstream_status"], attempt["error"]) == (
        "delivered",
        "delivered",
        200,
        "",
    )


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_refusal_whose_body_cannot_be_read_is_what_its_status_says(api: Api, tenant: UUID, name: str) -> None:
    with RawServer([b"HTTP/1.1 410 Gone\r\n", *UNREADABLE[name]]) as server:
        subscription_id = subscribe(api, Receiver(url=server.url))["id"]
        happen(tenant)
        work_off()
    assert deliveries(tenant)[0].attempts[0]["error"] == "upstream_410"
    assert api.get(f"/webhook-subscriptions/{subscription_id}").json()["disabled_reason"] == "gone"


def refusing(body: bytes, status: bytes = b"422 No") -> RawServer:
    return RawServer([b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)])


def answers_of(api: Api, tenant: UUID) -> list[str | None]:
    [row] = deliveries(tenant)
    return [attempt.get("answer") for attempt in api.get(f"/webhooks/{row.id}").json()["attempts"]]


def test_admins_read_what_a_receiver_said_when_it_refused(api: Api, tenant: UUID) -> None:
    with refusing(b'{"error":\n "no such\x00 shop"}') as server:
        subscribe(api, Receiver(url=server.url))
        happen(tenant)
        work_off()
    assert answers_of(api, tenant) == ['{"error": "no such shop"}']
    assert answers_of(api.as_role("organizer"), tenant) == [None], "it may repeat what it was sent"


def test_what_a_receiver_said_is_kept_in_part_and_without_what_is_secret(api: Api, tenant: UUID) -> None:
    said = "Cannot POST /hooks/of-a-t%C3%A9nant?token=hunter2-hunter2 (of-a-t\u00e9nant, hunter2-hunter2): SECRET"
    with RawServer([]) as server:
        secret = subscribe(api, Receiver(url=f"{server.url}/hooks/of-a-t%C3%A9nant?token=hunter2-hunter2"))["secret"]
        body = said.replace("SECRET", secret).encode() + 2000 * b" x"
        server._answers = ([b"HTTP/1.1 404 No\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)],)
        happen(tenant)
        work_off()
    [answer] = answers_of(api, tenant)
    assert answer is not None
    assert answer.startswith("Cannot POST [hidden] ([hidden], [hidden]): whsec_[hidden] x x")
    assert len(answer) == 300


def test_of_a_delivery_no_words_are_kept(api: Api, tenant: UUID) -> None:
    with refusing(b"thank you", b"200 OK") as server:
        subscribe(api, Receiver(url=server.url))
        happen(tenant)
        work_off()
    assert answers_of(api, tenant) == [""]


def test_a_receiver_that_answers_in_few_words_keeps_its_connection(api: Api, tenant: UUID) -> None:
    with RawServer([b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]) as server:
        subscribe(api, Receiver(url=server.url), ordered=True)
        for number in range(3):
            happen(tenant, "execution.failed", execution_id="a", number=number)
        work_off()
        assert (len(server.requests), server.connections) == (3, 1)


def test_one_that_is_lost_before_its_status_is_tried_again(api: Api, tenant: UUID) -> None:
    with RawServer([b"HTTP/1.1 200 OK\r\nContent-"], []) as server:
        subscribe(api, Receiver(url=server.url))
        happen(tenant)
        work_off()
    [row] = deliveries(tenant)
    assert (row.status, row.attempts[0]["upstream_status"]) == ("pending", None)
