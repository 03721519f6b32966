"""Ids of the rows we make: UUID version 7, so that they sort by the time of their making (RFC 9562, section 5.7)."""

import re
from datetime import datetime
from uuid import UUID

from uuid_utils import compat

_CANONICAL = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def new_id() -> UUID:
    """A new id as the standard library's `UUID`; ids made by one process never go backwards."""
    return compat.uuid7()


def earliest_id(at: datetime) -> UUID:
    """The lowest id that a row made at this moment, or after it, can have."""
    return UUID(int=(int(at.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62))


def read_id(text: str) -> UUID | None:
    """The UUID that a caller wrote in its canonical form, in either case; None for anything else."""
    return UUID(text) if _CANONICAL.fullmatch(text) else None
