"""The control room of the providers: what each row tells, and what is asked before a lever is moved."""

import re
from collections.abc import Iterator
from html import unescape
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from integrationhub.execution import circuits, provider_health
from integrationhub.execution.models import Execution
from providers.errors import Next
from providers.models import Provider, ProviderChange
from tests.execution.test_health import attempted, failed
from tests.make import another_tenant
from tests.pages.test_shell import Elements
from tests.providers.carriers import Told, TwilioServer

LIST = "/admin/providers/provider/"
WRONG = {"account_sid": "AC" + "2" * 32, "auth_token": "a-token-that-is-wrong-0001"}


@pytest.fixture
def provider(operator: Client) -> Provider:
    return Provider.objects.get(provider_key="twilio_sms")


@pytest.fixture
def twilio(provider: Provider) -> Iterator[TwilioServer]:
    with TwilioServer() as server:
        Provider.objects.filter(pk=provider.pk).update(base_url=server.base_url)
        yield server
        assert server.faults == []


def words(html: str) -> str:
    """What a page says, its tags taken out."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def row_of(operator: Client, name: str = "Twilio") -> str:
    page = operator.get(LIST).content.decode()
    [row] = [words(row) for row in page.split("<tbody")[1:] if f"<span>{name}</span>" in row]
    return row


def installed(provider: Provider, number: int = 1, **changes: Any) -> None:
    for _ in range(number):
        other = another_tenant()
        answer = other.post(f"/marketplace/integrations/{provider.provider_key}/install", {"config": {}})
        assert answer.status_code == 201
        if changes:
            assert other.patch(f"/integrations/{answer.json()['id']}", changes).status_code == 200


def page_of(operator: Client, provider: Provider, path: str) -> str:
    answer = operator.get(f"{LIST}{provider.pk}/{path}/")
    assert answer.status_code == 200
    return words(answer.content.decode())


# --- What a row tells ---


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        (0, 0, "Not used 0 attempts"),
        (20, 0, "Healthy 100.0% of 20, p95 100 ms"),
        (9, 1, "Ailing 90.0% of 10, p95 100 ms"),
        (1, 1, "Failing 50.0% of 2, p95 100 ms"),
    ],
)
def test_a_row_says_in_words_how_its_provider_does(
    operator: Client, tenant: UUID, good: int, bad: int, said: str
) -> None:
    for _ in range(good):
        attempted(tenant)
    for _ in range(bad):
        failed(tenant, latency_ms=50)
    assert said in row_of(operator)


def test_a_row_tells_the_last_error_of_any_tenant_and_its_age(operator: Client, tenant: UUID) -> None:
    assert "none" in row_of(operator)
    failed(tenant, provider_health.HOUR / 12)
    failed(another_tenant().tenant, provider_health.HOUR / 6, reason="dns", upstream_status=None)
    assert "upstream_503 5 minutes ago, HTTP 503" in row_of(operator).replace("\xa0", " ")


def test_a_row_shows_the_circuit_of_all_tenants(operator: Client, tenant: UUID) -> None:
    assert "Closed" in row_of(operator)
    for _ in range(5):
        circuits.record(tenant, "twilio_sms", Next("away", reason="refused"), allowed_seconds=8)
    assert re.search(r"Open asked in \d s", row_of(operator))
    circuits.give_back(tenant, "twilio_sms")
    assert "Half open" in row_of(operator)


def test_a_row_counts_the_tenants_that_have_it_enabled(operator: Client, provider: Provider) -> None:
    installed(provider, 2)
    installed(provider, enabled=False)
    assert "2 tenants" in row_of(operator)


def test_a_row_without_an_adapter_says_so_and_has_no_lever(operator: Client) -> None:
    Provider.objects.create(provider_key="acme_sms", display_name="Acme", category="messaging")
    row = row_of(operator, "Acme")
    assert "acme_sms, messaging, no adapter" in row
    assert "Enable" not in row


def test_the_list_costs_the_same_however_long_it_is(operator: Client, provider: Provider, tenant: UUID) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connections["system"]) as captured:
            operator.get(LIST)
        return len(captured)

    queries()
    few = queries()
    installed(provider)
    for number in range(30):
        Provider.objects.create(provider_key=f"acme_{number}", display_name=f"Acme {number}", category="messaging")
        failed(tenant, provider_key=f"acme_{number}")
    assert queries() == few


# --- The levers ---


@pytest.mark.parametrize(("lever", "status"), [("disable", "disabled"), ("retire", "retired")])
def test_before_a_provider_is_taken_away_it_is_said_who_uses_it(
    operator: Client, provider: Provider, tenant: UUID, lever: str, status: str
) -> None:
    installed(provider, 2)
    attempted(tenant)
    attempted(tenant, provider_health.HOUR * 5)
    said = "Twilio (twilio_sms): used by 2 tenants; 2 executions in the last 24 hours."
    assert said in page_of(operator, provider, lever)
    chosen = {"action": lever, "_selected_action": [str(provider.pk)]}
    assert said in words(operator.post(LIST, chosen).content.decode())
    provider.refresh_from_db()
    assert provider.status == "active"
    assert operator.post(LIST, {**chosen, "confirmed": "yes"}).status_code == 302
    provider.refresh_from_db()
    assert provider.status == status


def test_the_page_that_asks_holds_all_that_its_button_sends(operator: Client, provider: Provider) -> None:
    html = operator.get(f"{LIST}{provider.pk}/disable/").content.decode()
    [form] = [form for form in re.findall(r"<form method=.post..+?</form>", html, re.S) if "confirmed" in form]
    sent = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))
    assert re.search(r'action="([^"]+)"', form)[1] == LIST  # type: ignore[index]
    operator.post(LIST, sent)
    provider.refresh_from_db()
    assert provider.status == "disabled"


def test_executions_that_were_not_all_counted_are_said_to_be_more(
    operator: Client, provider: Provider, tenant: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_health, "MOST_ATTEMPTS", 2)
    for _ in range(3):
        attempted(tenant)
    assert "2 executions at least" in page_of(operator, provider, "disable")


def test_a_page_offers_the_levers_that_are_not_set_already(operator: Client, provider: Provider) -> None:
    change = f"{LIST}{provider.pk}/change/"
    offered = operator.get(change).content.decode()
    assert [f"/{lever}/" in offered for lever in ("enable", "disable", "retire", "test")] == [False, True, True, True]
    Provider.objects.filter(pk=provider.pk).update(status="retired")
    offered = operator.get(change).content.decode()
    assert [f"/{lever}/" in offered for lever in ("enable", "disable", "retire")] == [True, True, False]


def test_the_form_cannot_take_a_provider_away_unasked(operator: Client, provider: Provider) -> None:
    form = {"display_name": "T", "category": "messaging", "status": "disabled", "position": 1, "summary": ""}
    assert operator.post(f"{LIST}{provider.pk}/change/", {**form, "base_url": ""}).status_code == 302
    provider.refresh_from_db()
    assert (provider.display_name, provider.status) == ("T", "active")


def test_who_may_only_look_moves_nothing(provider: Provider, client: Client) -> None:
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_provider"))
    client.force_login(clerk)
    assert client.get(LIST).status_code == 200
    for path in ("disable", "enable", "retire", "test"):
        assert client.get(f"{LIST}{provider.pk}/{path}/").status_code == 403, path
    client.post(LIST, {"action": "disable", "_selected_action": [str(provider.pk)], "confirmed": "yes"})
    client.post(LIST, {"move": f"{provider.pk}:up"})
    assert not ProviderChange.objects.exists()


def test_no_page_of_a_provider_brings_a_script_or_loads_from_elsewhere(operator: Client, provider: Provider) -> None:
    Provider.objects.filter(pk=provider.pk).update(status="disabled")
    operator.post(LIST, {"action": "enable", "_selected_action": [str(provider.pk)]})
    change = ProviderChange.objects.get()
    paths = ("change", "test", "disable", "retire", "history", f"history/{change.pk}/undo")
    for address in [LIST, *(f"{LIST}{provider.pk}/{path}/" for path in paths)]:
        page = Elements(operator.get(address).content.decode())
        ids = [given["id"] for _, given in page.found if "id" in given]
        assert len(ids) == len(set(ids)), address
        scripts = [given for given in page.named("script") if given.get("type") != "application/json"]
        assert all("src" in given for given in scripts), address
        assert [name for _, given in page.found for name in given if re.fullmatch(r"on[a-z]+", name)] == [], address
        loaded = [given.get("src") or "" for _, given in page.found]
        assert [each for each in loaded if re.match(r"(https?:)?//", each)] == [], address


# --- Testing ---


def asked(operator: Client, provider: Provider, secrets: dict[str, str]) -> str:
    answer = operator.post(f"{LIST}{provider.pk}/test/", secrets)
    assert answer.status_code == 200
    return answer.content.decode()


def test_an_operator_asks_a_provider_and_reads_its_own_words(
    operator: Client, provider: Provider, twilio: TwilioServer
) -> None:
    page = words(asked(operator, provider, WRONG))
    assert "Not accepted" in page
    assert "Authenticate" in page
    assert re.search(r"HTTP status 401 Took \d+ ms", page)
    assert "Accepted Twilio accepted these credentials." in words(asked(operator, provider, twilio.credentials))
    assert twilio.hits == 2


def test_what_was_typed_is_kept_nowhere_and_comes_back_on_no_page(
    operator: Client, provider: Provider, twilio: TwilioServer
) -> None:
    twilio.answer = lambda _: Told(401, {"code": 20003, "message": f"No such token {WRONG['auth_token']}"})
    page = asked(operator, provider, WRONG)
    assert "No such token [hidden]" in page
    history = operator.get(f"{LIST}{provider.pk}/history/").content.decode()
    assert "Tested: not accepted." in history
    for shown in (page, history):
        assert WRONG["auth_token"] not in shown
    with connections["owner"].cursor() as cursor:
        for table in connections["owner"].introspection.table_names(cursor):
            cursor.execute(f"SELECT count(*) FROM {table} kept WHERE kept::text LIKE %s", [f"%{WRONG['auth_token']}%"])
            assert cursor.fetchone() == (0,), table
    assert not Execution.objects.using("system").exists()


def test_a_secret_field_is_typed_blind(operator: Client, provider: Provider) -> None:
    html = operator.get(f"{LIST}{provider.pk}/test/").content.decode()
    [token] = re.findall(r'<input[^>]*name="auth_token"[^>]*>', html)
    assert 'type="password"' in token
    assert 'autocomplete="new-password"' in token
    [sid] = re.findall(r'<input[^>]*name="account_sid"[^>]*>', html)
    assert 'type="text"' in sid
    assert "required" in sid


def test_what_does_not_fit_the_schema_is_said_at_its_field_and_nothing_is_asked(
    operator: Client, provider: Provider, twilio: TwilioServer
) -> None:
    html = asked(operator, provider, {"account_sid": "AC1", "auth_token": "short"})
    [sid] = re.findall(r'<input[^>]*name="account_sid"[^>]*>', html)
    assert 'aria-invalid="true"' in sid
    [described] = re.findall(r'aria-describedby="([^"]+)"', sid)
    assert all(f'id="{each}"' in html for each in described.split())
    assert "Wrong form: AC and 32 hexadecimal digits" in words(html)
    assert "Too short: at least 16 characters." in words(html)
    assert twilio.hits == 0


def test_a_fault_of_the_whole_is_said_above_the_fields(
    operator: Client, provider: Provider, twilio: TwilioServer
) -> None:
    html = asked(operator, provider, {"account_sid": twilio.account_sid})
    assert "exactly one of auth_token, api_key_sid and api_key_secret" in words(html)
    assert twilio.hits == 0


def test_a_provider_that_cannot_be_tested_is_no_success(operator: Client) -> None:
    sandbox = Provider.objects.get(provider_key="sandbox_primary")
    page = words(asked(operator, sandbox, {}))
    assert "Cannot be tested" in page
    assert "Accepted" not in page


def test_a_provider_without_an_adapter_has_nothing_to_ask(operator: Client) -> None:
    planned = Provider.objects.create(provider_key="acme_sms", display_name="Acme", category="messaging")
    assert "no adapter yet" in words(asked(operator, planned, {}))


def test_no_connection_of_operators_is_held_while_the_provider_thinks(
    operator: Client, provider: Provider, twilio: TwilioServer
) -> None:
    held: list[int] = []

    def count(_: Any) -> None:
        stats = connections["system"].pool.get_stats()  # type: ignore[attr-defined]
        held.append(stats["pool_size"] - stats["pool_available"])

    twilio.answer = count
    connections.close_all()
    count(None)  # What a thread of another test may have left.
    asked(operator, provider, twilio.credentials)
    assert held[1:] == held[:1]
