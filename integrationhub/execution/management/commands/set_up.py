"""`manage.py set_up`: what `./hub up` runs before it serves, in one process, for each start of Django takes seconds."""

from typing import Any
from uuid import UUID

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser


class Command(BaseCommand):
    help = "Runs prepare_database, seed and, for a demo tenant, seed_demo. Safe to run again."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--demo-tenant", type=UUID, help="also install the sandbox for this tenant")

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("prepare_database", stdout=self.stdout)
        call_command("seed", stdout=self.stdout)
        if tenant := options["demo_tenant"]:
            call_command("seed_demo", tenant=tenant, stdout=self.stdout)
