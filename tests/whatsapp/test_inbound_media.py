"""A customer's file is fetched without being asked for, again where that fails, and never at its message's cost."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import DatabaseError
from django.test import Client

from integrationhub.audit.models import Entry
from integrationhub.outbox.models import OutboxMessage
from tests.database import refused_by_the_database
from tests.make import Api
from tests.meta.graph_server import GraphServer
from tests.s3 import Bucket, lead_to
from tests.whatsapp import numbers
from tests.whatsapp.keeping import PNG, download, failing, picture, posted, row, tick, work
from tests.whatsapp.talking import Talk, value_of
from whatsapp import inbound, media
from whatsapp.media import MOST_ATTEMPTS
from whatsapp.models import Medium


@pytest.fixture
def quiet(api: Api, meta: GraphServer) -> Talk:
    """A customer who has not written yet."""
    return Talk(api)


def told(talk: Talk) -> tuple[str, int, Any]:
    medium = row(talk.tenant)
    return medium.state, medium.attempts, medium.error and medium.error["details"]["reason"]


# --- Noted with the message ---


@pytest.mark.parametrize("kind", media.KINDS)
def test_a_message_with_a_file_has_it_fetched_once_however_often_it_is_told(
    quiet: Talk, no_bucket: None, kind: str
) -> None:
    message = {"id": "wamid.1", "type": kind, kind: {"id": "1166846181421424", "mime_type": "a/b", "sha256": "0" * 64}}
    for _ in range(2):
        assert [applied.outcome for applied in quiet.customer_writes(**message)] == ["applied"]
    medium = row(quiet.tenant)
    assert (medium.media_id, medium.message_id, medium.kind) == ("1166846181421424", "wamid.1", kind)
    assert posted() == [{"tenant_id": str(quiet.tenant), "medium_id": str(medium.id), "after": 0}]
    assert quiet.window()["open"]


def test_a_file_and_its_message_are_noted_together_or_not_at_all(quiet: Talk, no_bucket: None) -> None:
    with refused_by_the_database("INSERT ON whatsapp_conversation"), pytest.raises(DatabaseError):
        quiet.customer_writes(**picture("1"))
    assert (Medium.objects.using("system").count(), posted()) == (0, [])
    with refused_by_the_database("INSERT ON outbox_outboxmessage"), pytest.raises(DatabaseError):
        quiet.customer_writes(**picture("1"))
    assert not quiet.window()["open"]


def test_the_inbox_hands_over_one_message_at_a_time(quiet: Talk, no_bucket: None) -> None:
    value = {"metadata": {"phone_number_id": "106540352242922"}, "messages": [
        {"from": "14155552671", "id": "wamid.1", "timestamp": str(int(datetime.now(UTC).timestamp())),
         **picture("1", sha256="Zm9vYmFy", caption="\0\ud800")}]}  # fmt: skip
    inbound.handle_messages(quiet.tenant, value)
    assert (row(quiet.tenant).media_id, row(quiet.tenant).sha256) == ("1", "")


@pytest.mark.parametrize(
    "file", [None, "a", [], {}, {"id": None}, {"id": 7}, {"id": "x" * 101}, {"id": "\0"}], ids=repr
)
def test_a_message_whose_file_is_none_is_a_message_all_the_same(quiet: Talk, no_bucket: None, file: Any) -> None:
    assert [applied.outcome for applied in quiet.customer_writes(type="image", image=file)] == ["applied"]
    assert (quiet.window()["open"], Medium.objects.using("system").count()) == (True, 0)


def test_a_customers_name_for_a_file_is_of_no_folder_and_one_line(quiet: Talk, no_bucket: None) -> None:
    document = {"id": "1", "filename": "..\\../etc/a\r\nb\0.pdf", "mime_type": 7}
    quiet.customer_writes(type="document", document=document)
    assert row(quiet.tenant).filename == ".._.._etc_a__b.pdf"


def test_a_file_in_a_group_is_noted_and_opens_no_window(quiet: Talk, no_bucket: None) -> None:
    quiet.customer_writes(**picture("1"), group_id="g")
    assert (row(quiet.tenant).media_id, quiet.window()["open"]) == ("1", False)


# --- Tried again by itself ---


def test_what_fails_is_tried_again_with_growing_pauses_and_not_for_ever(
    quiet: Talk, meta: GraphServer, no_bucket: None
) -> None:
    meta.fail(2, 503, on="GET", times=100)
    quiet.customer_writes(**picture(meta.store(PNG, "image/png")))
    pauses = []
    for attempt in range(1, MOST_ATTEMPTS + 1):
        work()
        assert told(quiet) == ("failed" if attempt == MOST_ATTEMPTS else "pending", attempt, "meta_2")
        due_at = row(quiet.tenant).due_at
        pauses.append(due_at and round((due_at - datetime.now(UTC)).total_seconds(), -1))
        assert tick() == (attempt < MOST_ATTEMPTS)
    assert pauses[:5] == [30, 60, 120, 240, 480]
    assert pauses[-1] is None
    assert quiet.window()["open"]


def test_a_token_that_is_refused_may_be_replaced_by_then(quiet: Talk, meta: GraphServer, no_bucket: None) -> None:
    meta.fail(190, 401)
    quiet.customer_writes(**picture(meta.store(PNG, "image/png")))
    work()
    assert told(quiet) == ("pending", 1, "meta_190")


def test_an_account_that_is_gone_may_be_back_by_then(quiet: Talk, no_bucket: None, settings: Any) -> None:
    quiet.customer_writes(**picture("1"))
    settings.META_WHATSAPP_ACCESS_TOKEN = ""
    work()
    assert told(quiet) == ("pending", 1, "no_account")


def test_a_file_is_fetched_by_the_number_that_it_came_to(quiet: Talk, meta: GraphServer, no_bucket: None) -> None:
    quiet.customer_writes(**picture(meta.store(PNG, "image/png")))
    other = numbers.credentials(meta, phone_number_id="109999999999999", access_token="EAAGatokenofanothernumber")
    assert numbers.bind(quiet.api, other, verify=False).status_code == 201
    work()
    assert told(quiet) == ("pending", 1, "store_unreachable"), "Meta had handed it out."


def test_a_file_of_a_number_that_the_tenant_had_before_is_asked_for_by_that_number(
    quiet: Talk, meta: GraphServer, no_bucket: None
) -> None:
    """Meta hands out no file by another number than the one that its message came to."""
    former, meta.other_numbers = "108888888888888", ["109999999999999"]
    media_id = meta.store(PNG, "image/png", phone_number_id=former)
    message = {"from": "14155552671", "id": "wamid.1", "timestamp": str(int(time.time())), **picture(media_id)}
    inbound.apply_messages(tenant_id=quiet.tenant, value=value_of(former, messages=[message]))
    now = numbers.credentials(meta, phone_number_id=meta.other_numbers[0])
    assert numbers.bind(quiet.api, now).status_code == 201
    work()
    assert told(quiet) == ("pending", 1, "store_unreachable"), "Meta had handed it out."


def test_a_file_that_meta_does_not_know_is_given_up_at_once(quiet: Talk, meta: GraphServer, no_bucket: None) -> None:
    quiet.customer_writes(**picture("1166846181421424"))
    work()
    assert (told(quiet), tick()) == (("failed", 1, "meta_100"), 0)


def test_a_worker_that_died_at_it_is_followed_by_another(quiet: Talk, meta: GraphServer, no_bucket: None) -> None:
    quiet.customer_writes(**picture(meta.store(PNG, "image/png")))
    medium = row(quiet.tenant)
    assert media.take(tenant_id=quiet.tenant, medium_id=medium.id)
    work()
    assert row(quiet.tenant).attempts == 1, "Nobody else is at it as long as its time has not passed."
    assert (tick(), len(posted())) == (1, 1)
    work()
    assert told(quiet) == ("pending", 2, "store_unreachable")


def test_a_file_that_ends_every_worker_is_given_up_and_shown(quiet: Talk, meta: GraphServer, no_bucket: None) -> None:
    quiet.customer_writes(**picture(meta.store(PNG, "image/png")))
    medium = row(quiet.tenant)
    for attempt in range(MOST_ATTEMPTS):
        assert media.take(tenant_id=quiet.tenant, medium_id=medium.id, after=attempt), "And dies at it."
        OutboxMessage.objects.using("system").all().delete()
        assert tick() == 1
    asked = len(meta.asked)
    work()
    assert told(quiet) == ("failed", MOST_ATTEMPTS, "ended_its_worker")
    assert (len(meta.asked), tick(), row(quiet.tenant).lease_until) == (asked, 0, None)
    assert media.ask_again(tenant_id=quiet.tenant, medium_id=medium.id, subject="operator:ada")
    work()
    assert told(quiet) == ("pending", 1, "store_unreachable")


def test_what_a_dead_worker_says_late_undoes_nothing(quiet: Talk, meta: GraphServer, no_bucket: None) -> None:
    quiet.customer_writes(**picture(meta.store(PNG, "image/png")))
    late = media.take(tenant_id=quiet.tenant, medium_id=row(quiet.tenant).id)
    tick()
    work()
    due_at = row(quiet.tenant).due_at
    assert late
    media.failed(late, ValueError())  # type: ignore[arg-type]  # What it says does not count.
    assert (told(quiet)[1], row(quiet.tenant).due_at) == (2, due_at)


def test_a_message_to_a_worker_that_is_lost_is_posted_again(quiet: Talk, no_bucket: None) -> None:
    quiet.customer_writes(**picture("1"))
    assert media.ask_for_what_is_due() == 0, "Not before it is late."
    due_at = row(quiet.tenant).due_at
    assert due_at
    assert timedelta(minutes=9) < due_at - datetime.now(UTC) < timedelta(minutes=11)
    assert (tick(), len(posted()), media.ask_for_what_is_due()) == (1, 2, 0)
    work()
    assert row(quiet.tenant).attempts == 1, "The first was not lost, but late."


def test_without_a_store_a_file_waits_for_one(quiet: Talk, meta: GraphServer, settings: Any) -> None:
    media_id = meta.store(PNG, "image/png")
    quiet.customer_writes(**picture(media_id))
    assert (told(quiet), row(quiet.tenant).due_at, posted()) == (("pending", 0, None), None, [])
    said = failing(download(quiet.api, media_id))
    assert (said["reason"], said["retryable"], meta.asked) == ("no_store", False, [])


# --- Kept ---


@pytest.mark.slow
def test_a_worker_keeps_it_and_its_tenant_has_it_at_once(quiet: Talk, meta: GraphServer, bucket: Bucket) -> None:
    media_id = meta.store(PNG, "image/png")
    quiet.customer_writes(**picture(media_id, filename="ünïcode.png"))
    work()
    asked = len(meta.asked)
    answer = download(quiet.api, media_id)
    assert (answer.status_code, len(meta.asked)) == (200, asked)
    assert "UTF-8%27%27%25C3%25BCn%25C3%25AFcode.png" in answer.json()["url"].replace("utf-8", "UTF-8")
    assert bucket.content(row(quiet.tenant).key) == PNG
    assert (told(quiet), tick()) == (("stored", 1, None), 0)


@pytest.mark.slow
def test_a_file_is_kept_once_its_store_is_back(quiet: Talk, meta: GraphServer, bucket: Bucket, settings: Any) -> None:
    lead_to(settings, "http://127.0.0.1:9", bucket.name)
    quiet.customer_writes(**picture(meta.store(PNG, "image/png")))
    work()
    assert told(quiet) == ("pending", 1, "store_unreachable")
    lead_to(settings, bucket.endpoint, bucket.name)
    assert tick() == 1
    work()
    assert (told(quiet), len(bucket.objects())) == (("stored", 2, None), 1)


@pytest.mark.slow
def test_what_the_webhook_promised_is_held_to_where_meta_says_no_more(
    quiet: Talk, meta: GraphServer, bucket: Bucket
) -> None:
    media_id = meta.store(PNG, "image/png")
    place = {"url": f"http://{meta.media_netloc}/whatsapp_business/attachments/?mid={media_id}", "id": media_id}
    meta.fail(status=200, on=media_id, body=place)
    quiet.customer_writes(**picture(media_id, sha256="0" * 64))
    work()
    assert (told(quiet), bucket.objects()) == (("pending", 1, "wrong_sha256"), [])


# --- For operators ---


def test_operators_see_why_a_file_is_missing_and_have_it_fetched_again(
    quiet: Talk, meta: GraphServer, no_bucket: None, operator: Client
) -> None:
    quiet.customer_writes(**picture("1166846181421424"))
    work()
    shown = operator.get("/admin/whatsapp/medium/").content.decode()
    assert "Object with ID" in shown
    assert "Failed" in shown
    medium = row(quiet.tenant)
    body = {"action": "fetch_again", "_selected_action": [str(medium.id)]}
    operator.post("/admin/whatsapp/medium/", body, follow=True)
    assert (told(quiet)[:2], len(posted())) == (("pending", 0), 1)
    entry = Entry.objects.using("system").get(tenant_id=quiet.tenant, action="media.fetch_asked")
    assert (entry.actor, entry.about) == ("operator:operator", f"medium:{medium.id}")
    assert operator.get(f"/admin/whatsapp/medium/{medium.id}/change/").status_code == 200


def test_who_may_only_look_cannot_have_it_fetched(quiet: Talk, no_bucket: None, client: Client) -> None:
    quiet.customer_writes(**picture("1"))
    viewer = User.objects.create_user("viewer", password="viewers-password", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename="view_medium"))
    client.force_login(viewer)
    body = {"action": "fetch_again", "_selected_action": [str(row(quiet.tenant).id)]}
    client.post("/admin/whatsapp/medium/", body)
    assert len(posted()) == 1
