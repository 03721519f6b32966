"""What Meta posts moves deliveries, opens windows and changes templates, of the tenant alone whom it concerns."""

import time
from typing import Any
from uuid import UUID, uuid4

import pytest

from integrationhub.webhooks.models import NOBODY, WebhookEvent
from tests import s3
from tests.make import Api, another_tenant
from tests.meta.fixtures import meta
from tests.meta.graph_server import APP_SECRET, PHONE_NUMBER_ID, WABA_ID
from tests.templates.making import stored
from tests.templates.reading import templates_of
from tests.webhooks import posting
from tests.webhooks.posting import change, events, work_off, written
from tests.whatsapp import keeping, talking
from tests.whatsapp.talking import CUSTOMER, HELLO, Talk
from whatsapp.models import Conversation

__all__ = ["meta"]
WROTE = {"from": CUSTOMER.removeprefix("+"), "type": "text", "text": {"body": "hi"}}


@pytest.fixture
def talk(api: Api, meta: object, settings: Any) -> Talk:
    """A tenant that sends by the deployment's number, which is nobody's own; its customer wrote just now."""
    settings.PLATFORM_TENANT_ID = ""
    customer_writes()
    return Talk(api)


def customer_writes(seconds_ago: float = 0, **over: Any) -> None:
    wrote = {"id": f"wamid.{uuid4().hex}", "timestamp": str(int(time.time() - seconds_ago)), **WROTE, **over}
    tell(change(phone=PHONE_NUMBER_ID, messages=[wrote]))


def tell(*changes: Any) -> None:
    """Meta posts it, and a worker takes it up."""
    assert posting.post(written(*changes, waba=WABA_ID), secret=APP_SECRET).status_code == 200
    work_off()


def tell_status(delivery: dict[str, Any], word: str, **over: Any) -> None:
    tell(change(phone=PHONE_NUMBER_ID, statuses=[talking.status(delivery, word, **over)]))


def states(tenant: UUID) -> list[tuple[str, str]]:
    return [(event.type, event.status) for event in events(tenant)]


def test_a_customer_who_writes_opens_the_window_and_an_answer_may_go_out(talk: Talk) -> None:
    assert talk.window()["open"] is True
    assert talk.sent()["status"] == "accepted"


@pytest.mark.parametrize(("direction", "is_open"), [("USER_INITIATED", True), ("BUSINESS_INITIATED", False)])
def test_a_customer_who_calls_opens_the_window_too(talk: Talk, direction: str, is_open: bool) -> None:
    Conversation.objects.using("system").all().delete()
    call = {"id": "wacid.1", "from": WROTE["from"], "to": "15550602200", "event": "connect", "direction": direction}
    value = change(phone=PHONE_NUMBER_ID)["value"] | {"calls": [{**call, "timestamp": str(int(time.time()))}]}
    tell({"field": "calls", "value": value})
    assert talk.window()["open"] is is_open


def test_a_delivery_moves_on_to_what_meta_tells(talk: Talk) -> None:
    sent = talk.sent()
    for word in ("delivered", "sent", "read"):
        tell_status(sent, word)
    moved = talk.delivery(sent["id"])
    assert moved["status"] == "read"
    assert {step["status"] for step in moved["timeline"]} == {"accepted", "sent", "delivered", "read"}
    assert states(talk.tenant) == [("status", "processed")] * 3


def test_of_tenants_that_share_a_number_each_hears_of_its_own_messages(talk: Talk) -> None:
    other = Talk(another_tenant())
    mine, theirs = talk.sent(), other.sent()
    tell_status(mine, "delivered")
    tell_status(theirs, "failed", errors=[{"code": 131026, "title": "Message undeliverable"}])
    assert [talk.delivery(mine["id"])["status"], other.delivery(theirs["id"])["status"]] == ["delivered", "failed"]
    assert [states(each.tenant) for each in (talk, other)] == [[("status", "processed")]] * 2


def test_a_status_that_is_faster_than_the_answer_finds_its_delivery_by_our_id(talk: Talk) -> None:
    """As after a send whose answer was lost: Meta's id is known from the status alone."""
    row = talking.delivered(talk.tenant)
    type(row).objects.using("system").filter(id=row.id).update(meta_id="", status="unknown")
    tell_status({"id": str(row.id), "message_id": "wamid.of-a-lost-answer"}, "delivered")
    assert talk.delivery("wamid.of-a-lost-answer")["status"] == "delivered"


def test_a_status_of_a_message_that_is_not_ours_is_kept_for_operators(talk: Talk) -> None:
    tell_status({"id": str(uuid4()), "message_id": "wamid.of-another-system"}, "read")
    assert events(talk.tenant) == []
    assert ("status", "kept") in states(NOBODY)


def test_a_reply_is_whose_message_it_names_else_of_who_wrote_last(talk: Talk) -> None:
    other = Talk(another_tenant())
    mine = talk.sent()
    other.sent()
    customer_writes(context={"from": "15550602200", "id": mine["message_id"]})
    assert (states(talk.tenant), states(other.tenant)) == ([("message", "processed")], [])
    customer_writes()
    assert (len(events(talk.tenant)), states(other.tenant)) == (1, [("message", "processed")])


def test_a_picture_of_a_customer_is_fetched_for_the_tenant_whom_it_was_sent_to(talk: Talk, settings: Any) -> None:
    s3.lead_to(settings, "http://127.0.0.1:9", "media")
    mine = talk.sent()
    customer_writes(**keeping.picture("1166846181421424"), context={"id": mine["message_id"]})
    medium = keeping.row(talk.tenant)
    assert medium.media_id == "1166846181421424"
    assert keeping.posted() == [{"tenant_id": str(talk.tenant), "medium_id": str(medium.id), "after": 0}]


def test_who_writes_to_the_customer_by_another_number_gets_none_of_the_replies(talk: Talk) -> None:
    talk.sent()
    other = talking.delivered(another_tenant().tenant)
    type(other).objects.using("system").filter(id=other.id).update(phone_number_id="999")
    customer_writes()
    assert (states(talk.tenant), states(other.tenant_id)) == ([("message", "processed")], [])


def test_who_wrote_to_a_shared_number_may_be_answered_by_all_who_send_by_it(talk: Talk) -> None:
    """Meta counts the 24 hours by the pair of numbers."""
    assert Talk(another_tenant()).window()["open"] is True
    assert Conversation.objects.using("system").get().tenant_id == NOBODY
    assert states(NOBODY) == [("message", "processed")]
    tell(change(phone="999", messages=[{"id": "wamid.9", "timestamp": str(int(time.time())), **WROTE}]))
    assert Conversation.objects.using("system").count() == 1


def test_a_template_that_meta_pauses_is_paused_here(talk: Talk, settings: Any) -> None:
    settings.PLATFORM_TENANT_ID = str(talk.tenant)  # Whose the deployment's account is.
    template = stored(talk.tenant, waba_id=WABA_ID)
    paused = {"event": "PAUSED", "message_template_id": template.meta_id, "message_template_name": template.name}
    tell({"field": "message_template_status_update", "value": paused})
    assert templates_of(talk.tenant) == {template.name: "PAUSED"}
    assert states(talk.tenant) == [("message_template_status_update", "processed")]


def test_the_older_of_two_states_in_one_body_is_applied_first(talk: Talk, settings: Any) -> None:
    settings.PLATFORM_TENANT_ID = str(talk.tenant)
    template = stored(talk.tenant, waba_id=WABA_ID)
    told = [
        {
            "id": WABA_ID,
            "time": 1750000000 + at,
            "changes": [
                {
                    "field": "message_template_status_update",
                    "value": {"event": event, "message_template_id": template.meta_id},
                }
            ],
        }
        for at, event in [(9, "APPROVED"), *((at, "PAUSED") for at in range(8)), (10, "DISABLED")]
    ]
    body = posting.json.dumps({"object": "whatsapp_business_account", "entry": told}).encode()
    assert posting.post(body, secret=APP_SECRET).status_code == 200
    work_off()
    assert templates_of(talk.tenant) == {template.name: "DISABLED"}


@pytest.mark.parametrize(
    ("over", "reason"), [({"timestamp": "yesterday"}, "bad_timestamp"), ({"from": None}, "no_sender")]
)
def test_a_message_that_cannot_be_read_is_shown_with_the_reason_and_not_tried_again(
    talk: Talk, over: dict[str, Any], reason: str
) -> None:
    talk.sent()
    customer_writes(**{"context": {"id": talk.deliveries()[0]["message_id"]}, **over})
    event: WebhookEvent = events(talk.tenant)[-1]
    assert (event.status, event.due_at, len(event.attempts)) == ("failed", None, 1)
    assert reason in event.attempts[0]["error"]
    shown = talk.api.get(f"/webhooks/{event.id}").json()
    assert (shown["status"], "hi" in shown["raw_body"]) == ("failed", True)


def test_who_could_not_write_to_the_customer_gets_none_of_the_replies(talk: Talk, meta: Any) -> None:
    talk.sent()
    refused, failed, unsent = (Talk(another_tenant()) for _ in range(3))
    meta.fail(131026)
    assert refused.send().status_code == 400
    tell_status(failed.sent(), "failed", errors=[{"code": 131049, "title": "Not delivered"}])
    row = talking.delivered(unsent.tenant)
    type(row).objects.using("system").filter(id=row.id).update(meta_id="", status="unknown")
    customer_writes()
    assert "message" in {kind for kind, _ in states(talk.tenant)}
    assert all("message" not in {kind for kind, _ in states(each.tenant)} for each in (refused, failed, unsent))


def test_a_reaction_is_whose_message_it_names(talk: Talk) -> None:
    other = Talk(another_tenant())
    mine = talk.sent()
    other.sent()
    customer_writes(type="reaction", reaction={"message_id": mine["message_id"], "emoji": "👍"})
    assert (states(talk.tenant), states(other.tenant)) == ([("message", "processed")], [])


def test_of_calls_in_one_body_each_is_its_own_customers(talk: Talk) -> None:
    other = Talk(another_tenant())
    talk.sent()
    other.sent({**HELLO, "to": "+14155550000", "fallback_template": fallback(other)})
    at = {"timestamp": str(int(time.time())), "direction": "USER_INITIATED", "event": "connect"}
    calls = [{"id": f"wacid.{who}", "from": who, **at} for who in (CUSTOMER.removeprefix("+"), "14155550000")]
    ends = [{**call, "event": "terminate"} for call in calls]
    tell(change("calls", phone=PHONE_NUMBER_ID, calls=calls + ends))
    assert [states(each.tenant) for each in (talk, other)] == [[("call", "processed")] * 2] * 2
    assert "14155550000" not in "".join(event.payload for event in events(talk.tenant))


def fallback(talk: Talk) -> dict[str, Any]:
    talking.know_template(talk.tenant)
    return {"name": "order_shipped", "language": "en", "params": {"body": ["Ada", "A-1042"]}}


def test_of_a_template_what_has_another_shape_is_kept_and_shown_too(talk: Talk, settings: Any) -> None:
    settings.PLATFORM_TENANT_ID = str(talk.tenant)
    tell({"field": "template_category_update", "value": {"errors": [7], "messages": {"a": 1}}})
    assert [kind for kind, _ in states(talk.tenant)] == ["template_category_update"]
