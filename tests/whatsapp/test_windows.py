"""The 24 hours: whose message opens them, by which clock, and between which two numbers."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.make import Api
from tests.meta.graph_server import GraphServer
from tests.whatsapp.talking import CUSTOMER, DAY, Talk, value_of
from whatsapp import inbound


@pytest.fixture
def silent(api: Api, meta: GraphServer) -> Talk:
    """The customer has not written."""
    return Talk(api)


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def test_a_customers_message_opens_the_window_for_24_hours_of_metas_clock(silent: Talk) -> None:
    silent.customer_writes(seconds_ago=3600)
    window = silent.window()
    assert (window["phone"], window["open"]) == (CUSTOMER, True)
    closes_at = datetime.fromisoformat(window["closes_at"])
    assert abs(closes_at - (datetime.now(UTC) + timedelta(hours=23))) < timedelta(seconds=5)


def test_a_webhook_that_comes_a_day_late_opens_nothing(silent: Talk) -> None:
    silent.customer_writes(seconds_ago=DAY + 1)
    assert silent.window()["open"] is False
    assert silent.send().status_code == 400


def test_the_latest_message_counts_in_whatever_order_they_come(silent: Talk) -> None:
    latest = str(int(time.time() - 60))
    silent.customer_writes(timestamp=latest)
    before = silent.window()
    silent.customer_writes(seconds_ago=7200)
    silent.customer_writes(timestamp=latest)
    assert silent.window()["closes_at"] == before["closes_at"]


def test_a_customer_who_never_wrote_has_no_window(silent: Talk) -> None:
    assert silent.window() == {"phone": CUSTOMER, "open": False, "closes_at": None}


def test_the_window_is_between_two_numbers_and_not_for_the_tenants_other_one(silent: Talk, settings: Any) -> None:
    silent.customer_writes()
    settings.META_WHATSAPP_PHONE_NUMBER_ID = "999999999"
    assert silent.window()["open"] is False


def test_nothing_is_sent_in_the_last_seconds_which_would_reach_meta_after_them(silent: Talk) -> None:
    silent.customer_writes(seconds_ago=DAY - 5)
    assert silent.window()["open"] is True
    assert silent.send().status_code == 400


@pytest.mark.parametrize("kind", ["image", "button", "interactive", "order", "location", "a_kind_of_2031"])
def test_any_message_of_the_customers_opens_it(silent: Talk, kind: str) -> None:
    silent.customer_writes(type=kind)
    assert silent.window()["open"] is True


@pytest.mark.parametrize("over", [{"type": "system"}, {"type": "reaction"}, {"type": "unsupported"}, {"group_id": "g"}])
def test_what_is_no_message_to_the_business_opens_nothing(silent: Talk, over: dict[str, Any]) -> None:
    assert [each.outcome for each in silent.customer_writes(**over)] == ["nothing_to_do"]
    assert silent.window()["open"] is False


ODD_TIMES = {
    "text": "yesterday",
    "none": None,
    "a list": [],
    "true": True,
    "negative": "-5",
    "zero": 0,
    "huge": "9" * 14,
    "next week": str(int(time.time()) + 7 * DAY),
}


@pytest.mark.parametrize("odd", ODD_TIMES)
def test_a_message_without_a_time_that_can_be_read_opens_nothing_and_is_told_of(silent: Talk, odd: str) -> None:
    [result] = silent.customer_writes(timestamp=ODD_TIMES[odd])
    assert result.outcome == "unreadable"
    assert result.fault is not None
    assert result.fault.reason == "bad_timestamp"
    assert silent.window()["open"] is False


@pytest.mark.parametrize("form", [str, int], ids=["text", "number"])
def test_a_time_in_milliseconds_is_read_as_one(silent: Talk, form: Any) -> None:
    silent.customer_writes(timestamp=form(int((time.time() - 3600) * 1000)))
    assert silent.window()["open"] is True


def test_a_clock_that_is_ahead_keeps_no_window_open_for_longer(silent: Talk) -> None:
    silent.customer_writes(seconds_ago=-3600)
    assert datetime.fromisoformat(silent.window()["closes_at"]) <= datetime.now(UTC) + timedelta(hours=24)


def test_a_user_without_a_number_is_kept_by_the_id_that_stands_for_one(silent: Talk) -> None:
    message = {"from_user_id": "US.1349", "id": "wamid.U", "timestamp": str(int(time.time())), "type": "text"}
    results = inbound.apply_messages(tenant_id=silent.tenant, value=value_of(messages=[message]))
    assert [each.outcome for each in results] == ["applied"]


@pytest.mark.parametrize("sender", ["14155552671", "+14155552671"])
def test_a_sender_with_or_without_a_plus_is_the_same_customer(silent: Talk, sender: str) -> None:
    silent.customer_writes(**{"from": sender})
    assert silent.window()["open"] is True


SAME = [
    ("+5541988887777", "554188887777"),
    ("+554188887777", "5541988887777"),
    ("+525512345678", "5215512345678"),
    ("+5491123456789", "541123456789"),
]


@pytest.mark.parametrize(("phone", "wa_id"), SAME)
def test_numbers_that_whatsapp_writes_with_or_without_a_digit_are_one_customer(
    silent: Talk, phone: str, wa_id: str
) -> None:
    silent.customer_writes(**{"from": wa_id})
    assert silent.window(phone)["open"] is True


@pytest.mark.parametrize(("phone", "wa_id"), [("+541123456789", "5491123456789"), ("+554133334444", "5541933334444")])
def test_a_landline_is_not_taken_for_a_mobile(silent: Talk, phone: str, wa_id: str) -> None:
    silent.customer_writes(**{"from": wa_id})
    assert silent.window(phone)["open"] is False


def test_each_item_of_a_batch_counts_for_itself(silent: Talk) -> None:
    good = {"from": "14155552671", "id": "wamid.G", "timestamp": str(int(time.time())), "type": "text"}
    batch = [None, "word", {}, {**good, "type": 7}, {**good, "from": "a\x00b"}, {**good, "timestamp": "?"}, good]
    results = inbound.apply_messages(tenant_id=silent.tenant, value=value_of(messages=batch))
    assert [each.outcome for each in results] == ["unreadable"] * 6 + ["applied"]
    assert silent.window()["open"] is True


@pytest.mark.parametrize("value", [None, [], "word", {}, {"messages": {}}, {"messages": None, "statuses": 5}])
def test_a_value_of_another_shape_is_no_fault_of_ours(silent: Talk, value: Any) -> None:
    assert inbound.apply_messages(tenant_id=silent.tenant, value=value) == []


@pytest.mark.parametrize("number", ["14155552671", "+1415", "nobody", "%2B1415555267a"])
def test_a_number_that_is_none_has_no_window(silent: Talk, number: str) -> None:
    answer = silent.api.get(f"/whatsapp/window/{number}")
    assert (answer.status_code, answer.json()["code"]) == (400, "ERR_INTEGRATION_HUB_INVALID_PHONE")
