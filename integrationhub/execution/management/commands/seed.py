"""`manage.py seed`: the rows that an installation starts with. Safe to run again: what operators changed stays."""

from typing import Any

from django.core.management.base import BaseCommand

import marketplace.seeding
import providers.seeding
from integrationhub.core.partitions import ensure_partitions
from integrationhub.execution import schedules
from integrationhub.execution.models import PARTITIONED_TABLES
from integrationhub.idempotency import sealing


class Command(BaseCommand):
    help = (
        "Adds what is missing: a provider and an integration for each adapter, the tiers, the schedules, partitions, "
        "the key of stored answers."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        providers.seeding.seed()
        marketplace.seeding.seed()
        schedules.seed()
        sealing.current_row()
        for table in PARTITIONED_TABLES:
            ensure_partitions(table)
        self.stdout.write("The installation has its first rows.")
