"""`manage.py adapter_check twilio_sms`: what an adapter declares, and with a tenant, whether its credential works."""

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrationhub.core.errors import HubError
from integrationhub.execution import adapter_checking, provider_check
from integrationhub.execution.adapter_checking import Finding
from providers import registry


class Command(BaseCommand):
    help = (
        "Checks an adapter's names, intents, schemas, examples and hosts without sending anything. With --tenant its "
        "provider is asked, by one real call that changes nothing, whether it accepts the credential that the tenant "
        "has bound. Exits non-zero if anything is wrong. No secret is printed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("provider_key", help="as in `GET /providers`")
        parser.add_argument("--tenant", type=UUID, help="whose credential is tried")

    def handle(self, *args: Any, **options: Any) -> None:
        key = options["provider_key"]
        try:
            findings = adapter_checking.examine(registry.get(key))
        except HubError as error:
            there = ", ".join(adapter.key for adapter in registry.all())
            raise CommandError(f"{error.message} There are: {there}.") from error
        if options["tenant"]:
            findings.append(self._asked(key, options["tenant"]))
        for finding in findings:
            words = "; ".join(finding.faults) or finding.words
            self.stdout.write(f"{'✗' if finding.faults else '✓'} {finding.name}{f': {words}' if words else ''}")
        if wrong := [finding.name for finding in findings if finding.faults]:
            raise CommandError(f"{key} is not right: {', '.join(wrong)}.")

    def _asked(self, key: str, tenant_id: UUID) -> Finding:
        try:
            said = provider_check.with_bound(tenant_id=tenant_id, provider_key=key, subject="operator:adapter_check")
        except HubError as error:
            return Finding("credential", (error.message,))
        if provider_check.IS_OK[said.verified] is False:
            return Finding("credential", (f"{said.message} ({said.reason}, {said.latency_ms} ms)",))
        return Finding("credential", (), f"{said.message} ({said.latency_ms} ms)")
