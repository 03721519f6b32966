"""A number that was proven once stays its tenant's: a token that Meta refuses later takes no message away."""

from typing import Any

import pytest

from integrationhub.outbox.models import OutboxMessage
from integrationhub.webhooks import processing, tasks
from integrationhub.webhooks.models import NOBODY, WebhookEvent
from tests.make import Api, another_tenant
from tests.meta.fixtures import meta
from tests.meta.graph_server import APP_SECRET, GraphServer
from tests.webhooks import posting
from tests.webhooks.posting import events, work_off
from tests.whatsapp import numbers
from tests.whatsapp.talking import Talk
from whatsapp import accounts

__all__ = ["meta"]

OTHER = "109999999999999"
GIVE = "integrationhub.webhooks.tasks.give_what_was_kept"


@pytest.fixture
def talk(api: Api, meta: GraphServer, settings: Any) -> Talk:
    """A tenant with a number of its own, in a deployment that has none."""
    settings.META_WABA_ID = settings.META_WHATSAPP_ACCESS_TOKEN = settings.META_WHATSAPP_PHONE_NUMBER_ID = ""
    assert numbers.bind(api, numbers.credentials(meta)).status_code == 201
    return Talk(api)


def refuse(talk: Talk, meta: GraphServer, code: int) -> None:
    talk.customer_writes()
    meta.fail(code, 403 if code == 131005 else 401, on="messages")
    assert talk.send().json()["code"] == "META_UNAUTHORIZED"
    [row] = talk.api.get("/credentials").json()["data"]
    assert (row["verified"], bool(row["failing_since"])) == (False, True)


def customer_writes(wamid: str = "wamid.1", phone: str = posting.PHONE) -> None:
    """By the address that all share; Meta posts it, and a worker takes it up."""
    assert posting.post(posting.messages(wamid, phone=phone), secret=APP_SECRET).status_code == 200
    work_off()


def heard(talk: Talk) -> list[str]:
    return [event.reference for event in events(talk.tenant)]


def give() -> None:
    """What a worker does of what was asked for once a number is known."""
    for message in list(OutboxMessage.objects.using("system").filter(task=GIVE)):
        tasks.give_what_was_kept(**message.arguments)
        message.delete(using="system")


@pytest.mark.parametrize("code", [131005, 190])
def test_a_tenant_whose_token_is_refused_has_its_customers_messages(talk: Talk, meta: GraphServer, code: int) -> None:
    refuse(talk, meta, code)
    customer_writes()
    assert (heard(talk), events(NOBODY)) == (["wamid.1"], [])
    assert events(talk.tenant)[0].status == WebhookEvent.Status.PROCESSED
    assert talk.window("+16505551234")["closes_at"].startswith("2025-06-16")


def test_a_new_version_that_nobody_has_asked_meta_about_keeps_the_number(talk: Talk, meta: GraphServer) -> None:
    refuse(talk, meta, 190)
    unasked = numbers.credentials(meta, access_token="EAAG-a-token-of-which-nothing-is-known")
    assert numbers.bind(talk.api, unasked, verify=False).status_code == 201
    customer_writes()
    assert heard(talk) == ["wamid.1"]


def test_what_was_never_proven_is_still_nobodys(talk: Talk, meta: GraphServer) -> None:
    """And a proof is of one number, not of the next that the same tenant names."""
    other = numbers.credentials(meta, phone_number_id=OTHER)
    assert numbers.bind(talk.api, other, verify=False).status_code == 201
    customer_writes(phone=OTHER)
    assert (heard(talk), len(events(NOBODY))) == ([], 1)


def test_whoever_unbinds_a_number_gives_it_up(talk: Talk, meta: GraphServer) -> None:
    refuse(talk, meta, 190)
    [row] = talk.api.get("/credentials").json()["data"]
    assert talk.api.delete(f"/credentials/{row['id']}").status_code == 204
    assert numbers.bind(talk.api, numbers.credentials(meta), verify=False).status_code == 201
    customer_writes()
    assert (heard(talk), len(events(NOBODY))) == ([], 1)


def test_another_tenants_proof_ends_one_that_meta_refuses_now(talk: Talk, meta: GraphServer) -> None:
    """As of a number that was sold. And once both are refused, it is whose proof was the later one."""
    refuse(talk, meta, 190)
    assert accounts.tenants_of_waba(meta.waba_id) == [talk.tenant]
    second = Talk(another_tenant())
    assert numbers.bind(second.api, numbers.credentials(meta)).status_code == 201
    customer_writes()
    refuse(second, meta, 190)
    customer_writes("wamid.2")
    assert accounts.tenants_of_waba(meta.waba_id) == [second.tenant]
    assert (heard(talk), heard(second)) == ([], ["wamid.1", "wamid.2"])


def test_a_token_that_meta_takes_again_proves_the_number_once(talk: Talk, meta: GraphServer) -> None:
    refuse(talk, meta, 190)
    give()
    [row] = talk.api.get("/credentials").json()["data"]
    assert talk.api.post(f"/credentials/{row['id']}/verify").json()["verified"] is True
    assert OutboxMessage.objects.using("system").filter(task=GIVE).count() == 1


def test_what_was_kept_for_nobody_is_given_to_who_proves_the_number(meta: GraphServer, api: Api, settings: Any) -> None:
    settings.META_WABA_ID = settings.META_WHATSAPP_ACCESS_TOKEN = settings.META_WHATSAPP_PHONE_NUMBER_ID = ""
    customer_writes()
    customer_writes("wamid.of-another-number", phone=OTHER)
    assert numbers.bind(api, numbers.credentials(meta), verify=False).status_code == 201
    give()
    assert heard(Talk(api)) == []
    [row] = api.get("/credentials").json()["data"]
    assert api.post(f"/credentials/{row['id']}/verify").json()["verified"] is True
    give()
    [event] = events(api.tenant)
    assert (event.reference, event.status) == ("wamid.1", WebhookEvent.Status.PROCESSED)
    assert [kept.reference for kept in events(NOBODY)] == ["wamid.of-another-number"]
    assert Talk(api).window("+16505551234")["closes_at"]


def test_many_that_were_kept_are_given_task_by_task(
    meta: GraphServer, api: Api, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.META_WABA_ID = settings.META_WHATSAPP_ACCESS_TOKEN = settings.META_WHATSAPP_PHONE_NUMBER_ID = ""
    monkeypatch.setattr(processing, "KEPT_AT_ONCE", 1)
    for wamid in ("wamid.1", "wamid.2"):
        customer_writes(wamid)
    assert numbers.bind(api, numbers.credentials(meta)).status_code == 201
    give()
    assert heard(Talk(api)) == ["wamid.1"]
    give()
    assert (heard(Talk(api)), events(NOBODY)) == (["wamid.1", "wamid.2"], [])
