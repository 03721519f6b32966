"""Meta's limits are kept before Meta has to: of one number, and of a number and one customer."""

import math
import time
from typing import Any

import pytest
import redis
from django.conf import settings as configured

from integrationhub.core import catalogue
from providers.errors import Retry
from tests.make import keyed
from tests.meta.graph_answers import template
from tests.meta.graph_server import GraphServer
from tests.whatsapp import numbers
from tests.whatsapp.talking import CUSTOMER, HELLO, Talk, know_template
from whatsapp import pacing

ANOTHER = {"to": "+14155550000", "template_name": "hello", "template_language": "en"}


@pytest.fixture(autouse=True)
def a_burst_of_three(monkeypatch: pytest.MonkeyPatch, talk: Talk, meta: GraphServer) -> None:
    """Three messages at once to one customer, where Meta takes 45; a template is known that needs no window."""
    monkeypatch.setattr(pacing, "PAIR_BURST", 3)
    hello: list[dict[str, Any]] = [{"type": "BODY", "text": "Hello."}]
    know_template(talk.tenant, name="hello", components=hello)
    meta.templates.append(template("hello", components=hello))


def refused(answer: Any, reason: str) -> dict[str, Any]:
    told: dict[str, Any] = answer.json()
    assert (answer.status_code, told["code"]) == (429, catalogue.META_RATE_LIMIT.code)
    said = told["details"].get("limit") or told["details"]["reason"]
    assert (said, told["retryable"]) == (reason, True)
    return told


def test_one_customer_is_written_to_no_faster_than_meta_allows(talk: Talk, meta: GraphServer) -> None:
    for _ in range(3):
        talk.sent()
    answer = talk.send()
    assert refused(answer, "pair_rate_limit")["details"]["meta"]["code"] is None
    assert 1 <= int(answer["Retry-After"]) <= 6
    assert len(meta.sent) == len(talk.deliveries()) == 3
    talk.sent(ANOTHER)


def test_what_is_refused_leaves_its_key_and_the_quota_alone(
    talk: Talk, meta: GraphServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        talk.sent()
    before, key = talk.api.get("/usage"), keyed()
    refused(talk.send(**key), "pair_rate_limit")
    assert talk.api.get("/usage").content == before.content
    monkeypatch.setattr(pacing, "PAIR_BURST", 5)
    assert talk.send(**key).status_code == 202


def test_a_link_that_leads_nowhere_silences_nobody(talk: Talk, meta: GraphServer) -> None:
    """What never reached Meta counts in no limit of Meta's."""
    numbers.install(talk.api)
    url = f"http://{meta.media_netloc}/nothing"
    for _ in range(3):
        body = {"to": CUSTOMER, "media_type": "image", "url": url}
        assert talk.send(body, path="/whatsapp/media/send").status_code == 503
        assert numbers.execute(talk.api, {"to": CUSTOMER, "media": {"type": "image", "url": url}}).status_code == 503
    talk.sent()


def test_after_a_while_the_customer_may_be_written_to_again(talk: Talk, meta: GraphServer) -> None:
    for _ in range(3):
        talk.sent()
    wait = refused(talk.send(), "pair_rate_limit")["details"]["waitSeconds"]
    with redis.Redis.from_url(configured.REDIS_URL) as client:  # As if that time had passed.
        client.decrby(f"hub:whatsapp:pace:{meta.phone_number_id}:{CUSTOMER}", round(wait * 1000))
    talk.sent()
    refused(talk.send(), "pair_rate_limit")


def test_a_number_sends_no_more_a_second_than_its_setting_says(talk: Talk, meta: GraphServer, settings: Any) -> None:
    settings.META_MESSAGES_PER_SECOND = 2
    answers = [talk.send({**ANOTHER, "to": f"+1415555{each:04}"}) for each in range(20)]
    assert [answer.status_code for answer in answers[:2]] == [202, 202]
    answer = next(answer for answer in answers if answer.status_code != 202)
    refused(answer, "throughput_limit")
    assert int(answer["Retry-After"]) == 1
    assert len(meta.sent) == sum(answer.status_code == 202 for answer in answers)


def test_meta_that_refuses_a_pair_is_not_asked_again_for_one_four_and_sixteen_seconds(
    talk: Talk, meta: GraphServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = []
    for _ in range(3):
        meta.fail(131056, on="messages")
        refused(talk.send(), "meta_131056")
        waits.append(refused(talk.send(), "pair_rate_limit")["details"]["waitSeconds"])
        with redis.Redis.from_url(configured.REDIS_URL) as client:  # As if that time had passed.
            client.delete(f"hub:whatsapp:pace:{meta.phone_number_id}:{CUSTOMER}")
    assert [math.ceil(wait) for wait in waits] == [1, 4, 16]
    talk.sent(ANOTHER)


def test_meta_that_refuses_a_number_is_left_alone_by_all_who_send_by_it(talk: Talk, meta: GraphServer) -> None:
    meta.fail(130429, on="messages", headers={"Retry-After": "2"})
    refused(talk.send(), "meta_130429")
    refused(talk.send(ANOTHER), "throughput_limit")
    assert len(meta.sent) == 0


def test_access_that_comes_back_in_minutes_is_waited_for(talk: Talk, meta: GraphServer) -> None:
    usage = '{"1": [{"type": "messaging", "estimated_time_to_regain_access": 3}]}'
    meta.fail(80007, on="messages", headers={"X-Business-Use-Case-Usage": usage})
    refused(talk.send(), "meta_80007")
    assert 170 <= int(talk.send(ANOTHER)["Retry-After"]) <= 180


def test_another_refusal_holds_nothing_back(talk: Talk, meta: GraphServer) -> None:
    meta.fail(131000, 500, on="messages")
    assert talk.send().status_code == 503
    talk.sent()


def test_while_redis_is_away_meta_alone_counts(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing.valkey_client, "run", lambda *_: None)
    for _ in range(5):
        talk.sent(HELLO)


@pytest.mark.parametrize("per_second", [80, 300])
def test_a_number_sends_no_more_in_a_second_than_the_setting_says(
    meta: GraphServer, settings: Any, per_second: int
) -> None:
    settings.META_MESSAGES_PER_SECOND = per_second
    began = time.monotonic()
    taken = 0
    while taken < 10 * per_second and is_taken(f"+1415555{taken:04}"):
        taken += 1
    assert per_second <= taken <= per_second * (1 + time.monotonic() - began) + 1
    assert taken < 10 * per_second


def is_taken(recipient: str) -> bool:
    try:
        pacing.take("106540352242922", recipient)
    except Retry:
        return False
    return True
