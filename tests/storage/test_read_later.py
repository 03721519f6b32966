"""What is read is told in one answer alone: nothing reads for nobody, and a lost answer is said to be lost."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connections

from providers.intents import INTENTS
from tests import s3 as store
from tests.make import LATER, Api, keyed
from tests.providers.answering import AnsweringServer
from tests.storage.asking import install

READING = sorted(name for name, intent in INTENTS.items() if not intent.acts)
KEYS = {"access_key_id": store.KEYS["AWS_ACCESS_KEY_ID"], "secret_access_key": store.KEYS["AWS_SECRET_ACCESS_KEY"]}


def order(intent: str = "storage.get.object", **options: Any) -> dict[str, Any]:
    body = {"category": "storage", "intent": intent, "payload": dict(INTENTS[intent].example)}
    return {**body, "options": options} if options else body


@pytest.fixture
def server() -> Iterator[AnsweringServer]:
    server = AnsweringServer(body=b"hello", headers={"ETag": '"e"'})
    server.start()
    yield server
    server.stop()


@pytest.fixture
def reader(api: Api, server: AnsweringServer) -> Api:
    """Whose store has every object."""
    install(api, "s3_storage", {"bucket": "receipts"})
    body = {"provider_key": "s3_storage", "credentials": {**KEYS, "endpoint": server.base_url}, "verify": False}
    assert api.post("/credentials/bind", body).status_code == 201
    return api


def fields(error: dict[str, Any]) -> list[tuple[str, str]]:
    return [(fault["field"], fault["reason"]) for fault in error["details"]["fields"]]


def nothing_is_written(api: Api) -> bool:
    return api.get("/executions").json()["data"] == [] and api.get("/usage").json()["used"] == 0


@pytest.mark.parametrize("intent", READING)
def test_no_worker_reads_what_nobody_could_be_told(reader: Api, intent: str) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    preferred = reader.post("/execute", order(intent), headers=LATER)
    planned = [reader.post(path, order(intent, send_at=tomorrow)) for path in ("/execute", "/execute/plan")]
    assert [answer.status_code for answer in (preferred, *planned)] == [400, 400, 400]
    assert fields(preferred.json()) == [("Prefer: respond-async", "not_allowed")]
    assert [fields(answer.json()) for answer in planned] == [[("options.send_at", "not_allowed")]] * 2
    assert "Leave options.send_at out" in planned[0].json()["message"]
    assert nothing_is_written(reader)


def test_of_a_batch_for_later_the_items_that_read_are_refused(reader: Api) -> None:
    put = order("storage.put.object")
    told = reader.post("/execute/batch", {"items": [order(), put]}, headers=LATER).json()
    assert [item["status"] for item in told["items"]] == [400, 202]
    assert fields(told["items"][0]["error"]) == [("Prefer: respond-async", "not_allowed")]


def test_nor_does_a_worker_retry_a_read(reader: Api, server: AnsweringServer) -> None:
    server.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
    failed = reader.post("/execute", order()).json()["details"]["executionId"]
    later = reader.post(f"/executions/{failed}/retry", headers=LATER)
    assert (later.status_code, fields(later.json())) == (400, [("Prefer: respond-async", "not_allowed")])
    server.answer(200, b"hello", ETag='"e"')
    assert reader.post(f"/executions/{failed}/retry").json()["result"]["content"]


# --- The answer is lost ---


def lose(*, seconds_ago: int) -> None:
    """As if the process had died between its execution's end and its answer, so long ago."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE idempotency_storedanswer SET answer = NULL")
        cursor.execute("UPDATE execution_execution SET finished_at = now() - make_interval(secs => %s)", [seconds_ago])


def test_a_key_whose_answer_is_lost_says_so_and_reads_nothing_twice(reader: Api, server: AnsweringServer) -> None:
    key = keyed()
    first = reader.post("/execute", order(), **key)
    lose(seconds_ago=60)
    for _ in range(2):
        again = reader.post("/execute", order(), **key)
        error = again.json()
        assert (again.status_code, error["details"]["reason"]) == (503, "result_not_kept")
        assert (error["retryable"], error["details"]["executionId"]) == (False, first.json()["execution_id"])
    assert len(server.asked) == 1


def test_an_answer_that_may_come_yet_is_waited_for(reader: Api) -> None:
    key = keyed()
    reader.post("/execute", order(), **key)
    lose(seconds_ago=1)
    assert reader.post("/execute", order(), **key).status_code == 409


def test_what_a_lost_answer_only_told_again_is_told_again(reader: Api) -> None:
    key = keyed()
    first = reader.post("/execute", order("storage.put.object"), **key)
    lose(seconds_ago=60)
    assert reader.post("/execute", order("storage.put.object"), **key).json()["result"] == first.json()["result"]


def test_one_lost_item_spoils_no_batch(reader: Api) -> None:
    key, body = keyed(), {"items": [order(), order("storage.put.object")]}
    reader.post("/execute/batch", body, **key)
    lose(seconds_ago=60)
    with connections["owner"].cursor() as cursor:
        cursor.execute("DELETE FROM idempotency_storedanswer WHERE path NOT LIKE %s", ["%#%"])
    told = reader.post("/execute/batch", body, **key).json()
    assert [item["status"] for item in told["items"]] == [503, 200]
