"""What a sync left in the database, read past the walls."""

from typing import Any
from uuid import UUID

from django.db import connections

from integrationhub.celery import app
from integrationhub.outbox.models import Event, OutboxMessage
from templates.models import MessageTemplate, SyncRun
from tests.make import Api


def templates_of(tenant: UUID) -> dict[str, str]:
    """The status of each template by its name."""
    rows = MessageTemplate.objects.using("system").filter(tenant_id=tenant)
    return dict(rows.values_list("name", "status"))


def runs_of(tenant: UUID) -> list[SyncRun]:
    return list(SyncRun.objects.using("system").filter(tenant_id=tenant).order_by("id"))


def events_of(tenant: UUID) -> list[tuple[str, dict[str, Any]]]:
    rows = Event.objects.using("system").filter(tenant_id=tenant, kind__startswith="template.").order_by("id")
    return list(rows.values_list("kind", "data"))


def messages() -> list[OutboxMessage]:
    return list(OutboxMessage.objects.using("system").filter(task="templates.tasks.sync_templates"))


def work() -> None:
    """As a worker does with what the relay publishes: by the task's name, and with ids alone."""
    app.loader.import_default_modules()
    for message in messages():
        assert set(message.arguments) == {"tenant_id", "run_id"}
        app.tasks[message.task](**message.arguments)


def synced(api: Api) -> dict[str, Any]:
    """The run's answer, once it is done."""
    answer = api.post("/whatsapp/templates/sync?wait=true")
    assert answer.status_code == 200, answer.content
    body: dict[str, Any] = answer.json()
    return body


def counts(run: dict[str, Any]) -> list[int]:
    return [run[name] for name in ("added", "changed", "removed", "unchanged")]


def versions(tenant: UUID) -> list[tuple[Any, ...]]:
    """Where each row lies, and which transactions wrote or locked it: all of it is another after a write."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("SET ROLE NONE")
        cursor.execute(
            "SELECT meta_id, ctid::text, xmin::text, xmax::text FROM templates_messagetemplate "
            "WHERE tenant_id = %s ORDER BY meta_id",
            [tenant],
        )
        return cursor.fetchall()
