"""What is kept of customers ends, after ninety days or as the deployment says: their numbers and their files."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from integrationhub.core import object_store
from integrationhub.core.ids import earliest_id
from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution import schedules
from tests.make import Api
from tests.meta.graph_server import PHONE_NUMBER_ID, GraphServer
from tests.s3 import Bucket
from tests.whatsapp.keeping import PNG, download, picture, work
from tests.whatsapp.talking import Talk
from whatsapp import forgetting, tasks
from whatsapp.models import Conversation, Delivery, Medium


def made(tenant: UUID, days: int, *, state: str = "failed") -> None:
    """A delivery, a window and a file of so many days ago."""
    at = datetime.now(UTC) - timedelta(days=days)
    known: dict[str, Any] = {"tenant_id": tenant, "phone_number_id": PHONE_NUMBER_ID}
    with tenant_scope(tenant):
        Delivery.objects.create(id=earliest_id(at), recipient=f"+{days}", type="text", **known)
        Conversation.objects.create(customer=str(days), last_message_at=at, **known)
        Medium.objects.create(id=earliest_id(at), media_id=str(days), state=state, **known)


def left() -> list[tuple[str, ...]]:
    """The days of what is left, of each kind."""
    found = []
    for model, name in ((Delivery, "recipient"), (Conversation, "customer"), (Medium, "media_id")):
        rows = model.objects.using("system").order_by(name).values_list(name, flat=True)  # type: ignore[attr-defined]
        found.append(tuple(each.removeprefix("+") for each in rows))
    return found


@pytest.mark.parametrize(("kept_days", "stays"), [(90, ("89",)), (100, ("89", "91"))])
def test_what_is_older_is_forgotten(tenant: UUID, settings: Any, kept_days: int, stays: tuple[str, ...]) -> None:
    settings.WHATSAPP_KEPT_DAYS = kept_days
    for days in (89, 91, 120):
        made(tenant, days)
    tasks.forget_old()
    assert left() == [stays] * 3
    assert tasks.forget_old.name in [schedule.task for schedule in schedules.SCHEDULES]


def test_many_are_forgotten_batch_by_batch(tenant: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "ROWS_AT_ONCE", 2)
    for days in range(100, 105):
        made(tenant, days)
    tasks.forget_old()
    assert left() == [()] * 3


def test_a_window_that_was_used_since_stays(talk: Talk) -> None:
    old = earliest_id(datetime.now(UTC) - timedelta(days=91))
    Conversation.objects.using("system").update(id=old)
    tasks.forget_old()
    assert talk.window()["open"] is True


def test_while_the_store_is_away_a_file_is_not_lost_sight_of(tenant: UUID, no_bucket: None) -> None:
    made(tenant, 91, state="stored")
    tasks.forget_old()
    assert left() == [(), (), ("91",)]


def test_without_a_store_the_row_of_an_object_is_kept(tenant: UUID) -> None:
    assert not object_store.is_configured()
    made(tenant, 91, state="stored")
    made(tenant, 92)
    tasks.forget_old()
    assert left() == [(), (), ("91",)]


@pytest.mark.slow
def test_a_file_goes_from_the_store_before_its_row(
    api: Api, meta: GraphServer, bucket: Bucket, settings: Any, tenant: UUID
) -> None:
    talk, media_id = Talk(api), meta.store(PNG, "image/png")
    talk.customer_writes(**picture(media_id))
    work()
    tasks.forget_old()
    assert (len(bucket.objects()), download(api, media_id).status_code) == (1, 200)
    settings.WHATSAPP_KEPT_DAYS = -1
    made(tenant, 91)  # Of which the store has nothing.
    tasks.forget_old()
    assert (bucket.objects(), left()) == ([], [()] * 3)
