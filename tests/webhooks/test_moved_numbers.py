"""A number that goes from one tenant to another: Meta says whose it is, and what it said long ago proves nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from credentials import tasks as credential_tasks
from credentials.models import Credential
from integrationhub.outbox.models import OutboxMessage
from tests.make import Api, another_tenant
from tests.meta.fixtures import meta
from tests.meta.graph_server import GraphServer
from tests.whatsapp import numbers
from whatsapp import accounts
from whatsapp import tasks as whatsapp_tasks

__all__ = ["meta"]

OTHER = "109999999999999"
BUYERS = "EAAG-the-token-of-who-has-the-number-now"
GIVE = "integrationhub.webhooks.tasks.give_what_was_kept"
ASKING = {
    "credentials.tasks.ask_again": credential_tasks.ask_again,
    "whatsapp.tasks.ask_holder": whatsapp_tasks.ask_holder,
}


@pytest.fixture(autouse=True)
def no_deployment(settings: Any, meta: GraphServer) -> None:
    settings.META_WABA_ID = settings.META_WHATSAPP_ACCESS_TOKEN = settings.META_WHATSAPP_PHONE_NUMBER_ID = ""
    meta.other_numbers = [OTHER]


@pytest.fixture
def first(api: Api, meta: GraphServer) -> Api:
    """Who has bound the number, and proven it."""
    assert numbers.bind(api, numbers.credentials(meta)).status_code == 201
    worked_off()
    return api


@pytest.fixture
def second(first: Api) -> Api:
    return another_tenant()


def credential(tenant: Api) -> dict[str, Any]:
    found: dict[str, Any] = next(row for row in tenant.get("/credentials").json()["data"] if row["status"] == "active")
    return found


def moves_to_another_number(tenant: Api, meta: GraphServer) -> None:
    body = {"credentials": numbers.credentials(meta, phone_number_id=OTHER)}
    assert tenant.post(f"/credentials/{credential(tenant)['id']}/rotate", body).status_code == 201


def rolls_back(tenant: Api) -> None:
    assert tenant.post(f"/credentials/{credential(tenant)['id']}/rollback").status_code == 200


def binds(tenant: Api, meta: GraphServer) -> None:
    assert numbers.bind(tenant, numbers.credentials(meta)).status_code == 201


def worked_off() -> None:
    """What a worker does of the questions that were posted, and of those that come of them."""
    for _ in range(5):
        for message in list(OutboxMessage.objects.using("system").filter(task__in=ASKING)):
            ASKING[message.task](**message.arguments)
            message.delete(using="system")
    assert not OutboxMessage.objects.using("system").filter(task__in=ASKING).exists()


def test_a_rollback_proves_nothing_and_takes_no_number_from_who_has_it_now(
    first: Api, second: Api, meta: GraphServer
) -> None:
    moves_to_another_number(first, meta)
    meta.token = BUYERS
    binds(second, meta)
    worked_off()
    given = OutboxMessage.objects.using("system").filter(tenant_id=first.tenant, task=GIVE).count()
    rolls_back(first)
    assert credential(first)["verified"] is False
    assert OutboxMessage.objects.using("system").filter(tenant_id=first.tenant, task=GIVE).count() == given
    assert accounts.tenant_of_phone_number(meta.phone_number_id) == second.tenant
    worked_off()
    assert credential(first)["failing_since"]
    assert accounts.tenant_of_phone_number(meta.phone_number_id) == second.tenant


def test_who_comes_back_to_a_number_comes_after_who_has_proven_it_meanwhile(
    first: Api, second: Api, meta: GraphServer
) -> None:
    """Though Meta takes the tokens of both."""
    moves_to_another_number(first, meta)
    binds(second, meta)
    rolls_back(first)
    worked_off()
    assert credential(first)["verified"] is True
    assert accounts.tenant_of_phone_number(meta.phone_number_id) == second.tenant


def test_a_rollback_to_another_token_of_the_same_number_keeps_it(first: Api, second: Api, meta: GraphServer) -> None:
    binds(second, meta)
    binds(first, meta)
    rolls_back(first)
    worked_off()
    assert credential(first)["verified"] is True
    assert accounts.tenant_of_phone_number(meta.phone_number_id) == first.tenant


def test_who_proves_a_number_has_it_once_meta_refuses_who_had_it(first: Api, second: Api, meta: GraphServer) -> None:
    """As of a number that was sold by a tenant which sends nothing any more: nobody else would ask Meta about it."""
    meta.token = BUYERS
    binds(second, meta)
    worked_off()
    assert credential(first)["verified"] is False
    assert accounts.tenant_of_phone_number(meta.phone_number_id) == second.tenant


def test_while_meta_takes_both_tokens_the_number_stays_with_the_first(
    first: Api, second: Api, meta: GraphServer
) -> None:
    """As of one account that two agencies look after. Each asks about the other no more than once."""
    meta.asked.clear()
    binds(second, meta)
    worked_off()
    assert [asked.path for asked in meta.asked] == [f"/{meta.waba_id}/phone_numbers"] * 2
    assert accounts.tenant_of_phone_number(meta.phone_number_id) == first.tenant


def test_a_credential_that_has_expired_holds_no_number_against_another(
    first: Api, second: Api, meta: GraphServer
) -> None:
    ended = datetime.now(UTC) - timedelta(minutes=1)
    Credential.objects.using("system").filter(tenant_id=first.tenant).update(expires_at=ended)
    assert accounts.tenant_of_phone_number(meta.phone_number_id) == first.tenant
    binds(second, meta)
    worked_off()
    assert accounts.tenant_of_phone_number(meta.phone_number_id) == second.tenant
    assert accounts.tenants_of_waba(meta.waba_id) == [second.tenant]


def test_what_meta_cannot_be_asked_changes_nothing(first: Api, second: Api, meta: GraphServer) -> None:
    binds(second, meta)
    meta.fail(2, 503, on="phone_numbers")
    worked_off()
    assert credential(first)["verified"] is True
    assert accounts.tenant_of_phone_number(meta.phone_number_id) == first.tenant
