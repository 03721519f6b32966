"""Walk the chains, and name what is wrong with the first entry that does not fit.

The hashes are computed here anew, apart from the database's own function (migrations/0002_chain.py).
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from uuid import UUID

from django.db import connections, models, transaction
from django.db.models.functions import Cast

from integrationhub.audit.models import Entry, Head
from integrationhub.core.operators import SYSTEM

BATCH = 1_000
# A head that was noted down earlier: a tenant's entry of this number had this hash.
Anchors = Mapping[UUID, tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A chain as it was found. `fault` is empty for a whole one; `entries` were sound before it."""

    tenant_id: UUID
    entries: int
    head: str
    fault: str = ""


def chains() -> Iterator[UUID]:
    """The tenants that have a chain, or the rest of one."""
    heads = Head.objects.using(SYSTEM).values_list("tenant_id")
    others = Entry.objects.using(SYSTEM).values_list("tenant_id")
    for (tenant_id,) in heads.union(others).order_by("tenant_id").iterator(chunk_size=BATCH):
        yield tenant_id


def verify(tenant_id: UUID, anchor: tuple[int, str] | None = None) -> Verdict:
    """Walk one tenant's chain in batches, as it stands at one moment, while others go on writing to it."""
    with transaction.atomic(using=SYSTEM):
        with connections[SYSTEM].cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        head = Head.objects.using(SYSTEM).for_tenant(tenant_id).first()
        # As PostgreSQL writes it, which is what was hashed: in Python 1.0 and 1e2 would read otherwise.
        said = Cast("details", models.TextField())
        rows = Entry.objects.using(SYSTEM).for_tenant(tenant_id).order_by("sequence").annotate(said=said)
        return _walked(tenant_id, rows.defer("details").iterator(chunk_size=BATCH), head, anchor)


def _walked(tenant_id: UUID, rows: Iterable[Entry], head: Head | None, anchor: tuple[int, str] | None) -> Verdict:
    sound, last = 0, ""
    for entry in rows:
        fault = _fault(entry, sound + 1, last)
        if not fault and anchor and anchor[0] == entry.sequence and anchor[1] != entry.hash:
            fault = f"entry {entry.sequence} is not the one that was noted down"
        if fault:
            return Verdict(tenant_id, sound, last, fault)
        sound, last = sound + 1, entry.hash
    return Verdict(tenant_id, sound, last, _end_fault(sound, last, head) or _lost(sound, anchor))


def _fault(entry: Entry, expected: int, last: str) -> str:
    """The number first, then the link to the entry before it, then its own fields."""
    if entry.sequence != expected:
        until = "" if entry.sequence == expected + 1 else f" to {entry.sequence - 1}"
        return (
            f"entry {expected}{until} is missing" if entry.sequence > expected else f"entry {entry.sequence} is extra"
        )
    if entry.previous_hash != last:
        return f"entry {expected} ({entry.id}) does not follow the one before it: swapped, inserted or replaced"
    if entry.hash != digest(entry):
        return f"entry {expected} ({entry.id}) was changed"
    return ""


def _end_fault(sound: int, last: str, head: Head | None) -> str:
    if head is None:
        return "the head is missing" if sound else ""
    if sound < head.sequence:
        until = "" if head.sequence == sound + 1 else f" to {head.sequence}"
        return f"entry {sound + 1}{until} is missing at the end"
    if sound > head.sequence:
        return f"entry {head.sequence + 1} stands behind the head"
    return "" if last == head.hash else f"entry {sound} is not the one that the head names"


def _lost(sound: int, anchor: tuple[int, str] | None) -> str:
    return f"entry {anchor[0]} was noted down and is missing" if anchor and anchor[0] > sound else ""


def digest(entry: Entry) -> str:
    """SHA-256 over the fields as netstrings (https://cr.yp.to/proto/netstrings.txt); `said` is `details` as text."""
    fields = (
        entry.previous_hash,
        str(entry.tenant_id),
        str(entry.sequence),
        str(entry.id),
        f"{entry.created_at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
        entry.action,
        entry.actor,
        entry.about,
        entry.request_id,
        entry.said,  # type: ignore[attr-defined]
    )
    return hashlib.sha256(b"".join(b"%d:%b," % (len(raw), raw) for raw in map(str.encode, fields))).hexdigest()
