"""`manage.py verify_audit`: is the audit trail whole?"""

from argparse import ArgumentParser
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from integrationhub.audit import verifying


class Command(BaseCommand):
    help = "Walks the chain of each tenant's audit entries; names the first entry of a chain that does not fit."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", type=UUID, help="this tenant's chain alone")
        parser.add_argument("--heads", action="store_true", help="print `tenant number hash` of each chain, to be kept")
        parser.add_argument("--against", type=Path, metavar="FILE", help="heads that were kept must still be in it")

    def handle(self, *args: Any, **options: Any) -> None:
        anchors = _read(options["against"]) if options["against"] else {}
        tenants: Iterable[UUID] = [options["tenant"]] if options["tenant"] else _all(anchors)
        chains = entries = broken = 0
        for tenant_id in tenants:
            verdict = verifying.verify(tenant_id, anchors.get(tenant_id))
            chains, entries = chains + 1, entries + verdict.entries
            if verdict.fault:
                broken += 1
                self.stdout.write(f"BROKEN {tenant_id}: {verdict.fault}")
            elif options["heads"]:
                self.stdout.write(f"{tenant_id} {verdict.entries} {verdict.head}")
        said = f"{chains} chains, {entries} sound entries, {broken} broken"
        if broken:
            raise CommandError(said)
        # Apart from the heads, which go into a file.
        (self.stderr if options["heads"] else self.stdout).write(said, self.style.SUCCESS)


def _all(anchors: verifying.Anchors) -> Iterable[UUID]:
    """The chains that there are, then those that were."""
    gone = set(anchors)
    for tenant_id in verifying.chains():
        gone.discard(tenant_id)
        yield tenant_id
    yield from sorted(gone)


def _read(path: Path) -> verifying.Anchors:
    """The lines that `--heads` printed. Raises CommandError for another line."""
    anchors: dict[UUID, tuple[int, str]] = {}
    for line in path.read_text().splitlines():
        try:
            tenant_id, number, noted = line.split()
            anchors[UUID(tenant_id)] = int(number), noted
        except ValueError:
            raise CommandError(f"{path} holds a line that --heads did not print: {line[:80]!r}") from None
    return anchors
