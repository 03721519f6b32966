"""`manage.py sync_templates`: read the WhatsApp templates of tenants from Meta, here and now."""

import sys
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrationhub.core.errors import HubError
from templates import sync
from templates.models import SyncRun

BAR = 30


class Command(BaseCommand):
    help = (
        "Reads the WhatsApp templates of every tenant that has an account from Meta, or of those that are named. What "
        "fails for one tenant stops no other; the exit code tells whether any failed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", type=UUID, action="append", help="only this tenant; may be given several times")

    def handle(self, *args: Any, **options: Any) -> None:
        tenants = options["tenant"] or sync.tenants()
        failed = [tenant_id for tenant_id in tenants if not self._sync(tenant_id)]
        if failed:
            raise CommandError(f"{len(failed)} of {len(tenants)} tenants could not be synced; their templates stay.")
        if not tenants:
            self.stdout.write("No tenant has a WhatsApp account, or has ever synced.")

    def _sync(self, tenant_id: UUID) -> bool:
        try:
            run = sync.now(tenant_id=tenant_id, subject="", told=self._draw if self._is_terminal() else None)
        except HubError as error:
            self._write(f"{tenant_id}: {error.entry.name}: {error.message}", self.stderr)
            return False
        if not run.is_over:
            self._write(f"{tenant_id}: another worker is still at it", self.stderr)
            return False
        counts = ", ".join(f"{getattr(run, name)} {name}" for name in ("added", "changed", "removed", "unchanged"))
        self._write(f"{tenant_id}: {counts}", self.stdout)
        return True

    def _write(self, line: str, to: Any) -> None:
        """Over the bar, where one stands."""
        if self._is_terminal():
            self.stdout.write("\r" + " " * 3 * BAR + "\r", ending="")
        to.write(line)

    def _draw(self, run: SyncRun) -> None:
        total = max(run.expected, run.seen)
        filled = BAR * run.seen // max(total, 1)
        bar = "█" * filled + "░" * (BAR - filled)
        self.stdout.write(f"\r{bar} {run.seen}/{total} templates, page {run.pages}", ending="")
        self.stdout.flush()

    def _is_terminal(self) -> bool:
        return self.stdout.isatty() and sys.stdout.isatty()
