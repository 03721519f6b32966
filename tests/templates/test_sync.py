"""A sync reads every page or changes nothing, and leaves what Meta lists, no more and no less."""

import threading
import time
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db.models.functions import Now

from integrationhub.core import catalogue
from integrationhub.core.deadline import Deadline
from integrationhub.core.tenancy import tenant_scope
from providers import meta_graph
from providers.meta_graph import MetaGraph
from templates import runs, sync
from templates.models import SyncRun
from tests.audit.reading import at_once
from tests.core.envelopes import assert_envelope
from tests.make import Api, another_tenant
from tests.meta.graph_server import GraphServer
from tests.templates.making import ends_when_another_is_asked_for, listed, stored
from tests.templates.reading import counts, events_of, messages, runs_of, synced, templates_of, versions, work
from whatsapp import accounts

SYNC = "/whatsapp/templates/sync"
PAGES = "message_templates"


def names(count: int) -> list[str]:
    return [f"template_{number:04}" for number in range(count)]


def test_every_page_is_read_and_the_changes_are_counted(api: Api, tenant: UUID, meta: GraphServer) -> None:
    meta.largest_page = 10
    meta.templates = [listed(name) for name in names(35)]
    run = synced(api)
    assert (run["state"], run["pages"], run["seen"], counts(run)) == ("succeeded", 4, 35, [35, 0, 0, 0])
    assert sorted(templates_of(tenant)) == names(35)
    meta.templates = [listed("new"), listed("template_0001", status="PAUSED"), *meta.templates[2:]]
    run = synced(api)
    assert (run["expected"], counts(run)) == (35, [1, 1, 1, 33])
    assert templates_of(tenant)["template_0001"] == "PAUSED"
    assert "template_0000" not in templates_of(tenant)


def test_a_sync_that_finds_nothing_new_writes_no_row(api: Api, tenant: UUID, meta: GraphServer) -> None:
    meta.templates = [listed(name) for name in names(30)]
    synced(api)
    before = versions(tenant)
    meta.disorder = True
    assert counts(synced(api)) == [0, 0, 0, 30]
    assert versions(tenant) == before
    assert [kind for kind, _ in events_of(tenant)] == ["template.synced"]


@pytest.mark.parametrize("page", [1, 2, 3])
def test_when_a_page_fails_nothing_is_changed(api: Api, tenant: UUID, meta: GraphServer, page: int) -> None:
    synced(api)
    before = versions(tenant)
    meta.largest_page = 1
    meta.templates = [listed(name) for name in names(3)]
    meta.recipes.clear()
    served = meta._templates
    asked: list[Any] = []

    def fails_on(request: Any) -> Any:
        asked.append(request)
        return served(request) if len(asked) < page else meta._unknown(request)

    meta._templates = fails_on  # type: ignore[method-assign]
    assert_envelope(api.post(f"{SYNC}?wait=true"), status=503)
    assert versions(tenant) == before
    [_, failed] = runs_of(tenant)
    assert (failed.state, failed.pages) == ("failed", page - 1)


@pytest.mark.parametrize(
    ("number", "status", "code"),
    [
        (190, 401, catalogue.META_UNAUTHORIZED.code),
        (4, 400, catalogue.META_RATE_LIMIT.code),
        (100, 400, catalogue.META_INVALID_PARAM.code),
        (2, 503, catalogue.WHATSAPP_UNAVAILABLE.code),
        (10, 403, catalogue.META_UNAUTHORIZED.code),
        (133006, 400, catalogue.WHATSAPP_NOT_CONFIGURED.code),
    ],
)
def test_every_fault_of_metas_is_a_failed_sync_that_tells_metas_own(
    api: Api, meta: GraphServer, number: int, status: int, code: str
) -> None:
    meta.fail(number, status, on=PAGES, details="Meta's own words.")
    body = assert_envelope(api.post(f"{SYNC}?wait=true"), status=503)
    assert body["code"] == catalogue.WHATSAPP_SYNC_FAILED.code
    assert body["details"]["code"] == code
    assert body["details"]["meta"]["code"] == number
    assert body["details"]["meta"]["details"] == "Meta's own words."
    assert meta.token not in str(body)


@pytest.mark.parametrize("answer", ["lost", "garbage"])
def test_an_answer_that_cannot_be_read_is_a_failed_sync_too(api: Api, meta: GraphServer, answer: str) -> None:
    if answer == "lost":
        meta.lose_answer(on=PAGES)
    else:
        meta.fail(status=200, on=PAGES, body=b"<html>Bad Gateway</html>")
    body = assert_envelope(api.post(f"{SYNC}?wait=true"), status=503)
    assert body["code"] == catalogue.WHATSAPP_SYNC_FAILED.code


def test_a_list_that_leads_back_to_where_it_was_ends(api: Api, tenant: UUID, meta: GraphServer) -> None:
    meta.templates, meta.largest_page, meta.cursor_loop = [listed(name) for name in names(4)], 2, True
    body = assert_envelope(api.post(f"{SYNC}?wait=true"), status=503)
    assert body["code"] == catalogue.WHATSAPP_SYNC_FAILED.code
    assert body["details"]["reason"] == "cursor_loop"
    assert templates_of(tenant) == {}


def test_a_list_without_end_ends(api: Api, tenant: UUID, meta: GraphServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meta_graph, "MOST_PAGES", 3)
    meta.templates, meta.largest_page = [listed(name) for name in names(4)], 1
    body = assert_envelope(api.post(f"{SYNC}?wait=true"), status=503)
    assert body["details"]["reason"] == "too_many_pages"
    assert templates_of(tenant) == {}


def test_all_pages_together_have_a_time(
    api: Api, meta: GraphServer, tenant: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "SECONDS", 0.1)
    meta.templates, meta.largest_page, meta.delay = [listed(name) for name in names(5)], 1, 0.06
    assert_envelope(api.post(f"{SYNC}?wait=true"), status=503)
    assert templates_of(tenant) == {}


def their_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    later = SimpleNamespace(monotonic=lambda: time.monotonic() + sync.SECONDS)
    monkeypatch.setattr("integrationhub.core.deadline.time", later)


def test_no_page_is_asked_for_once_their_time_is_up(
    tenant: UUID, meta: GraphServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    meta.templates, meta.largest_page = [listed(name) for name in names(2)], 1
    with pytest.raises(sync.WhatsappSyncFailed) as raised:
        sync.now(tenant_id=tenant, subject="", told=lambda run: their_time_passes(monkeypatch))
    assert (raised.value.details["reason"], len(meta.asked), templates_of(tenant)) == ("timed_out", 1, {})


def test_a_page_that_does_not_come_ends_with_the_time_of_all(
    api: Api, meta: GraphServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "SECONDS", 0.5)
    meta.be_silent(on=PAGES)
    began = time.monotonic()
    assert_envelope(api.post(f"{SYNC}?wait=true"), status=503)
    assert time.monotonic() - began < 8, "a page by itself has ten seconds"


def opened_late(tenant_id: UUID, deadline: Deadline) -> MetaGraph:
    """The account of a tenant whose vault takes its time."""
    time.sleep(0.4)
    return accounts.graph(tenant_id, deadline)


def test_a_vault_that_is_slow_takes_of_the_same_time(
    api: Api, tenant: UUID, meta: GraphServer, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.WHATSAPP_GRAPH = f"{__name__}.opened_late"
    monkeypatch.setattr(sync, "SECONDS", 0.6)
    meta.templates, meta.largest_page, meta.delay = [listed(name) for name in names(3)], 1, 0.15
    assert_envelope(api.post(f"{SYNC}?wait=true"), status=503)
    assert [run.state for run in runs_of(tenant)] == ["failed"]


def test_a_list_that_was_read_to_its_end_counts_however_late_it_is(
    tenant: UUID, meta: GraphServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = sync.now(tenant_id=tenant, subject="", told=lambda run: their_time_passes(monkeypatch))
    assert (run.state, run.added) == ("succeeded", 1)


def test_a_worker_whose_time_is_up_leaves_a_run_that_is_over(tenant: UUID, meta: GraphServer) -> None:
    def limit(run: SyncRun) -> None:
        """What Celery's signal does, wherever the task is then."""
        raise SoftTimeLimitExceeded

    with pytest.raises(SoftTimeLimitExceeded):
        sync.now(tenant_id=tenant, subject="", told=limit)
    [run] = runs_of(tenant)
    assert (run.state, run.error["details"]["reason"]) == ("failed", "timed_out")


def test_a_template_without_a_name_leaves_all_as_it_was(api: Api, tenant: UUID, meta: GraphServer) -> None:
    synced(api)
    meta.templates = [listed("new"), {"id": "1", "language": "en", "status": "APPROVED"}]
    assert_envelope(api.post(f"{SYNC}?wait=true"), status=503, reason="unreadable_answer")
    assert list(templates_of(tenant)) == ["order_shipped"]


def test_odd_shapes_are_stored_as_they_are(api: Api, tenant: UUID, meta: GraphServer) -> None:
    meta.odd = True
    meta.templates = [
        listed("plain"),
        listed("future", status="HIBERNATING", category="NEXT_YEARS", quality_score=None),
        listed("empty", components=[]),
    ]
    assert counts(synced(api)) == [3, 0, 0, 0]
    assert templates_of(tenant) == {
        "plain": "APPROVED",
        "future": "HIBERNATING",
        "empty": "APPROVED",
    }
    assert counts(synced(api)) == [0, 0, 0, 3]


@pytest.mark.parametrize("odd", ["\0", "\ud83d"], ids=["NUL", "half of a surrogate pair"])
def test_what_postgresql_does_not_store_is_left_out(api: Api, meta: GraphServer, odd: str) -> None:
    meta.templates = [listed(components=[{"type": "BODY", "text": f"Hello {odd}🎉"}])]
    assert counts(synced(api)) == [1, 0, 0, 0]
    assert counts(synced(api)) == [0, 0, 0, 1]


def test_templates_that_change_names_and_one_made_anew_are_swapped(api: Api, tenant: UUID, meta: GraphServer) -> None:
    meta.templates = [listed("one", id="1"), listed("two", id="2"), listed("three", id="3")]
    synced(api)
    meta.templates = [listed("two", id="1"), listed("one", id="2"), listed("three", id="33")]
    assert counts(synced(api)) == [1, 2, 1, 0]
    assert sorted(templates_of(tenant)) == ["one", "three", "two"]


def test_what_stands_on_two_pages_is_one_template(api: Api, tenant: UUID, meta: GraphServer) -> None:
    meta.templates = [listed("one", id="1"), listed("one", id="1", status="PAUSED"), listed("two", id="2")]
    meta.templates.append(listed("two", id="22", status="PENDING_DELETION"))
    assert counts(synced(api)) == [2, 0, 0, 0]
    assert templates_of(tenant) == {"one": "PAUSED", "two": "APPROVED"}


def test_templates_of_an_account_that_is_no_longer_the_tenants_go(api: Api, tenant: UUID, meta: GraphServer) -> None:
    stored(tenant, "of_another_account", waba_id="waba-before", meta_id=meta.templates[0]["id"])
    assert counts(synced(api)) == [1, 0, 1, 0]
    assert list(templates_of(tenant)) == ["order_shipped"]


def test_a_sync_touches_no_other_tenants_templates(api: Api, tenant: UUID, meta: GraphServer) -> None:
    other = another_tenant()
    synced(other)
    before = versions(other.tenant)
    meta.templates = []
    synced(api)
    assert versions(other.tenant) == before


def test_a_tenant_without_an_account_is_told_so_and_no_run_is_made(api: Api, tenant: UUID) -> None:
    for path in (SYNC, f"{SYNC}?wait=true"):
        body = assert_envelope(api.post(path), status=503)
        assert body["code"] == catalogue.WHATSAPP_NOT_CONFIGURED.code
    assert runs_of(tenant) == []


def test_a_worker_does_what_was_asked_for(api: Api, tenant: UUID, meta: GraphServer) -> None:
    asked = api.post(SYNC)
    assert (asked.status_code, asked.json()["state"]) == (202, "queued")
    where = f"{SYNC}/{asked.json()['id']}"
    assert templates_of(tenant) == {}
    work()
    run = api.get(where).json()
    assert (run["state"], counts(run), run["error"]) == ("succeeded", [1, 0, 0, 0], None)
    work()
    assert api.get(where).json() == run


def test_the_row_tells_why_a_worker_failed(api: Api, tenant: UUID, meta: GraphServer) -> None:
    asked = api.post(SYNC).json()
    meta.fail(190, 401, on=PAGES)
    work()
    run = api.get(f"{SYNC}/{asked['id']}").json()
    assert (run["state"], run["error"]["code"]) == ("failed", catalogue.WHATSAPP_SYNC_FAILED.code)
    assert run["error"]["details"]["meta"]["code"] == 190


def test_whoever_asks_while_a_sync_is_under_way_is_told_of_that_one(api: Api, meta: GraphServer) -> None:
    asked = at_once(lambda _: api.as_role("organizer").post(SYNC).json()["id"], 8)
    assert len(set(asked)) == 1
    assert len(messages()) == 1


def test_a_run_that_ends_while_it_is_asked_for_is_followed_by_another(
    api: Api, tenant: UUID, meta: GraphServer
) -> None:
    first = api.post(SYNC).json()
    with ends_when_another_is_asked_for(tenant):
        answer = api.post(SYNC)
    assert (answer.status_code, answer.json()["state"]) == (202, "queued")
    assert answer.json()["id"] != first["id"]
    assert len(messages()) == 2


def test_who_waits_does_a_queued_run_itself(api: Api, tenant: UUID, meta: GraphServer) -> None:
    asked = api.post(SYNC).json()
    assert synced(api)["id"] == asked["id"]
    assert len(runs_of(tenant)) == 1


def test_who_waits_for_anothers_run_gets_its_end(
    api: Api, tenant: UUID, meta: GraphServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, read, awaited = threading.Semaphore(0), sync._read, sync._awaited

    def once_two_wait(*run: Any) -> Any:
        assert all(waiting.acquire(timeout=10) for _ in range(2))
        return read(*run)

    monkeypatch.setattr(sync, "_read", once_two_wait)
    monkeypatch.setattr(sync, "_awaited", lambda asked: waiting.release() or awaited(asked))
    done = at_once(lambda _: synced(api.as_role("organizer")), 3)
    assert len({run["id"] for run in done}) == 1
    assert {run["state"] for run in done} == {"succeeded"}
    assert len(meta.asked) == 1


def test_progress_is_told_page_by_page(api: Api, tenant: UUID, meta: GraphServer) -> None:
    meta.templates, meta.largest_page = [listed(name) for name in names(5)], 2
    told: list[tuple[int, int]] = []
    sync.now(tenant_id=tenant, subject="", told=lambda run: told.append((run.pages, run.seen)))
    assert told == [(1, 2), (2, 4), (3, 5)]


def lapse(tenant: UUID, **over: Any) -> None:
    with tenant_scope(tenant):
        SyncRun.objects.for_tenant(tenant).update(**over)


def test_a_run_whose_worker_is_gone_is_taken_over(api: Api, tenant: UUID, meta: GraphServer) -> None:
    asked = api.post(SYNC).json()
    lost = runs.take(tenant_id=tenant, run_id=UUID(asked["id"]))
    assert lost is not None
    work()
    assert [run.state for run in runs_of(tenant)] == ["running"], "its lease holds"
    lapse(tenant, lease_until=Now() - timedelta(seconds=1))
    work()
    assert [run.state for run in runs_of(tenant)] == ["succeeded"]


def test_a_worker_that_was_thought_gone_changes_nothing(api: Api, tenant: UUID, meta: GraphServer) -> None:
    meta.templates, meta.largest_page = [listed(name) for name in names(2)], 1

    def taken_over(run: SyncRun) -> None:
        lapse(tenant, lease_id=uuid4())

    with pytest.raises(sync.WhatsappSyncFailed, match="taken this sync over"):
        sync.now(tenant_id=tenant, subject="", told=taken_over)
    assert templates_of(tenant) == {}
    assert [run.state for run in runs_of(tenant)] == ["running"], "the other one's run goes on"


@pytest.mark.parametrize(
    "gone",
    [
        {"created_at": Now() - timedelta(minutes=11)},
        {"state": "running", "lease_until": Now() - timedelta(seconds=1)},
    ],
    ids=["its message", "its worker"],
)
def test_a_run_that_was_lost_stands_in_nobodys_way(
    api: Api, tenant: UUID, meta: GraphServer, gone: dict[str, Any]
) -> None:
    api.post(SYNC)
    lapse(tenant, **gone)
    assert synced(api)["state"] == "succeeded"
    assert [run.state for run in runs_of(tenant)] == ["failed", "succeeded"]
    assert runs_of(tenant)[0].error["details"]["reason"] == "worker_lost"


def test_events_tell_what_changed_and_the_first_failure(api: Api, tenant: UUID, meta: GraphServer) -> None:
    synced(api)
    meta.templates[0]["status"] = "PAUSED"
    synced(api)
    for _ in range(2):
        meta.fail(2, 503, on=PAGES)
        api.post(f"{SYNC}?wait=true")
    told = events_of(tenant)
    assert [kind for kind, _ in told] == [
        "template.synced",
        "template.synced",
        "template.status_changed",
        "template.sync_failed",
    ]
    moved = {"name": "order_shipped", "language": "en", "before": "APPROVED", "after": "PAUSED"}
    assert told[2][1] == moved


def test_runs_are_kept_for_a_month(api: Api, tenant: UUID, meta: GraphServer) -> None:
    first = synced(api)
    lapse(tenant, finished_at=Now() - timedelta(days=31))
    later = [synced(api)["id"] for _ in range(2)]
    assert first["id"] not in later
    assert [str(run.id) for run in runs_of(tenant)] == later


def test_runs_that_fail_are_kept_no_longer_and_the_last_success_stays(
    api: Api, tenant: UUID, meta: GraphServer
) -> None:
    first = synced(api)
    for _ in range(3):
        meta.fail(2, 503, on=PAGES)
        api.post(f"{SYNC}?wait=true")
        lapse(tenant, finished_at=Now() - timedelta(days=31))
    assert [run.state for run in runs_of(tenant)] == ["succeeded", "failed"]
    assert str(runs_of(tenant)[0].id) == first["id"]
    assert api.get("/whatsapp/templates").json()["last_synced_at"]


def test_a_repeat_under_the_same_key_is_the_same_run(api: Api, tenant: UUID, meta: GraphServer) -> None:
    key = {"Idempotency-Key": "sync-once"}
    first, again = (api.post(f"{SYNC}?wait=true", headers=key) for _ in range(2))
    assert again.content == first.content
    assert len(runs_of(tenant)) == 1
