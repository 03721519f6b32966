"""Templates as Meta lists them, and as they stand in the database; and a sync that ends at a bad moment."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

from django.db import connection, connections

from integrationhub.core.tenancy import tenant_scope
from templates.models import MessageTemplate
from tests.meta import graph_answers

ORDER_UPDATE: list[dict[str, Any]] = [
    {"type": "HEADER", "format": "TEXT", "text": "Order {{1}}"},
    {"type": "BODY", "text": "Hello {{1}}, it comes on {{2}}. Yours, {{1}}?"},
    {"type": "FOOTER", "text": "Reply STOP to opt out"},
    {
        "type": "BUTTONS",
        "buttons": [
            {"type": "QUICK_REPLY", "text": "Thanks"},
            {"type": "URL", "text": "Track", "url": "https://shop.example/orders/{{1}}"},
        ],
    },
]


def template(*components: dict[str, Any], parameter_format: str = "POSITIONAL", **over: Any) -> MessageTemplate:
    """One that is in no database."""
    known = {"name": "order_update", "language": "en_US", "status": "APPROVED", "category": "UTILITY"}
    return MessageTemplate(components=list(components), parameter_format=parameter_format, **{**known, **over})


def body(text: str) -> dict[str, Any]:
    return {"type": "BODY", "text": text}


def header(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": "HEADER", "format": kind, **more}


def buttons(*each: dict[str, Any]) -> dict[str, Any]:
    return {"type": "BUTTONS", "buttons": list(each)}


def stored(tenant: UUID, name: str = "order_update", **over: Any) -> MessageTemplate:
    """One that the tenant has."""
    values = {"waba_id": "waba-1", "meta_id": uuid4().hex, "language": "en_US", "status": "APPROVED"}
    values |= {"category": "UTILITY", "components": ORDER_UPDATE, **over}
    with tenant_scope(tenant):
        made: MessageTemplate = MessageTemplate.objects.create(tenant_id=tenant, name=name, **values)
    return made


def listed(name: str = "order_update", language: str = "en_US", **over: Any) -> dict[str, Any]:
    """One as Meta lists it."""
    return graph_answers.template(name, language, **{"components": ORDER_UPDATE, **over})


END = "UPDATE templates_syncrun SET state = 'succeeded' WHERE tenant_id = %s AND state <> 'succeeded'"


@contextmanager
def ends_when_another_is_asked_for(tenant: UUID) -> Iterator[None]:
    """The tenant's run is there when a new one is refused for it, and over when it is looked for."""
    ended: list[str] = []

    def end(execute: Any, sql: str, *more: Any) -> Any:
        done = execute(sql, *more)
        if sql.startswith('INSERT INTO "templates_syncrun"') and not ended:
            with connections["owner"].cursor() as cursor:
                cursor.execute(END, [tenant])
                assert cursor.rowcount == 1
            ended.append(sql)
        return done

    with connection.execute_wrapper(end):
        yield
    assert ended
