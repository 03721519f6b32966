"""`manage.py prepare_database`: see `integrationhub.core.provisioning`."""

from typing import Any

from django.core.management.base import BaseCommand

from integrationhub.core.provisioning import provision


class Command(BaseCommand):
    help = (
        "Makes the database and its roles where it may, migrates, and grants what each role needs. Safe to run again."
    )
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        provision()
        self.stdout.write("The database is ready.")
