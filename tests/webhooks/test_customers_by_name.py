"""Customers who have a user name may come without a number, under an id that stands for it at this business alone."""

import time
from typing import Any
from uuid import uuid4

import pytest

from integrationhub.webhooks.models import NOBODY
from tests.make import Api, another_tenant
from tests.meta.fixtures import meta
from tests.meta.graph_server import APP_SECRET, PHONE_NUMBER_ID, WABA_ID, GraphServer
from tests.webhooks import posting
from tests.webhooks.posting import change, events, work_off, written
from tests.whatsapp import numbers, talking
from tests.whatsapp.talking import HELLO, SHIPPED, Talk, know_template
from whatsapp.models import Delivery

__all__ = ["meta"]

# As the Graph server tells it of whom a message went to.
USER_ID = "US.13491208655302741918"


@pytest.fixture(params=["shared", "own"])
def talk(api: Api, meta: GraphServer, settings: Any, request: pytest.FixtureRequest) -> Talk:
    """A tenant that has written to a customer with a name, by the number that all share or by its own."""
    settings.PLATFORM_TENANT_ID = ""
    if request.param == "own":
        settings.META_WABA_ID = settings.META_WHATSAPP_ACCESS_TOKEN = settings.META_WHATSAPP_PHONE_NUMBER_ID = ""
        assert numbers.bind(api, numbers.credentials(meta)).status_code == 201
    return written_to(Talk(api), meta)


def written_to(talk: Talk, meta: GraphServer) -> Talk:
    meta.odd = True
    know_template(talk.tenant)
    talk.sent(SHIPPED)
    return talk


def tell(name: str, **over: Any) -> None:
    known = {"id": f"wamid.{uuid4().hex}", "timestamp": str(int(time.time())), "from_user_id": USER_ID}
    told = {**known, **({"type": "text", "text": {"body": "hi"}} if name == "messages" else {}), **over}
    body = written({**change(phone=PHONE_NUMBER_ID, **{name: [told]}), "field": name}, waba=WABA_ID)
    assert posting.post(body, secret=APP_SECRET).status_code == 200
    work_off()


CALL = {"direction": "USER_INITIATED", "event": "connect"}
TOLD: dict[str, tuple[str, dict[str, Any]]] = {
    "a message": ("messages", {}),
    "a message with the id in the number's place": ("messages", {"from": USER_ID, "from_user_id": None}),
    "a call": ("calls", CALL),
}


@pytest.mark.parametrize("how", TOLD)
def test_what_a_customer_without_a_number_tells_opens_the_window_of_the_number(talk: Talk, how: str) -> None:
    assert talk.window()["open"] is False
    name, over = TOLD[how]
    tell(name, **over)
    assert [event.status for event in events(talk.tenant)] == ["processed"]
    assert talk.window()["open"] is True
    assert talk.sent(HELLO)["status"] == "accepted"


def test_another_customers_words_open_nothing(talk: Talk) -> None:
    tell("messages", from_user_id="US.1")
    assert talk.window()["open"] is False


def test_of_tenants_that_share_a_number_the_one_that_wrote_last_is_answered(
    api: Api, meta: GraphServer, settings: Any
) -> None:
    settings.PLATFORM_TENANT_ID = ""
    first, last = (written_to(Talk(each), meta) for each in (api, another_tenant()))
    tell("messages")
    tell("calls", **CALL)
    tell("messages", from_user_id="US.1")
    assert ([each.type for each in events(last.tenant)], events(first.tenant)) == (["message", "call"], [])
    assert len(events(NOBODY)) == 1


def test_the_id_of_a_customer_is_learnt_from_what_became_of_a_message(talk: Talk) -> None:
    Delivery.objects.using("system").update(user_id="")
    [sent] = talk.deliveries()
    talk.meta_tells(talking.status(sent, "delivered", recipient_user_id=USER_ID))
    tell("messages")
    assert talk.window()["open"] is True
