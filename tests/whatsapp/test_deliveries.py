"""What became of a message: by Meta's webhooks, in whatever order and however often they come."""

import time
from itertools import permutations
from typing import Any
from uuid import uuid4

import pytest

from integrationhub.core import catalogue
from integrationhub.core.tenancy import tenant_scope
from providers.meta_graph import Sent
from tests.make import Api, another_tenant
from tests.meta.graph_server import GraphServer
from tests.whatsapp.talking import CUSTOMER, SHIPPED, Talk, failure, know_template, status, value_of
from whatsapp import deliveries, inbound

NOW = int(time.time())
PATH = ["sent", "delivered", "read", "played"]


def told(talk: Talk, delivery: dict[str, Any], *words: str) -> dict[str, Any]:
    """The delivery after these statuses, one webhook each; their times are those of the way it went."""
    times = {word: NOW + at for at, word in enumerate([*PATH, "failed"])}
    for word in words:
        make = failure if word == "failed" else status
        extra = {} if word == "failed" else {"word": word}
        talk.meta_tells(make(delivery, at=times[word], **extra))
    return talk.delivery(delivery["id"])


@pytest.mark.parametrize("order", list(permutations(PATH[:3])), ids=" ".join)
def test_a_status_never_goes_back_and_every_time_is_kept(talk: Talk, meta: GraphServer, order: tuple[str, ...]) -> None:
    found = told(talk, talk.sent(), *order)
    assert found["status"] == "read"
    assert {step["status"] for step in found["timeline"]} == {"accepted", "sent", "delivered", "read"}


@pytest.mark.parametrize("order", list(permutations(["sent", "failed"])), ids=" ".join)
def test_what_was_accepted_or_sent_and_failed_has_failed_for_good(
    talk: Talk, meta: GraphServer, order: tuple[str, ...]
) -> None:
    found = told(talk, talk.sent(), *order)
    assert found["status"] == "failed"
    assert found["error"] == {
        "code": catalogue.META_UNDELIVERABLE.code,
        "message": "Message undeliverable",
        "meta": {"code": 131026, "subcode": None, "details": "Message Undeliverable.", "fbtrace_id": None},
    }


@pytest.mark.parametrize("order", list(permutations(["delivered", "failed", "sent"])), ids=" ".join)
def test_what_reached_the_customer_did_not_fail_whichever_is_heard_of_first(
    talk: Talk, meta: GraphServer, order: tuple[str, ...]
) -> None:
    found = told(talk, talk.sent(), *order)
    assert (found["status"], found["error"]) == ("delivered", None)
    assert "failed" in {step["status"] for step in found["timeline"]}


def test_told_twice_it_changes_no_more(talk: Talk, meta: GraphServer) -> None:
    delivery = talk.sent()
    first = told(talk, delivery, "sent", "delivered")
    again = told(talk, delivery, "sent", "delivered", "sent")
    assert {**again, "updated_at": ""} == {**first, "updated_at": ""}


def test_a_played_voice_message_is_further_than_read(talk: Talk, meta: GraphServer) -> None:
    assert told(talk, talk.sent(), "played", "read")["status"] == "played"


MEANINGS = {
    131047: catalogue.TEMPLATE_REQUIRED,
    131053: catalogue.WHATSAPP_UNAVAILABLE,
    131049: catalogue.META_UNDELIVERABLE,
    130429: catalogue.META_RATE_LIMIT,
    987654: catalogue.META_INVALID_PARAM,
}


@pytest.mark.parametrize("code", MEANINGS)
def test_a_failure_that_meta_tells_later_has_the_code_that_it_would_have_had_at_once(
    talk: Talk, meta: GraphServer, code: int
) -> None:
    delivery = talk.sent()
    talk.meta_tells(failure(delivery, code))
    assert talk.delivery(delivery["id"])["error"]["code"] == MEANINGS[code].code


ODD_ERRORS = {"none": {"errors": []}, "a word": {"errors": "why"}, "no code": {"errors": [{"title": "No\x00 idea"}]}}


@pytest.mark.parametrize("odd", ODD_ERRORS)
def test_a_failure_whose_reason_cannot_be_read_is_still_a_failure(talk: Talk, meta: GraphServer, odd: str) -> None:
    delivery = talk.sent()
    assert talk.meta_tells(failure(delivery, **ODD_ERRORS[odd])) == [True]
    assert talk.delivery(delivery["id"])["status"] == "failed"


def test_a_message_of_another_program_on_the_same_number_is_no_delivery_of_ours(talk: Talk, meta: GraphServer) -> None:
    talk.sent()
    stranger = {"message_id": "wamid.STRANGER", "id": str(uuid4())}
    assert talk.meta_tells(status(stranger, "sent")) == [False]
    assert len(talk.deliveries()) == 1


def test_a_status_of_another_number_or_tenant_moves_nothing(talk: Talk, meta: GraphServer) -> None:
    delivery = talk.sent()
    item = status(delivery, "read")
    for tenant, value in ((talk.tenant, value_of("999", statuses=[item])), (uuid4(), value_of(statuses=[item]))):
        with tenant_scope(tenant):
            assert list(inbound.handle_statuses(tenant, [value])) == []
    assert talk.delivery(delivery["id"])["status"] == "accepted"


def test_our_id_moves_no_delivery_that_meta_knows_by_another_id(talk: Talk, meta: GraphServer) -> None:
    delivery = talk.sent()
    forged = {**delivery, "message_id": "wamid.OTHER"}
    assert talk.meta_tells(status(forged, "read")) == [False]
    assert talk.delivery(delivery["id"])["message_id"] == delivery["message_id"]


def test_an_answer_that_leaves_the_customer_out_forgets_nothing_that_a_webhook_told(
    talk: Talk, meta: GraphServer
) -> None:
    """Meta names who writes by a user name in the status, which may come before the answer."""
    delivery = talk.sent()
    talk.meta_tells(status(delivery, "sent", recipient_user_id="US.1349"))
    row = deliveries.get(tenant_id=talk.tenant, message_id=delivery["id"])
    row = deliveries.accepted(row, Sent(delivery["message_id"]))
    assert (row.user_id, row.wa_id) == ("US.1349", CUSTOMER.removeprefix("+"))


# --- Reading them ---


def test_a_delivery_is_found_by_our_id_and_by_metas(talk: Talk, meta: GraphServer) -> None:
    delivery = talk.sent()
    assert talk.delivery(delivery["message_id"]) == talk.delivery(delivery["id"]) == delivery


def without_times(answer: Any) -> tuple[int, dict[str, Any]]:
    said = {name: value for name, value in answer.json().items() if name not in ("path", "timestamp", "requestId")}
    return answer.status_code, said


def test_another_tenants_delivery_and_none_at_all_are_one_answer(talk: Talk, meta: GraphServer) -> None:
    delivery = talk.sent()
    stranger = another_tenant()
    names = [delivery["id"], delivery["message_id"], str(uuid4()), "wamid.NOBODY", "a%2Fb", "x" * 2000]
    answers = [without_times(stranger.get(f"/whatsapp/deliveries/{name}")) for name in names]
    assert all(answer == answers[0] for answer in answers)
    assert (answers[0][0], answers[0][1]["code"]) == (403, catalogue.DELIVERY_NOT_FOUND.code)


def test_deliveries_are_listed_newest_first_and_filtered(talk: Talk, meta: GraphServer) -> None:
    know_template(talk.tenant)
    text, template = talk.sent(), talk.sent(SHIPPED)
    meta.fail(131026)
    talk.send()
    [failed, *others] = talk.deliveries()
    assert (failed["status"], others) == ("failed", [template, text])
    assert talk.deliveries("?status=failed") == [failed]
    assert talk.deliveries("?type=template") == [template]
    assert talk.deliveries("?template_name=order_shipped") == [template]
    assert talk.deliveries("?to=%2B14155550000") == []
    assert talk.deliveries(f"?created_before={text['created_at'].replace(':', '%3A')}") == []
    assert talk.api.get("/whatsapp/deliveries?status=lost").status_code == 400


def test_the_next_page_goes_on_where_the_first_ended(talk: Talk, meta: GraphServer) -> None:
    sent = [talk.sent()["id"] for _ in range(3)]
    first = talk.api.get("/whatsapp/deliveries?limit=2").json()
    following = talk.api.get(f"/whatsapp/deliveries?limit=2&cursor={first['next_cursor']}").json()
    assert [row["id"] for row in first["data"] + following["data"]] == sent[::-1]


def test_operators_read_deliveries_and_change_none(talk: Talk, meta: GraphServer, operator: Any) -> None:
    meta.fail(131026)
    talk.send()
    delivery = talk.sent()
    shown = operator.get("/admin/whatsapp/delivery/").content.decode()
    assert delivery["to"] in shown
    assert catalogue.META_UNDELIVERABLE.code in shown
    page = operator.get(f"/admin/whatsapp/delivery/{delivery['id']}/change/")
    assert delivery["message_id"] in page.content.decode()
    assert operator.post(f"/admin/whatsapp/delivery/{delivery['id']}/delete/", {"post": "yes"}).status_code == 403
    assert operator.get("/admin/whatsapp/delivery/add/").status_code == 403
    assert talk.delivery(delivery["id"]) == delivery


def test_reading_wants_an_organizer(api: Api, meta: GraphServer) -> None:
    user = api.as_role("user")
    for path in ("/whatsapp/deliveries", "/whatsapp/window/+14155552671"):
        assert user.get(path).status_code == 403
