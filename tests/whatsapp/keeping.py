"""Files that customers have sent: what Meta has, what the row says, and what is in the store."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from django.db import connections

from integrationhub.core.tenancy import tenant_scope
from integrationhub.outbox.models import OutboxMessage
from tests.make import Api
from tests.meta.graph_server import PHONE_NUMBER_ID, GraphServer
from whatsapp import media
from whatsapp.models import Medium
from whatsapp.tasks import fetch_medium

PNG = b"\x89PNG\r\n\x1a\n and so on"
TASK = "whatsapp.tasks.fetch_medium"


def download(api: Api, media_id: str, **kwargs: Any) -> Any:
    return api.post(f"/whatsapp/media/{media_id}/download", **kwargs)


def failing(answer: Any) -> dict[str, Any]:
    """The details of a failed download."""
    said = answer.json()
    assert (answer.status_code, said["code"]) == (
        503,
        "ERR_INTEGRATION_HUB_SVC_WHATSAPP_MEDIA_DOWNLOAD_FAILED",
    ), said
    return {**said["details"], "retryable": said["retryable"], "message": said["message"]}


def kept(tenant: UUID) -> Medium:
    """One of a tenant's files in the store, as a row alone; its id at Meta is as long as an unknown one of tests."""
    values = {"message_id": f"wamid.{uuid4().hex}", "phone_number_id": PHONE_NUMBER_ID, "content_type": "image/png"}
    with tenant_scope(tenant):
        return Medium.objects.create(
            tenant_id=tenant, media_id=str(uuid4()), state="stored", stored_at=datetime.now(UTC), **values
        )


def row(tenant: UUID) -> Medium:
    """The tenant's only one."""
    return Medium.objects.using("system").get(tenant_id=tenant)


def posted() -> list[dict[str, Any]]:
    """What workers are asked for."""
    return [message.arguments for message in OutboxMessage.objects.using("system").filter(task=TASK)]


def work() -> None:
    """What a worker does with all that was posted."""
    for arguments in posted():
        fetch_medium(**arguments)
    OutboxMessage.objects.using("system").filter(task=TASK).delete()


def pass_time() -> None:
    """Whatever waits for its time is due, and every attempt that was begun has ended or died."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("""UPDATE whatsapp_medium SET lease_until = lease_until - interval '30 days',
                          due_at = due_at - interval '30 days'""")


def tick() -> int:
    """Time passes, and the schedule looks for what is due."""
    pass_time()
    return media.ask_for_what_is_due()


def fetched(meta: GraphServer) -> int:
    """How often content was asked for."""
    return len([asked for asked in meta.asked if asked.path.startswith("/whatsapp_business/")])


def picture(media_id: str, **over: Any) -> dict[str, Any]:
    """The members of a customer's message that bring a picture."""
    return {"type": "image", "image": {"id": media_id, "mime_type": "image/png", **over}}
