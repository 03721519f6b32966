"""Who writes at the same moment shares a commit, and each hears of its own row alone."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.db import DataError, OperationalError, connections

from integrationhub.core.ids import new_id
from integrationhub.webhooks import group_commit, receiving
from integrationhub.webhooks.group_commit import MOST, GroupCommit
from integrationhub.webhooks.models import NOBODY, Post
from tests.webhooks.posting import messages, post


class Table:
    """Takes a moment to write, refuses what is bad, and remembers what was written together."""

    def __init__(self) -> None:
        self.commits: list[list[Any]] = []
        self.began, self.may_end = threading.Event(), threading.Event()

    def write_all(self, orders: Sequence[Any]) -> None:
        self.began.set()
        assert self.may_end.wait(10)
        if "away" in orders:
            raise OperationalError
        if "end" in orders:
            raise SystemExit
        if "bad" in orders:
            raise DataError
        self.commits.append(list(orders))


def together(first: Any, *others: Any) -> tuple[Table, dict[Any, Exception | None]]:
    """`others` come while `first` is written. What each writer heard."""
    table = Table()
    group = GroupCommit(table.write_all)
    with ThreadPoolExecutor(len(others) + 1) as pool:
        asked = {first: pool.submit(group.write, first)}
        assert table.began.wait(10)
        asked |= {order: pool.submit(group.write, order) for order in others}
        while len(group._waiting) < len(others):
            pass
        table.may_end.set()
    return table, {order: future.exception() for order, future in asked.items()}


def test_what_comes_while_one_is_written_is_one_commit() -> None:
    table, heard = together(0, *range(1, 9))
    assert [sorted(commit) for commit in table.commits] == [[0], list(range(1, 9))]
    assert set(heard.values()) == {None}


def test_one_that_cannot_be_stored_keeps_no_other_from_it() -> None:
    table, heard = together("first", "good", "bad", "better")
    assert sorted(order for commit in table.commits for order in commit) == ["better", "first", "good"]
    assert [order for order, error in heard.items() if error] == ["bad"]
    assert isinstance(heard["bad"], DataError)


def test_a_database_that_is_away_is_asked_once_and_all_hear_of_it() -> None:
    table, heard = together("first", "away", "another")
    assert table.commits == [["first"]]
    assert {order for order, error in heard.items() if isinstance(error, OperationalError)} == {"away", "another"}


def test_a_writer_that_is_made_to_end_lets_nobody_take_that_for_a_commit() -> None:
    table, heard = together("first", "end", "another")
    assert table.commits == [["first"]]
    assert {type(heard[order]) for order in ("end", "another")} == {SystemExit, OperationalError}


def test_more_than_a_commit_takes_are_written_by_several() -> None:
    table, heard = together("first", *range(MOST + 8))
    assert [len(commit) for commit in table.commits] == [1, MOST, 8]
    assert set(heard.values()) == {None}


def test_the_next_commit_does_not_wait_until_all_of_the_last_have_woken_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who leads it is called before those that were written for."""
    called: list[Any] = []

    class Watched(group_commit._Waiting):
        def __post_init__(self) -> None:
            super().__post_init__()
            self.called = Bell(self.called, partial(called.append, self.order))

    monkeypatch.setattr(group_commit, "_Waiting", Watched)
    table, _ = together("first", *range(MOST + 8))
    _, second, third = table.commits
    assert called[:3] == [second[0], "first", third[0]]


class Bell:
    """A lock that tells when it is released."""

    def __init__(self, lock: Any, tell: Callable[[], None]) -> None:
        self.acquire, self._lock, self._tell = lock.acquire, lock, tell

    def release(self) -> None:
        self._tell()
        self._lock.release()


def test_many_at_once_are_all_stored_and_repeats_counted() -> None:
    bodies = [messages(f"wamid.{number % 30}") for number in range(60)]

    def send(body: bytes) -> int:
        status = post(body).status_code
        connections.close_all()
        return int(status)

    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(send, bodies)) == {200}
    assert sorted(Post.objects.using("system").values_list("repeats", flat=True)) == [1] * 30


@pytest.mark.parametrize("times", [1, 3])
def test_the_same_bytes_within_one_commit_are_one_row(times: int) -> None:
    body = {"provider_key": "meta_whatsapp", "digest": "ab" * 32, "body": "eA==", "headers": {}, "secret": "current"}
    orders = [(NOBODY, {**body, "id": str(new_id()), "request_id": ""}) for _ in range(times)]
    receiving._store(orders)
    assert Post.objects.using("system").get().repeats == times - 1
