"""Who runs now and who waits, so that no tenant keeps the others from running: it decides, and runs nothing itself."""

from collections import OrderedDict, deque
from threading import Lock
from typing import Generic, TypeVar

Item = TypeVar("Item")


class FairShare(Generic[Item]):
    """`slots` for all tenants together, the last quarter of which is for those who run less than their share.

    A tenant's item runs while a slot is free and either the tenant runs fewer than its share, a quarter of the slots,
    or more than a quarter of them is free. Otherwise it is parked. What leaves lets parked ones in: one tenant after
    the other, each tenant's own in the order in which they came. Safe among threads. No step looks at more tenants than
    can hold a whole share at once, and a tenant that has nothing here takes no memory.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._share = max(1, slots // 4)
        self._open_to_all = slots - self._share
        self._busy = 0
        self._running: dict[str, int] = {}
        # Whose turn is next comes first; nobody is here without an item, and none of them may run now.
        self._parked: OrderedDict[str, deque[Item]] = OrderedDict()
        self._lock = Lock()

    def enter(self, tenant: str, item: Item) -> bool:
        """Whether `item` runs now, and is to `leave` afterwards; else it is parked."""
        with self._lock:
            if self._may_run(tenant):
                self._run(tenant)
                return True
            self._parked.setdefault(tenant, deque()).append(item)
            return False

    def leave(self, tenant: str) -> list[tuple[str, Item]]:
        """One of the tenant's has ended. Returns what runs from now on, with its tenant; each is to `leave` too."""
        with self._lock:
            self._busy -= 1
            if left := self._running.pop(tenant) - 1:
                self._running[tenant] = left
            return self._let_in() if self._parked else []

    def give_up(self) -> list[Item]:
        """Forget the parked ones, and return them."""
        with self._lock:
            parked = [item for items in self._parked.values() for item in items]
            self._parked.clear()
            return parked

    def _may_run(self, tenant: str) -> bool:
        if self._busy < self._open_to_all:
            return True
        return self._busy < self._slots and self._running.get(tenant, 0) < self._share

    def _run(self, tenant: str) -> None:
        self._busy += 1
        self._running[tenant] = self._running.get(tenant, 0) + 1

    def _let_in(self) -> list[tuple[str, Item]]:
        entered = []
        # Full, nobody may: they need not be asked one by one.
        while self._busy < self._slots and (tenant := next(filter(self._may_run, self._parked), None)) is not None:
            items = self._parked[tenant]
            self._run(tenant)
            entered.append((tenant, items.popleft()))
            if items:
                self._parked.move_to_end(tenant)
            else:
                del self._parked[tenant]
        return entered
