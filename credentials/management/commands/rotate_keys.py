"""`manage.py rotate_keys`: all that is sealed, under the current key-encryption key and fresh data keys."""

import sys
import time
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from credentials import rekeying
from credentials.errors import VaultUnavailable
from credentials.rekeying import Rotation, Step
from integrationhub.audit import trail

BAR = 30
PLAIN_EVERY_SECONDS = 5.0


class Command(BaseCommand):
    help = (
        "Re-wraps every data key under the current key-encryption key, gives tenants whose data key was made under "
        "another one a fresh data key, and re-encrypts their values. Safe while the hub runs, twice, and after a kill."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count what is due, and change nothing")
        parser.add_argument("--re-wrap-only", action="store_true", help="leave data keys and values as they are")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            rotation = Rotation()
            steps = rotation.steps()[: 1 if options["re_wrap_only"] else None]
            if options["dry_run"]:
                for step in steps:
                    self.stdout.write(f"{step.due()} {step.what}, if it were done")
            else:
                self._rotate(rotation, steps)
        except (VaultUnavailable, ImproperlyConfigured) as error:
            raise CommandError(f"{error} Nothing is lost: run it again when that is mended.") from error
        self._tell_what_is_left(rotation)

    def _rotate(self, rotation: Rotation, steps: list[Step]) -> None:
        """What it has done is told however it ends: an end before its time takes nothing back."""
        action = "keys.rotation_ended_early"
        done: dict[str, Any] = dict.fromkeys((step.what for step in steps), 0)
        try:
            for step in steps:
                self._take(step, done)
            done["deleted"] = rekeying.forget_unused()
            self.stdout.write(f"{done['deleted']} retired data keys deleted that no value needs any more")
            action = "keys.rotated"
        finally:
            done["unreadable"] = len(rotation.unreadable)
            trail.record_as_system(tenant_id=trail.platform(), action=action, actor=trail.SYSTEM, **done)

    def _tell_what_is_left(self, rotation: Rotation) -> None:
        for name, why in rotation.unreadable.items():
            self.stderr.write(f"does not open, left as it is: {name}: {why}")
        for what, count in rotation.held.items():
            self.stderr.write(f"held by others all along, left as they are: {count} of the {what}")
        if rotation.held:
            held = sum(rotation.held.values())
            raise CommandError(
                f"{held} were held by others all along; everything else is done. Run it again for these."
            )
        if rotation.unreadable:
            raise CommandError(f"{len(rotation.unreadable)} do not open; everything else is done.")

    def _take(self, step: Step, done: dict[str, int]) -> None:
        due, told_at = step.due(), time.monotonic()
        for count in step.run():
            done[step.what] += count
            if self._is_terminal():
                self._draw(step.what, done[step.what], due)
            elif time.monotonic() - told_at > PLAIN_EVERY_SECONDS:
                self.stdout.write(f"{done[step.what]}/{due} {step.what}")
                told_at = time.monotonic()
        start, end = ("\r", " " * BAR * 2) if self._is_terminal() else ("", "")
        self.stdout.write(f"{start}{done[step.what]} {step.what}{end}")

    def _draw(self, what: str, done: int, due: int) -> None:
        filled = BAR * min(done, due) // max(due, 1)
        self.stdout.write(f"\r{'█' * filled}{'░' * (BAR - filled)} {done}/{due} {what}", ending="")
        self.stdout.flush()

    def _is_terminal(self) -> bool:
        return self.stdout.isatty() and sys.stdout.isatty()
