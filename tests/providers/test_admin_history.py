"""Who changed what of a provider, from which value to which, and taking it back."""

import re
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
import redis
from django.conf import settings as configured
from django.contrib.auth.models import Permission, User
from django.test import Client

from integrationhub.core import tenant_version
from providers.models import Provider, ProviderChange
from tests.make import Api

LIST = "/admin/providers/provider/"


@pytest.fixture
def sandbox(operator: Client) -> Provider:
    return Provider.objects.get(provider_key="sandbox_primary")


@pytest.fixture
def platform(settings: Any) -> Api:
    platform = Api(uuid4())
    settings.PLATFORM_TENANT_ID = str(platform.tenant)
    return platform


def edit(operator: Client, provider: Provider, **over: Any) -> None:
    provider.refresh_from_db()
    names = ("display_name", "category", "summary", "base_url", "position")
    read = {name: getattr(provider, name) for name in names}
    form = {**read, **{f"{name}-read": value for name, value in read.items()}, **over}
    assert operator.post(f"{LIST}{provider.pk}/change/", form).status_code == 302
    provider.refresh_from_db()


def rows_of(operator: Client, provider: Provider) -> list[list[str]]:
    """The cells of the history's table, newest change first."""
    html = operator.get(f"{LIST}{provider.pk}/history/").content.decode().split('id="log"')[0]
    rows = [re.findall(r"<td.*?>(.*?)</td>", row, re.S) for row in re.findall(r"<tr>(.*?)</tr>", html, re.S)]
    return [[" ".join(unescape(re.sub(r"<[^>]+>", " ", cell)).split()) for cell in row] for row in rows if row]


def undo(operator: Client, change: ProviderChange) -> str:
    path = f"{LIST}{change.provider_id}/history/{change.pk}/undo/"
    assert operator.get(path).status_code == 200
    return str(unescape(operator.post(path, follow=True).content.decode()))


def latest() -> ProviderChange:
    return ProviderChange.objects.all()[0]


def test_an_edit_is_kept_with_who_made_it_and_both_values(operator: Client, sandbox: Provider) -> None:
    edit(operator, sandbox, display_name="First", base_url="https://sandbox.example")
    change = latest()
    assert (change.actor, change.via) == ("operator", "admin")
    assert change.before == {"display_name": "Sandbox, first", "base_url": ""}
    assert change.after == {"display_name": "First", "base_url": "https://sandbox.example"}
    rows = rows_of(operator, sandbox)
    assert rows[0][1:5] == ["operator Admin", "display name", "Sandbox, first", "First"]
    assert rows[1][-3:] == ["base url", "-", "https://sandbox.example"]


def test_what_the_api_changes_is_in_the_same_history(operator: Client, platform: Api, sandbox: Provider) -> None:
    platform.patch("/providers/sandbox_primary", {"status": "disabled", "position": 7})
    platform.delete("/providers/sandbox_primary")
    retired, disabled, moved = rows_of(operator, sandbox)
    assert retired[1:5] == ["tester API", "status", "disabled", "retired"]
    assert disabled[1:5] == ["tester API", "status", "active", "disabled"]
    assert moved == ["position", "100", "7"]


def test_a_row_is_kept_from_its_making_on(operator: Client, platform: Api) -> None:
    body = {"provider_key": "acme_sms", "display_name": "Acme", "category": "messaging", "status": "planned"}
    platform.post("/providers", body)
    change = latest()
    assert (change.before, change.after["display_name"], change.via) == ({}, "Acme", "api")
    path = f"{LIST}{change.provider_id}/history/{change.pk}/undo/"
    page = operator.post(path, follow=True).content.decode()
    assert "Retire the provider instead." in page
    assert Provider.objects.filter(provider_key="acme_sms").exists()


def test_what_changes_nothing_is_no_change(operator: Client, platform: Api, sandbox: Provider) -> None:
    edit(operator, sandbox)
    platform.patch("/providers/sandbox_primary", {"status": "active"})
    assert not ProviderChange.objects.exists()


def test_an_old_page_changes_what_was_changed_in_it_and_nothing_else(operator: Client, sandbox: Provider) -> None:
    read = {"display_name": sandbox.display_name, "summary": sandbox.summary, "position": sandbox.position}
    unchanged = {"category": sandbox.category, "base_url": ""}
    old = {**read, **unchanged, **{f"{name}-read": value for name, value in {**read, **unchanged}.items()}}
    edit(operator, sandbox, summary="Theirs", position=7)
    path = f"{LIST}{sandbox.pk}/change/"
    assert operator.post(path, {**old, "display_name": "Mine"}).status_code == 302
    assert latest().after == {"display_name": "Mine"}
    answer = operator.post(path, {**old, "display_name": "Mine", "summary": "Mine too"})
    assert "Somebody else has changed it since." in answer.content.decode()
    sandbox.refresh_from_db()
    assert (sandbox.display_name, sandbox.summary, sandbox.position) == ("Mine", "Theirs", 7)


def test_the_page_sends_along_what_it_showed(operator: Client, sandbox: Provider) -> None:
    page = operator.get(f"{LIST}{sandbox.pk}/change/").content.decode()
    read = re.findall(r'<input type="hidden" name="(\w+)-read"', page)
    assert sorted(read) == ["base_url", "category", "display_name", "position", "summary"]


def test_levers_and_positions_are_in_it_too(operator: Client, sandbox: Provider) -> None:
    operator.post(LIST, {"action": "disable", "_selected_action": [str(sandbox.pk)], "confirmed": "yes"})
    assert (latest().before, latest().after) == ({"status": "active"}, {"status": "disabled"})
    operator.post(LIST, {"move": f"{sandbox.pk}:down"})
    assert "position" in ProviderChange.objects.filter(provider=sandbox)[0].after


def test_an_undo_puts_the_row_back_and_is_itself_a_change(operator: Client, sandbox: Provider) -> None:
    edit(operator, sandbox, display_name="First", summary="Changed", base_url="https://sandbox.example", position=3)
    made = latest()
    was = dict(made.before)
    assert "Undone." in undo(operator, made)
    sandbox.refresh_from_db()
    assert {name: getattr(sandbox, name) for name in was} == was
    assert (latest().undoes_id, latest().after) == (made.pk, was)
    assert "undid the change of" in rows_of(operator, sandbox)[0][1]


def test_an_undo_can_be_undone(operator: Client, sandbox: Provider) -> None:
    edit(operator, sandbox, display_name="First")
    undo(operator, latest())
    undo(operator, latest())
    sandbox.refresh_from_db()
    assert sandbox.display_name == "First"


def test_what_has_been_changed_again_is_not_undone_and_it_is_said_why(operator: Client, sandbox: Provider) -> None:
    edit(operator, sandbox, display_name="First", summary="One")
    made = latest()
    edit(operator, sandbox, summary="Two")
    assert "It has been changed again since: summary is 'Two' by now, not 'One'." in undo(operator, made)
    sandbox.refresh_from_db()
    assert (sandbox.display_name, sandbox.summary) == ("First", "Two")


def test_another_member_changed_since_stays_as_it_is(operator: Client, sandbox: Provider) -> None:
    edit(operator, sandbox, display_name="First")
    made = latest()
    edit(operator, sandbox, summary="Kept")
    undo(operator, made)
    sandbox.refresh_from_db()
    assert (sandbox.display_name, sandbox.summary) == ("Sandbox, first", "Kept")


def test_what_may_not_be_any_more_is_not_put_back(operator: Client, sandbox: Provider, settings: Any) -> None:
    edit(operator, sandbox, base_url="http://127.0.0.1:9000")
    edit(operator, sandbox, base_url="")
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    assert "An https:// address, or nothing." in undo(operator, latest())
    sandbox.refresh_from_db()
    assert sandbox.base_url == ""


def test_the_page_that_asks_shows_what_it_puts_back_and_whom_it_concerns(operator: Client, sandbox: Provider) -> None:
    edit(operator, sandbox, display_name="First")
    page = operator.get(f"{LIST}{sandbox.pk}/history/{latest().pk}/undo/").content.decode()
    assert re.search(r"<td>display name</td><td>First</td><td>Sandbox, first</td>", page)
    assert "used by 0 tenants" in page
    sandbox.refresh_from_db()
    assert sandbox.display_name == "First"


def test_a_change_of_another_provider_is_not_found_here(operator: Client, sandbox: Provider) -> None:
    edit(operator, sandbox, display_name="First")
    other = Provider.objects.get(provider_key="sandbox_secondary")
    assert operator.post(f"{LIST}{other.pk}/history/{latest().pk}/undo/").status_code == 404


def test_who_may_only_look_sees_the_history_and_undoes_nothing(operator: Client, sandbox: Provider) -> None:
    edit(operator, sandbox, display_name="First")
    clerk, client = User.objects.create_user("clerk", is_staff=True), Client()
    clerk.user_permissions.add(Permission.objects.get(codename="view_provider"))
    client.force_login(clerk)
    assert ["Undo" in rows_of(each, sandbox)[0][0] for each in (operator, client)] == [True, False]
    assert client.post(f"{LIST}{sandbox.pk}/history/{latest().pk}/undo/").status_code == 403


@pytest.mark.parametrize("path", ["not-an-id", "00000000-0000-7000-8000-000000000000"])
def test_a_provider_that_is_none_has_no_history(operator: Client, path: str) -> None:
    assert operator.get(f"{LIST}{path}/history/").status_code in (302, 404)


def test_tenants_hear_of_each_change_at_once(operator: Client, sandbox: Provider) -> None:
    versions = [shared_version()]
    edit(operator, sandbox, display_name="First")
    versions.append(shared_version())
    undo(operator, latest())
    versions.append(shared_version())
    operator.post(LIST, {"move": f"{sandbox.pk}:down"})
    versions.append(shared_version())
    assert len(set(versions)) == 4


def shared_version() -> Any:
    """The version of what the processes cache of all tenants."""
    with redis.Redis.from_url(configured.REDIS_URL) as client:
        return client.get(tenant_version.FOR_ALL)
