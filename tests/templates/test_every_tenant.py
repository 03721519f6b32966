"""The templates of every tenant are synced by themselves, and what fails for one stops no other."""

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.test import Client
from django_celery_beat.models import PeriodicTask

from integrationhub.audit.models import Entry
from integrationhub.celery import app
from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution.schedules import SCHEDULES
from templates import runs, sync, timetable
from templates.models import SyncRun
from tests.audit.reading import at_once
from tests.make import Api, another_tenant
from tests.meta.graph_server import GraphServer
from tests.templates.making import ends_when_another_is_asked_for, listed, stored
from tests.templates.reading import messages, runs_of, synced, templates_of, work
from tests.whatsapp import numbers


@pytest.fixture
def others(meta: GraphServer) -> list[Api]:
    """Two tenants that have synced before."""
    made = [another_tenant() for _ in range(2)]
    for each in made:
        synced(each)
    return sorted(made, key=lambda each: each.tenant)


def test_a_tick_asks_for_one_run_of_each_tenant_however_often_it_comes(others: list[Api]) -> None:
    app.loader.import_default_modules()
    at_once(lambda _: app.tasks[timetable.TASK](), 4)
    assert {UUID(message.arguments["tenant_id"]) for message in messages()} == {each.tenant for each in others}
    assert len(messages()) == 2


def test_syncs_stand_in_a_queue_of_their_own(others: list[Api], settings: Any) -> None:
    """So that a round of all tenants keeps no housekeeping waiting. Workers take every queue of the settings."""
    sync.ask_for_all()
    assert {message.queue for message in messages()} == {"sync"}
    assert "sync" in settings.CELERY_TASK_QUEUES


def test_one_tenants_failure_stops_no_other(others: list[Api], meta: GraphServer) -> None:
    sync.ask_for_all()
    meta.templates.append(listed("new"))
    meta.fail(190, 401, on="message_templates", times=1)
    work()
    assert sorted(runs_of(each.tenant)[-1].state for each in others) == ["failed", "succeeded"]
    assert sorted(len(templates_of(each.tenant)) for each in others) == [1, 2]


def test_a_run_that_ends_while_it_is_asked_for_stops_no_other_tenants(others: list[Api]) -> None:
    for each in others:
        runs.ask(tenant_id=each.tenant)
    before = len(messages())
    with ends_when_another_is_asked_for(others[0].tenant):
        assert sync.ask_for_all() == 2
    assert len(messages()) == before + 1


def test_who_has_no_account_any_more_is_left_alone(others: list[Api], meta: GraphServer, settings: Any) -> None:
    api = another_tenant()
    own = numbers.bind(api, numbers.credentials(meta)).json()["id"]
    settings.META_WABA_ID = "77"
    synced(api)
    assert sync.tenants() == [api.tenant], "the others' account is no longer the deployment's"
    assert api.delete(f"/credentials/{own}").status_code == 204
    assert sync.tenants() == []
    settings.META_WABA_ID = ""
    assert sync.ask_for_all() == 0


def test_the_schedule_is_seeded_and_operators_may_change_it() -> None:
    [schedule] = [each for each in SCHEDULES if each.task == timetable.TASK]
    planned = PeriodicTask.objects.get(name=schedule.name)
    assert timetable.next_sync() is None, "it has never run"
    now = datetime.now(UTC) - timedelta(minutes=20)
    PeriodicTask.objects.filter(pk=planned.pk).update(last_run_at=now)
    following = timetable.next_sync()
    assert following is not None
    assert abs(following - now - timedelta(hours=1)) < timedelta(seconds=5)
    PeriodicTask.objects.filter(pk=planned.pk).update(enabled=False)
    assert timetable.next_sync() is None


def test_the_command_syncs_every_tenant_and_tells_what_changed(others: list[Api], meta: GraphServer) -> None:
    meta.templates.append(listed("new"))
    out = StringIO()
    call_command("sync_templates", stdout=out)
    assert out.getvalue().splitlines() == [
        f"{each.tenant}: 1 added, 0 changed, 0 removed, 1 unchanged" for each in others
    ]


def test_the_command_goes_on_after_a_failure_and_ends_with_one(others: list[Api], meta: GraphServer) -> None:
    meta.fail(190, 401, on="message_templates", times=1)
    out, err = StringIO(), StringIO()
    with pytest.raises(CommandError, match="1 of 2 tenants"):
        call_command("sync_templates", stdout=out, stderr=err)
    assert err.getvalue().startswith(f"{others[0].tenant}: WHATSAPP_SYNC_FAILED: ")
    assert meta.token not in err.getvalue()
    assert out.getvalue().startswith(f"{others[1].tenant}: ")


def test_the_command_syncs_whom_it_is_told_to(others: list[Api]) -> None:
    call_command("sync_templates", "--tenant", str(others[1].tenant), stdout=StringIO())
    assert [len(runs_of(each.tenant)) for each in others] == [1, 2]


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_the_command_draws_its_progress_on_a_terminal(
    others: list[Api], meta: GraphServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout", Terminal())
    out = Terminal()
    call_command("sync_templates", "--tenant", str(others[0].tenant), stdout=out)
    assert "█" * 30 + " 1/1 templates, page 1" in out.getvalue()


@pytest.mark.parametrize("page", ["messagetemplate", "syncrun"])
def test_operators_sync_from_the_admin_and_it_stands_in_the_trail(
    operator: Client, others: list[Api], meta: GraphServer, page: str
) -> None:
    path = f"/admin/templates/{page}/"
    table = SyncRun.objects.using("system") if page == "syncrun" else None
    tenant = others[0].tenant
    row = table.get(tenant_id=tenant).pk if table else stored(tenant, "extra").pk
    answer = operator.post(path, {"action": "sync_now", "_selected_action": [str(row)]}, follow=True)
    asked = runs_of(tenant)[-1]
    assert f"/admin/templates/syncrun/{asked.pk}/change/" in answer.content.decode()
    assert (asked.state, len(messages())) == ("queued", 1)
    entry = Entry.objects.using("system").get(tenant_id=tenant, action="template.sync_asked", actor__startswith="op")
    assert (entry.actor, entry.about) == ("operator:operator", f"template_sync:{asked.pk}")
    assert operator.get(f"/admin/templates/syncrun/{asked.pk}/change/")["Refresh"] == "2", "it goes on by itself"
    work()
    answer = operator.get(f"/admin/templates/syncrun/{asked.pk}/change/")
    assert "1 of 1 templates, 1 pages" in answer.content.decode()
    assert "Refresh" not in answer


def test_operators_see_status_quality_and_when_it_was_synced(
    operator: Client, others: list[Api], meta: GraphServer
) -> None:
    PeriodicTask.objects.filter(task=timetable.TASK).update(last_run_at=datetime(2099, 1, 1, 10, 45, tzinfo=UTC))
    stored(others[0].tenant, "odd", status="HIBERNATING", quality="")
    shown = operator.get("/admin/templates/messagetemplate/").content.decode()
    for word in ("order_shipped", "APPROVED", "HIBERNATING", "GREEN", str(others[0].tenant), "2099-01-01 11:4"):
        assert word in shown, word
    with tenant_scope(others[0].tenant):
        synced_at = runs.last_success(others[0].tenant)
    assert synced_at is not None
    assert f"{synced_at:%Y-%m-%d %H:%M}" in shown


def test_an_operator_who_may_only_look_cannot_sync(client: Client, others: list[Api]) -> None:
    viewer = User.objects.create_user("viewer", password="viewers-password", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename="view_syncrun"))
    client.force_login(viewer)
    row = runs_of(others[0].tenant)[0]
    client.post("/admin/templates/syncrun/", {"action": "sync_now", "_selected_action": [str(row.pk)]})
    assert client.get("/admin/templates/syncrun/").status_code == 200
    assert len(runs_of(others[0].tenant)) == 1
