"""Rows of several tables as one list, the newest first: their ids are of one kind, and sort by time."""

from collections.abc import Sequence
from heapq import merge
from itertools import islice
from typing import Any, Self

from integrationhub.core.tenancy import TenantQuerySet


class BothWays:
    """As much of a queryset as `pagination.page` asks for, with the order that it has if it is told none."""

    def __init__(self, parts: Sequence[TenantQuerySet]) -> None:
        self._parts = parts

    def order_by(self, *order: str) -> Self:
        return type(self)([part.order_by(*order) for part in self._parts])

    def filter(self, *conditions: Any) -> Self:
        return type(self)([part.filter(*conditions) for part in self._parts])

    def __getitem__(self, wanted: slice) -> list[Any]:
        """So many of each part, of which the first so many of all are taken."""
        found = [list(part[: wanted.stop]) for part in self._parts]
        return list(islice(merge(*found, key=lambda row: row.id, reverse=True), wanted.stop))
