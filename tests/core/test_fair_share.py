"""Slots shared by tenants: who runs, who is parked, and in which order the parked ones run."""

import random
from collections import Counter

import pytest

from integrationhub.core.fair_share import FairShare


def entered(share: FairShare[str], tenant: str, how_many: int) -> int:
    """How many of so many ran at once; the items are numbered."""
    return sum(share.enter(tenant, f"{tenant}{number}") for number in range(how_many))


@pytest.mark.parametrize(("slots", "alone"), [(1, 1), (2, 1), (3, 2), (4, 3), (8, 6), (16, 12)])
def test_one_tenant_alone_takes_all_but_the_reserve(slots: int, alone: int) -> None:
    assert entered(FairShare(slots), "hog", 100) == alone


def test_another_tenant_finds_its_share_free() -> None:
    share: FairShare[str] = FairShare(16)
    entered(share, "hog", 100)
    assert entered(share, "quiet", 10) == 4


def test_no_more_run_than_there_are_slots() -> None:
    share: FairShare[str] = FairShare(8)
    assert sum(entered(share, f"tenant {number}", 1) for number in range(50)) == 8


def test_what_leaves_lets_one_tenant_in_after_the_other_and_each_ones_own_in_order() -> None:
    share: FairShare[str] = FairShare(1)
    share.enter("first", "running")
    for item in ("a1", "a2", "a3", "b1", "c1", "c2"):
        share.enter(item[0], item)
    order, tenant = [], "first"
    while left := share.leave(tenant):
        ((tenant, item),) = left
        order.append(item)
    assert order == ["a1", "b1", "c1", "a2", "c2", "a3"]


def test_a_slot_of_the_reserve_that_falls_free_is_not_for_who_has_more_than_its_share() -> None:
    share: FairShare[str] = FairShare(8)
    entered(share, "hog", 10)
    entered(share, "quiet", 2)
    assert share.leave("quiet") == []
    assert share.leave("quiet") == []
    assert share.leave("hog") == [("hog", "hog6")]


def test_who_falls_below_its_share_runs_in_spite_of_the_reserve() -> None:
    share: FairShare[str] = FairShare(8)
    for tenant in "abc":
        entered(share, tenant, 2)
    assert not share.enter("a", "a's third")
    assert share.leave("a") == [("a", "a's third")]


def test_what_is_given_up_runs_no_more() -> None:
    share: FairShare[str] = FairShare(4)
    entered(share, "hog", 6)
    assert share.give_up() == ["hog3", "hog4", "hog5"]
    assert [share.leave("hog") for _ in range(3)] == [[], [], []]


class Checked:
    """Items that come and go, and the rule checked after each of them."""

    def __init__(self, slots: int) -> None:
        self.share: FairShare[int] = FairShare(slots)
        self.slots, self.own = slots, max(1, slots // 4)
        self.running, self.ran, self.came = Counter[str](), list[int](), 0

    def come(self, tenant: str) -> None:
        if self.share.enter(tenant, self.came):
            self._runs(tenant, self.came)
        self.came += 1
        self._check()

    def go(self, tenant: str) -> None:
        self.running[tenant] -= 1
        for other, item in self.share.leave(tenant):
            self._runs(other, item)
        self._check()

    def _runs(self, tenant: str, item: int) -> None:
        self.running[tenant] += 1
        self.ran.append(item)

    def _check(self) -> None:
        busy = self.running.total()
        assert busy <= self.slots
        waits_in_vain = [tenant for tenant in self.share._parked if self.running[tenant] < self.own]
        assert busy == self.slots or not waits_in_vain
        assert busy >= self.slots - self.own or not self.share._parked


@pytest.mark.parametrize("slots", [1, 2, 3, 5, 8, 16])
def test_nothing_is_lost_kept_or_run_twice_whatever_comes_and_goes(slots: int) -> None:
    chance, all_of_them = random.Random(slots), Checked(slots)  # noqa: S311  Repeatable, no secret.
    for _ in range(1_000):
        running = list(all_of_them.running.elements())
        if running and chance.random() < 0.4:
            all_of_them.go(chance.choice(running))
        else:
            all_of_them.come(chance.choice("hhhhhhabcdefgh"))
    while running := list(all_of_them.running.elements()):
        all_of_them.go(chance.choice(running))
    assert sorted(all_of_them.ran) == list(range(all_of_them.came))
    share = all_of_them.share
    assert (share._busy, share._running, share._parked) == (0, {}, {})
