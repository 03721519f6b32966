"""`weighted`: shares of traffic, among those that may be called; the draws are those of one seed."""

import random
from collections import Counter
from uuid import UUID, uuid4

import pytest

from integrationhub.execution import routing
from integrationhub.execution.order import Order
from providers.intents import Intent
from tests.execution.conftest import bind
from tests.make import Api

HALF, QUARTER, OTHER_QUARTER = "loopback_keyed_sms", "loopback_sms", "messagebird_sms"
WEIGHTS = {HALF: 50, QUARTER: 25, OTHER_QUARTER: 25}
DRAWS = 1000


@pytest.fixture
def three(needs_key: Api, live: Api) -> Api:
    """A tenant with three live providers, of which `HALF` has no credential yet."""
    assert live.post("/marketplace/integrations/messagebird_sms/install", {"config": {}}).status_code == 201
    credentials = {"access_key": "a-key-of-the-tests-0123456"}
    body = {"provider_key": OTHER_QUARTER, "credentials": credentials, "verify": False}
    assert live.post("/credentials/bind", body).status_code == 201
    weigh(live, **WEIGHTS)
    return live


def weigh(api: Api, **weights: int | None) -> None:
    rows = [{"provider_key": key, "weight": weight} for key, weight in weights.items()]
    assert api.put("/routing/message.send.sms", {"providers": rows}).json()["strategy"] == "weighted"


def chains(tenant: UUID) -> list[tuple[str, ...]]:
    """In which order the providers stand for each of a thousand executions."""
    payload = {"to": "+14155552671", "text": "hello"}
    order = Order(tenant, "tester", "request-1", Intent.get("message.send.sms"), payload, tenant_version=str(uuid4()))
    before = random.getstate()
    random.seed(2026)
    try:
        return [tuple(step.provider_key for step in routing.chain_for(order).steps) for _ in range(DRAWS)]
    finally:
        random.setstate(before)


def shares(keys: list[str]) -> dict[str, float]:
    return {key: count / DRAWS for key, count in Counter(keys).items()}


def about(**expected: float) -> object:
    return pytest.approx(expected, abs=0.04)


def test_each_is_first_as_often_as_its_weight_says(three: Api, tenant: UUID) -> None:
    bind(three)
    drawn = chains(tenant)
    assert shares([first for first, *_ in drawn]) == about(**{HALF: 0.5, QUARTER: 0.25, OTHER_QUARTER: 0.25})
    assert {frozenset(chain) for chain in drawn} == {frozenset(WEIGHTS)}


@pytest.mark.parametrize("why", ["credential_missing", "installation_disabled"])
def test_the_share_of_one_that_may_not_be_called_falls_to_all_the_others(three: Api, tenant: UUID, why: str) -> None:
    if why == "installation_disabled":
        bind(three)
        installed = three.get("/integrations/installed").json()["data"]
        mine = next(row for row in installed if row["provider_key"] == HALF)
        assert three.patch(f"/integrations/{mine['id']}", {"enabled": False}).status_code == 200
    assert shares([first for first, *_ in chains(tenant)]) == about(**{QUARTER: 0.5, OTHER_QUARTER: 0.5})


def test_so_it_does_of_one_that_is_passed_over(three: Api, tenant: UUID) -> None:
    """Its circuit is open, or its pace is used up: who comes next is drawn too."""
    bind(three)
    following = [next(key for key in chain if key != HALF) for chain in chains(tenant)]
    assert shares(following) == about(**{QUARTER: 0.5, OTHER_QUARTER: 0.5})


def test_those_without_a_weight_come_last_in_the_order_of_the_route(three: Api, tenant: UUID) -> None:
    bind(three)
    weigh(three, **{OTHER_QUARTER: 0, HALF: None, QUARTER: 1})
    assert set(chains(tenant)) == {(QUARTER, OTHER_QUARTER, HALF)}
