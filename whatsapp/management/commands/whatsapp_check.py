"""`manage.py whatsapp_check`: whether a WhatsApp number works from end to end."""

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrationhub.core.errors import HubError
from providers.meta_graph import MetaGraph
from whatsapp import accounts, onboarding


class Command(BaseCommand):
    help = (
        "Asks Meta about the access token, the phone number, the subscription to webhooks and their secret, of a "
        "tenant or of the deployment's own account; sends no message. Exits non-zero if anything is wrong."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", type=UUID, help="whose account (the deployment's own, unless given)")

    def handle(self, *args: Any, **options: Any) -> None:
        findings = onboarding.examine(self._graph(options["tenant"]))
        for finding in findings:
            self.stdout.write(f"{'✓' if finding.is_right else '✗'} {finding.name}: {finding.words}")
        if wrong := [finding.name for finding in findings if not finding.is_right]:
            raise CommandError(f"Not right: {', '.join(wrong)}.")

    def _graph(self, tenant_id: UUID | None) -> MetaGraph:
        try:
            return accounts.graph(tenant_id) if tenant_id else accounts.shared_graph()
        except HubError as error:
            raise CommandError(f"{error.message}: {error.entry.resolution}") from error
