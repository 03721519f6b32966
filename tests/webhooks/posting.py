"""Webhooks as Meta sends them, and a worker's work done on the spot."""

import hashlib
import hmac
import json
from typing import Any
from uuid import UUID

from django.db import connections
from django.test import Client

from integrationhub.outbox.models import OutboxMessage
from integrationhub.webhooks import collecting, receiving, tasks
from integrationhub.webhooks.models import WebhookEvent
from integrationhub.webhooks.sources import Door
from tests.providers.hooks import hook

SECRET, OLD_SECRET = "the-secret-of-the-app", "the-secret-before-it"
ROOT = "/webhooks/whatsapp"
PHONE, WABA = "106540352242922", "102290129340398"
RUN = {collecting.PROCESS_TASK: tasks.process_posts, collecting.HANDLE_TASK: tasks.handle_events}


def signature(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def post(body: bytes, path: str = ROOT, *, secret: str = SECRET, **headers: Any) -> Any:
    """Signed, unless `headers` say otherwise; None leaves a header out."""
    known = {"X-Hub-Signature-256": signature(body, secret), **headers}
    sent = {name: value for name, value in known.items() if value is not None}
    return Client(raise_request_exception=False).post(path, body, content_type="application/json", headers=sent)


def written(*changes: Any, waba: Any = WABA) -> bytes:
    """As Meta writes it: ASCII, and slashes escaped too."""
    body = {"object": "whatsapp_business_account", "entry": [{"id": waba, "changes": list(changes)}]}
    return json.dumps(body).replace("/", "\\/").encode()


def change(field: str = "messages", *, phone: Any = PHONE, **value: Any) -> dict[str, Any]:
    metadata = {"display_phone_number": "15550783881", "phone_number_id": phone}
    return {"field": field, "value": {"messaging_product": "whatsapp", "metadata": metadata, **value}}


def message(wamid: str, text: str = "Grüße 👋 a/b", **over: Any) -> dict[str, Any]:
    known = {"from": "16505551234", "id": wamid, "timestamp": "1750000000", "type": "text"}
    return {**known, "text": {"body": text}, **over}


def status(wamid: str, state: str = "delivered", **over: Any) -> dict[str, Any]:
    return {"id": wamid, "status": state, "timestamp": "1750000000", "recipient_id": "16505551234", **over}


def messages(*wamids: str, phone: Any = PHONE) -> bytes:
    return written(change(phone=phone, messages=[message(wamid) for wamid in wamids]))


def work_off() -> int:
    """What the relay and the workers do of what waits; returns how many messages that took."""
    collecting.collect()
    waiting = OutboxMessage.objects.using("system").filter(queue="webhook")
    done = list(waiting)
    for each in done:
        RUN[each.task](**each.arguments)
    waiting.filter(id__in=[each.id for each in done]).delete()
    return len(done)


def events(tenant: UUID) -> list[WebhookEvent]:
    return list(WebhookEvent.objects.using("system").for_tenant(tenant).order_by("id"))


def count(table: str) -> int:
    with connections["system"].cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        return int(cursor.fetchone()[0])


def subscribe(api: Any, *kinds: str) -> None:
    """Events of messages are written for those who ask for them alone."""
    body = {"url": "https://shop.example/hooks", "event_types": list(kinds) or ["message.*"]}
    assert api.post("/webhook-subscriptions", body).status_code == 201


def event_of(tenant: UUID) -> WebhookEvent:
    """One that came by an address of the tenant's own."""
    body = messages("wamid.of-an-own-app")
    door = Door(tenant, "meta_whatsapp", (SECRET,), "")
    receiving.receive(door, hook(body, X_Hub_Signature_256=signature(body)), {}, "")
    work_off()
    return events(tenant)[-1]
