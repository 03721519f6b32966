"""`manage.py seed_demo --tenant UUID`: a tenant to try the hub with, and an operator to look at it."""

import os
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandParser

import marketplace.seeding


class Command(BaseCommand):
    help = "Puts a tenant on the enterprise tier with both sandbox providers, and makes the operator's login."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", type=UUID, required=True)

    def handle(self, *args: Any, tenant: UUID, **options: Any) -> None:
        marketplace.seeding.seed_demo(tenant)
        name, password = os.environ.get("HUB_ADMIN_USERNAME"), os.environ.get("HUB_ADMIN_PASSWORD")
        if name and password:
            self._make_operator(name, password)
        self.stdout.write(f"The tenant {tenant} is ready.")

    def _make_operator(self, name: str, password: str) -> None:
        """An operator who is there already keeps the password: it may have been changed since."""
        if User.objects.filter(username=name).exists():
            self.stdout.write(f"The operator {name} exists, and keeps the password.")
        else:
            User.objects.create_superuser(name, password=password)
