"""States and links: one text each, good for one purpose."""

from uuid import UUID, uuid4

import pytest
from django.test import Client

from integrationhub.core.deadline import Deadline
from oauth import authorizing, connecting, tickets
from oauth.authorizing import STATE, Wish
from oauth.connecting import Returned
from oauth.models import ConnectSession, Flow
from oauth.sessions import CONNECT
from tests.make import Api
from tests.oauth.flows import bind, connect, google, started
from tests.oauth.standing_in import StandIn
from tests.oauth.test_connect_pages import link, open_page

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def spelled_otherwise(text: str) -> list[str]:
    """The same bytes: of the last letter's six bits four are spare."""
    last = LETTERS.index(text[-1])
    return [text[:-1] + LETTERS[(last & 0b110000) | spare] for spare in range(16) if spare != last & 0b1111]


@pytest.fixture
def ready(api: Api, stand_in: StandIn) -> Api:
    bind(api)
    google(stand_in)
    return api


def test_a_state_has_one_spelling(ready: Api, stand_in: StandIn) -> None:
    state = started(ready)["state"]
    for other in spelled_otherwise(state):
        assert connect(ready, state=other).json()["details"]["reason"] == "invalid_state"
    assert stand_in.asked == []
    assert connect(ready, state=state).status_code == 200


def test_a_link_has_one_spelling(ready: Api) -> None:
    path = link(ready, providers=["google"])
    assert {open_page(other).status_code for other in spelled_otherwise(path)} == {404}
    assert open_page(path).status_code == 200


def test_no_text_made_of_a_start_or_of_what_came_back_shows_it(ready: Api, tenant: UUID) -> None:
    start = authorizing.start(tenant_id=tenant, provider_key="google", subject="tester")
    returned = Returned("google", "the-code", start.state, user="the-user", verifier="the-verifier")
    consumed = connecting.take(returned, deadline=Deadline.after(5))
    told = repr([start, returned, consumed, tickets.read(STATE, start.state), Wish(link="the-link")])
    secrets = [start.state, "the-code", "the-user", "the-verifier", "the-link", consumed.verifier, consumed.nonce]
    assert [secret for secret in secrets if not secret or secret in told] == []


@pytest.mark.parametrize(("given", "wanted"), [(STATE, CONNECT), (CONNECT, STATE)])
def test_each_is_made_for_one_purpose(given: str, wanted: str) -> None:
    text = tickets.issue(given, uuid4()).text
    assert tickets.read(given, text) is not None
    assert tickets.read(wanted, text) is None


def test_a_link_is_no_state_though_a_flow_had_its_digest(ready: Api, stand_in: StandIn) -> None:
    token = link(ready, providers=["google"]).rsplit("/", 1)[1]
    started(ready)
    [session] = ConnectSession.objects.using("system").all()
    Flow.objects.using("system").update(digest=bytes(session.digest))
    assert connect(ready, state=token).json()["details"]["reason"] == "invalid_state"
    assert stand_in.asked == []


def test_a_state_is_no_link_though_a_link_had_its_digest(ready: Api) -> None:
    path, state = link(ready, providers=["google"]), started(ready)["state"]
    [flow] = Flow.objects.using("system").all()
    ConnectSession.objects.using("system").update(digest=bytes(flow.digest))
    assert open_page(f"/connect/{state}").status_code == 404
    assert Client().get(path).status_code == 404
