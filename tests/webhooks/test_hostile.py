"""Bodies that are signed and meant to hurt: a tenant's own app signs whatever the tenant likes."""

import json
import time
from typing import Any

import pytest

from integrationhub.webhooks import meta
from tests.webhooks.posting import change, message, status, written

MANY = 5000
HOSTILE = {
    "what stands around": change(messages=[{}] * MANY, around="x" * 20_000),
    "the one contact": change(messages=[{}] * MANY, contacts=[{"profile": "x" * 20_000}]),
    "contacts of one id": change(
        messages=[{"from": "1"}] * MANY, contacts=[{"wa_id": "1", "n": number} for number in range(2000)]
    ),
}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_body_whose_things_repeat_it_a_thousand_times_is_kept_whole(hostile: str) -> None:
    body = written(HOSTILE[hostile])
    [item] = meta.taken_apart(body)
    assert (item.type, json.loads(item.payload)) == ("unreadable", json.loads(body))


def test_the_entry_around_many_changes_counts_too() -> None:
    body = json.dumps({"object": "x" * 20_000, "entry": [{"changes": [{"field": "a", "value": {}}] * MANY}]}).encode()
    assert [item.type for item in meta.taken_apart(body)] == ["unreadable"]


def test_people_are_not_looked_through_for_every_message() -> None:
    crowd: list[Any] = [{"wa_id": str(number)} for number in range(50_000)]
    body = written(change(messages=[message(f"wamid.{number}") for number in range(1000)], contacts=crowd))
    began = time.process_time()
    assert len(meta.taken_apart(body)) == 1000
    assert time.process_time() - began < 2


def test_as_many_statuses_as_meta_puts_into_a_body_are_all_taken() -> None:
    body = written(*(change(statuses=[status(f"wamid.{number}")]) for number in range(1000)))
    alike = written(change(statuses=[status(f"wamid.{number}") for number in range(1000)]))
    assert [len(meta.taken_apart(each)) for each in (body, alike)] == [1000, 1000]


@pytest.mark.parametrize("kind", ["message", "status", "error"])
def test_a_field_that_is_called_like_a_thing_of_ours_is_none(kind: str) -> None:
    """Of those each is handled by itself, and this would be thousands at once."""
    [item] = meta.taken_apart(written(change(kind, messages=[message("wamid.1"), message("wamid.2")])))
    assert item.type == "unreadable"
