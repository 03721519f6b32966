"""Rotating keys while everything runs: `manage.py rotate_keys`.

No lock outlives one statement (or the two of `renew`), and a row is changed only if it is still as it was read: whoever
is killed, or works beside another one, leaves every row under a key that is there. What another transaction holds is
not waited for: it comes in a further pass. What is due shows in the rows, so that a second run takes up where the first
one ended.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import psycopg
from django.db import OperationalError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from credentials import sealed_rows, sealing
from credentials.data_keys import fresh_rows
from credentials.errors import VaultUnavailable, VaultUnreadable
from credentials.models import TenantKey
from credentials.sealed_field import Column, columns
from credentials.sealed_rows import BATCH_ROWS, Sealed, Swapped
from credentials.sealing import Context, DataKey
from credentials.vault import fresh_vault
from integrationhub.core.tenancy import tenant_scope
from integrationhub.idempotency import sealing as answer_sealing

# Processes seal for five minutes under a key that they remember, and open for seconds what they have read before.
STILL_NEEDED = timedelta(minutes=10)
# A binding or a rotation holds its rows for milliseconds.
PASSES, PAUSE_SECONDS = 5, 0.5
GAVE_UP = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)

T = TypeVar("T")


class Step(NamedTuple):
    """`due` counts what there is to do; `run` does it, batch by batch, and says how many it did in each."""

    what: str
    due: Callable[[], int]
    run: Callable[[], Iterator[int]]


class Rotation:
    """One run. `unreadable` names what did not open, and why; `held` is how many others held all along, of which step.
    Both were left as they are.

    Each step raises VaultUnavailable where the vault is away: run it again. Making one raises that too, and
    ImproperlyConfigured.
    """

    def __init__(self) -> None:
        self.unreadable: dict[str, str] = {}
        self.held: dict[str, int] = {}
        self._vault = fresh_vault()
        self._keys = self._vault.keys
        self._current_id = self._keys.current_id()

    def steps(self) -> list[Step]:
        values = [
            self._step(
                f"values of {column.table} re-encrypted",
                partial(sealed_rows.count_due, column, self._current_id),
                partial(self.reseal, column),
            )
            for column in columns()
        ]
        return [
            self._step("data keys re-wrapped", lambda: self._under_others().count(), self.rewrap),
            self._step("tenants given a fresh data key", lambda: self._made_under_others().count(), self.renew),
            *values,
        ]

    def _step(self, what: str, due: Callable[[], int], once: Callable[[], Iterator[Swapped]]) -> Step:
        return Step(what, due, partial(self._passes, what, once))

    def _passes(self, what: str, once: Callable[[], Iterator[Swapped]]) -> Iterator[int]:
        for _ in range(PASSES):
            held = 0
            for swapped in once():
                held += swapped.held
                yield swapped.done
            if not held:
                return
            time.sleep(PAUSE_SECONDS)
        self.held[what] = held

    def rewrap(self) -> Iterator[Swapped]:
        """Every data key, retired ones too, under the current key-encryption key: then no row needs another one."""
        yield _unless_held(partial(_uncounted, answer_sealing.rewrap), 1)
        for rows in _batches(self._under_others()):
            opened = self._opened(rows, self._keys.unwrap)
            wrapped = self._keys.wrap([key for _, key in opened])
            yield _unless_held(partial(sealed_rows.swap_wraps, [row for row, _ in opened], wrapped), len(opened))

    def renew(self) -> Iterator[Swapped]:
        """A fresh data key for each tenant whose current one was ever under another key-encryption key: who got hold of
        that one may have it."""
        yield _unless_held(partial(_uncounted, answer_sealing.renew), 1)
        for rows in _batches(self._made_under_others()):
            fresh = fresh_rows(self._keys, [row.tenant_id for row in rows])
            yield _unless_held(partial(_renewed, rows, fresh), len(rows))

    def reseal(self, column: Column) -> Iterator[Swapped]:
        """Every value under its tenant's current data key."""
        last = UUID(int=0)
        while values := sealed_rows.due(column, last):
            last = values[-1].row_id
            if column.is_kept and self._vault.keeps_apart:
                yield from (self._kept_anew(column, value) for value in values)
            else:
                yield self._sealed_anew(column, values)

    def _sealed_anew(self, column: Column, values: Sequence[Sealed]) -> Swapped:
        keys = self._data_keys(values)

        def anew(values: Sequence[Sealed]) -> list[bytes]:
            return [_under(keys, value, _place(column, value)) for value in values]

        changes = self._opened(values, anew)
        return _unless_held(partial(sealed_rows.swap, column, changes), len(changes))

    def _kept_anew(self, column: Column, value: Sealed) -> Swapped:
        """Written beside the old one; the row then points to it, and who has read the row still finds the old one."""
        place = _place(column, value)
        opened = self._opened([value], lambda _: [self._vault.open(value.value, place)])
        if not opened:
            return Swapped(0, 0)
        kept = self._vault.keep(opened[0][1], place)
        return _unless_held(partial(self._pointed_to, kept, column, value), 1)

    def _pointed_to(self, kept: bytes, column: Column, value: Sealed) -> Swapped:
        place = _place(column, value)
        with tenant_scope(value.tenant_id):
            swapped = sealed_rows.swap(column, [(value, kept)], using="default")
            if swapped.done:
                self._vault.claim(kept, place)
                self._vault.discard(value.value, place, after=STILL_NEEDED)
        return swapped  # If it was changed meanwhile, or is held, nothing claims the new one, and it will be deleted.

    def _data_keys(self, values: Sequence[Sealed]) -> dict[UUID, DataKey]:
        ids = {value.current_key for value in values} | {UUID(bytes=value.value[1:17]) for value in values}
        rows = list(TenantKey.objects.using("system").filter(id__in=ids))
        return {row.id: key for row, key in self._opened(rows, self._keys.unwrap)}

    def _opened(self, rows: Sequence[Any], opening: Callable[[Sequence[Any]], list[T]]) -> list[tuple[Any, T]]:
        """Each row with what it opens to; those that do not open are noted, and left out."""
        try:
            return list(zip(rows, opening(rows), strict=True))
        except VaultUnavailable:
            raise
        except VaultUnreadable as error:
            if len(rows) > 1:
                return [pair for row in rows for pair in self._opened([row], opening)]
            self.unreadable[_name(rows[0])] = error.message
            return []

    def _under_others(self) -> QuerySet[TenantKey]:
        return TenantKey.objects.using("system").exclude(kek_id=self._current_id)

    def _made_under_others(self) -> QuerySet[TenantKey]:
        return TenantKey.objects.using("system").filter(retired_at=None).exclude(first_kek_id=self._current_id)


def forget_unused() -> int:
    """Delete retired data keys that no value has named for a while; returns how many. None while they are held."""
    return _unless_held(lambda: Swapped(sealed_rows.forget_unused(STILL_NEEDED), 0), 0).done


def _renewed(rows: Sequence[TenantKey], fresh: Sequence[TenantKey]) -> Swapped:
    with transaction.atomic(using="system"):
        current = TenantKey.objects.using("system").filter(id__in=[row.id for row in rows], retired_at=None)
        free = dict(current.select_for_update(skip_locked=True).values_list("tenant_id", "id"))
        current.filter(id__in=list(free.values())).update(retired_at=Now())
        TenantKey.objects.using("system").bulk_create([key for key in fresh if key.tenant_id in free])
    return Swapped(len(free), len(rows) - len(free))


def _uncounted(deed: Callable[[], int]) -> Swapped:
    """Keys of stored answers are few."""
    deed()
    return Swapped(0, 0)


def _unless_held(deed: Callable[[], Swapped], rows: int) -> Swapped:
    """What came of it. Where the database gave up waiting for a lock, all these rows were held."""
    try:
        return deed()
    except OperationalError as error:
        if not isinstance(error.__cause__, GAVE_UP):
            raise
        return Swapped(0, rows)


def _batches(rows: QuerySet[TenantKey]) -> Iterator[list[TenantKey]]:
    last = UUID(int=0)
    while batch := list(rows.filter(id__gt=last).order_by("id")[:BATCH_ROWS]):
        yield batch
        last = batch[-1].id


def _under(keys: dict[UUID, DataKey], value: Sealed, place: Context) -> bytes:
    """The value under its tenant's current key."""
    was, now = keys.get(sealing.key_id(value.value)), keys.get(value.current_key)
    if was is None or now is None or sealing.is_pointer(value.value):
        raise VaultUnreadable("Its data key does not open, or a vault keeps it.", reason="foreign_key")
    return sealing.seal(now, sealing.unseal(was, value.value, place), place)


def _place(column: Column, value: Sealed) -> Context:
    return Context(value.tenant_id, column.table, value.row_id, column.place)


def _name(row: TenantKey | Sealed) -> str:
    return f"the value in row {row.row_id}" if isinstance(row, Sealed) else f"the data key {row.id}"
