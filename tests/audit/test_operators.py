"""What operators do in the admin, as the trail tells it."""

from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Group, User
from django.db import connections
from django.test import Client
from django_celery_beat.models import PeriodicTask

from integrationhub.audit import trail
from integrationhub.audit.models import Entry
from integrationhub.outbox.models import OutboxMessage, State
from marketplace import quotas
from marketplace.models import Subscription, Tier
from providers.models import Provider, ProviderChange
from tests.audit.reading import refusing_entries, trail_of, verify
from tests.environment import PLATFORM_TENANT
from tests.isolation.world import rows_of
from tests.make import LATER, Api, sms

PLATFORM = UUID(PLATFORM_TENANT)
TIER = {"key": "gold", "name": "Gold", "monthly_quota": "", "requests_per_minute": "90"}


def told(tenant: UUID = PLATFORM) -> list[tuple[str, str, str]]:
    return [(entry.action, entry.actor, entry.about) for entry in trail_of(tenant)]


def test_a_row_that_is_added_changed_and_deleted(operator: Client) -> None:
    operator.post("/admin/marketplace/tier/add/", TIER)
    operator.post("/admin/marketplace/tier/gold/change/", {**TIER, "requests_per_minute": "80"})
    operator.post("/admin/marketplace/tier/gold/delete/", {"post": "yes"})
    assert told() == [
        (f"tier.{became}", "operator:operator", "tier:gold") for became in ("created", "changed", "deleted")
    ]
    assert trail_of(PLATFORM)[1].details == {"change": "Changed Requests per minute."}
    assert verify()[0]


def test_a_tenants_row_is_told_in_its_own_chain(operator: Client, tenant: UUID) -> None:
    quotas.subscribe(tenant, "free")
    operator.post(f"/admin/marketplace/subscription/{tenant}/change/", {"tenant_id": str(tenant), "tier": "pro"})
    operator.post(f"/admin/marketplace/subscription/{tenant}/delete/", {"post": "yes"})
    about = f"subscription:{tenant}"
    assert told(tenant) == [
        ("subscription.changed", "operator:operator", about),
        ("subscription.deleted", "operator:operator", about),
    ]
    assert told() == []


def test_rows_of_several_tenants_that_are_deleted_at_once(operator: Client) -> None:
    tenants = [uuid4(), uuid4()]
    for tenant in tenants:
        quotas.subscribe(tenant, "free")
    chosen = {"action": "delete_selected", "_selected_action": [str(tenant) for tenant in tenants], "post": "yes"}
    operator.post("/admin/marketplace/subscription/", chosen)
    assert not Subscription.objects.using("system").filter(tenant_id__in=tenants).exists()
    for tenant in tenants:
        assert told(tenant) == [("subscription.deleted", "operator:operator", f"subscription:{tenant}")]


def test_chains_of_several_tenants_are_taken_in_one_order_so_that_two_operators_do_not_deadlock(
    operator: Client,
) -> None:
    tenants = sorted([uuid4(), uuid4()])
    chosen = {"action": "delete_selected", "_selected_action": [str(tenant) for tenant in tenants], "post": "yes"}
    for order in ("1", "-1"):
        for tenant in tenants:
            quotas.subscribe(tenant, "free")
        operator.post(f"/admin/marketplace/subscription/?o={order}", chosen)
    lower, higher = ([entry.created_at for entry in trail_of(tenant)] for tenant in tenants)
    assert len(lower) == 2
    assert all(first < second for first, second in zip(lower, higher, strict=True))


def test_an_action_on_a_list(operator: Client) -> None:
    provider = Provider.objects.get(provider_key="sandbox_primary")
    chosen = {"action": "disable", "confirmed": "yes", "_selected_action": [str(provider.pk)]}
    operator.post("/admin/providers/provider/", chosen)
    (entry,) = trail_of(PLATFORM)
    assert (entry.action, entry.actor) == ("provider.changed", "operator:operator")
    assert (entry.about, entry.details) == ("provider:sandbox_primary", {"status": "disabled"})


def test_a_schedule_that_is_switched_off(operator: Client) -> None:
    schedule = PeriodicTask.objects.exclude(name__startswith="celery.").filter(enabled=True).first()
    assert schedule
    chosen = {"action": "disable_tasks", "_selected_action": [str(schedule.pk)]}
    operator.post("/admin/django_celery_beat/periodictask/", chosen)
    assert told() == [("periodictask.disabled", "operator:operator", f"periodictask:{schedule.pk}")]


def test_a_dead_message_that_is_redriven(operator: Client, tenant: UUID) -> None:
    dead = OutboxMessage(tenant_id=tenant, task="t", queue="maint", arguments={}, state=State.DEAD)
    dead.save(using="system")
    operator.post("/admin/outbox/outboxmessage/", {"action": "redrive", "_selected_action": [str(dead.pk)]})
    assert told(tenant) == [("outboxmessage.changed", "operator:operator", f"outboxmessage:{dead.pk}")]


@pytest.fixture
def dead(api: Api) -> str:
    """An execution that is a dead letter."""
    api.post("/marketplace/integrations/sandbox_primary/install")
    queued = api.post("/execute", sms(), headers=LATER).json()["execution_id"]
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE execution_execution SET status = 'failed', dead_at = now()")
    return str(queued)


def test_a_dead_execution_that_is_redriven(operator: Client, dead: str, tenant: UUID) -> None:
    for _ in range(2):
        operator.post("/admin/execution/execution/", {"action": "redrive", "_selected_action": [dead]})
    assert told(tenant)[1:] == [("execution.redriven", "operator:operator", f"execution:{dead}")]


def test_a_redrive_that_cannot_be_told_is_not_made(operator: Client, dead: str, tenant: UUID) -> None:
    operator.raise_request_exception = False
    before = rows_of(tenant)
    with refusing_entries():
        operator.post("/admin/execution/execution/", {"action": "redrive", "_selected_action": [dead]})
    assert rows_of(tenant) == before


def test_another_operators_password_that_is_set(operator: Client) -> None:
    clerk = User.objects.create_user("clerk", is_staff=True)
    new = {"password1": "canary-canary-1", "password2": "canary-canary-1", "usable_password": "true"}
    assert operator.post(f"/admin/auth/user/{clerk.pk}/password/", new).status_code == 302
    assert told() == [("user.changed", "operator:operator", f"user:{clerk.pk}")]
    assert "canary" not in str(trail_of(PLATFORM)[0].details)


OWN_PASSWORD = {"old_password": "x", "new_password1": "canary-canary-1", "new_password2": "canary-canary-1"}


@pytest.fixture
def known(operator: Client) -> Client:
    """An operator with the password x."""
    user = User.objects.get(username="operator")
    user.set_password("x")
    user.save()
    operator.force_login(user)
    return operator


def test_an_operators_own_password_that_is_changed(known: Client) -> None:
    assert known.post("/admin/password_change/", {**OWN_PASSWORD, "old_password": "y"}).status_code == 200
    assert told() == []
    assert known.post("/admin/password_change/", OWN_PASSWORD)["Location"] == "/admin/password_change/done/"
    assert told() == [("operator.password_changed", "operator:operator", "")]
    assert "canary" not in str(trail_of(PLATFORM)[0].details)
    assert known.get("/admin/").status_code == 200


def test_an_own_password_whose_change_cannot_be_told_stays(known: Client) -> None:
    known.raise_request_exception = False
    with refusing_entries("system"):
        assert known.post("/admin/password_change/", OWN_PASSWORD).status_code == 500
    assert User.objects.get(username="operator").check_password("x")


def login(name: str, password: str) -> int:
    return Client().post("/admin/login/", {"username": name, "password": password}).status_code


def test_an_operator_who_signs_in_and_those_who_do_not() -> None:
    User.objects.create_superuser("operator", password="operators-password")
    assert login("operator", "operators-password") == 302
    for password in ("wrong-1", "wrong-2"):
        assert login("operator", password) == 200
    assert login("hunter2-typed-into-the-wrong-field", "x") == 200
    assert [(action, actor) for action, actor, _ in told()] == [
        ("operator.signed_in", "operator:operator"),
        ("denied.login", "operator:operator"),
        ("denied.login", "unknown"),
    ]


def test_a_sign_in_that_cannot_be_told_does_not_come_about() -> None:
    User.objects.create_superuser("operator", password="operators-password")
    browser = Client(raise_request_exception=False)
    with refusing_entries():
        answer = browser.post("/admin/login/", {"username": "operator", "password": "operators-password"})
    assert answer.status_code == 500
    assert browser.get("/admin/")["Location"].startswith("/admin/login/")


def test_what_cannot_be_told_is_not_changed(operator: Client) -> None:
    operator.raise_request_exception = False
    provider = Provider.objects.get(provider_key="sandbox_primary")
    disable = {"action": "disable", "confirmed": "yes", "_selected_action": [str(provider.pk)]}
    remove = {"action": "delete_selected", "_selected_action": ["pro"], "post": "yes"}
    with refusing_entries("system"):
        assert operator.post("/admin/marketplace/tier/add/", TIER).status_code == 500
        assert operator.post("/admin/marketplace/tier/pro/delete/", {"post": "yes"}).status_code == 500
        assert operator.post("/admin/marketplace/tier/", remove).status_code == 500
        assert operator.post("/admin/providers/provider/", disable).status_code == 500
    assert not Tier.objects.filter(key="gold").exists()
    assert Tier.objects.filter(key="pro").exists()
    assert Provider.objects.get(pk=provider.pk).status == "active"
    assert told() == []


def test_no_operator_and_no_schedule_is_changed_without_being_told(operator: Client) -> None:
    operator.raise_request_exception = False
    clerk = User.objects.create_user("clerk", password="clerks-password", is_staff=True)
    schedule = PeriodicTask.objects.exclude(name__startswith="celery.").filter(enabled=True)[0]
    new = {"password1": "canary-canary-1", "password2": "canary-canary-1", "usable_password": "true"}
    forms: list[tuple[str, dict[str, str]]] = [
        ("auth/user/add/", {"username": "newcomer", **new}),
        (f"auth/user/{clerk.pk}/password/", new),
        (
            f"auth/user/{clerk.pk}/change/",
            {"username": "other", "date_joined_0": "2026-01-01", "date_joined_1": "12:00:00"},
        ),
        (f"auth/user/{clerk.pk}/delete/", {"post": "yes"}),
        ("auth/group/add/", {"name": "everybody"}),
        (
            "django_celery_beat/periodictask/",
            {"action": "disable_tasks", "_selected_action": str(schedule.pk)},
        ),
        (f"django_celery_beat/periodictask/{schedule.pk}/delete/", {"post": "yes"}),
    ]
    with refusing_entries("system"):
        answered = [operator.post(f"/admin/{path}", form).status_code for path, form in forms]
    assert answered == [500] * len(forms)
    assert sorted(User.objects.values_list("username", flat=True)) == ["clerk", "operator"]
    assert User.objects.get(pk=clerk.pk).check_password("clerks-password")
    assert not Group.objects.exists()
    assert PeriodicTask.objects.get(pk=schedule.pk).enabled


def test_no_order_and_no_undo_is_made_without_being_told(operator: Client) -> None:
    operator.raise_request_exception = False
    row, *_, last = Provider.objects.all()
    operator.post("/admin/providers/provider/", {"move": f"{last.pk}:up"})
    change = ProviderChange.objects.filter(provider=last)[0]
    before = list(Provider.objects.values("pk", "position"))
    undo = f"/admin/providers/provider/{last.pk}/history/{change.pk}/undo/"
    with refusing_entries("system"):
        assert operator.post("/admin/providers/provider/", {"move": f"{row.pk}:down"}).status_code == 500
        assert operator.post(undo).status_code == 500
    assert list(Provider.objects.values("pk", "position")) == before


@pytest.fixture
def entry(tenant: UUID) -> Entry:
    trail.note(tenant_id=uuid4(), action="thing.lost", actor="somebody")
    trail.note(tenant_id=tenant, action="thing.changed", actor="tester", about="thing:t-1", number=1)
    return trail_of(tenant)[0]


@pytest.mark.parametrize(
    "by", ["?tenant_id={0.tenant_id}", "?actor={0.actor}", "?action=thing.changed", "?q={0.about}"]
)
def test_an_operator_finds_entries_by(by: str, operator: Client, entry: Entry) -> None:
    page = operator.get(f"/admin/audit/entry/{by.format(entry)}")
    assert page.status_code == 200
    assert [row.pk for row in page.context["cl"].result_list] == [entry.pk]


def test_an_operator_reads_one_entry_and_can_change_none(operator: Client, entry: Entry) -> None:
    path = f"/admin/audit/entry/{entry.pk}"
    text = operator.get(f"{path}/change/").content.decode()
    assert entry.hash in text
    assert "&quot;number&quot;: 1" in text
    assert operator.post(f"{path}/change/", {"actor": "nobody"}).status_code == 403
    assert operator.post(f"{path}/delete/", {"post": "yes"}).status_code == 403
    assert operator.get("/admin/audit/entry/add/").status_code == 403
