"""A push goes through the service that takes it: Firebase first, ntfy and Pushover (both by apprise) behind it."""

from collections.abc import Iterator

import pytest

from providers.models import Provider
from tests.make import Api
from tests.providers import fcm
from tests.providers.answering import AnsweringServer
from tests.providers.apprise.warming import warm

ORDER = {
    "category": "messaging",
    "intent": "message.send.push",
    "payload": {"topic": "order-A-1042", "title": "Shipped", "body": "On its way."},
}
PUSHOVER = {"user_key": "uQiRzpo4DXghDmr9QzzfQu27cmVRsG", "token": "azGDORePK8gMaC0QOYAMyEEuzJnyUi"}


def running() -> Iterator[AnsweringServer]:
    server = AnsweringServer()
    server.start()
    yield server
    server.stop()


server = pytest.fixture(running, name="server")
ntfy = pytest.fixture(running, name="ntfy")


@pytest.fixture
def installed(api: Api, server: AnsweringServer, ntfy: AnsweringServer) -> Api:
    """`server` is Firebase and Pushover: it is asked by path, and by whichever comes first."""
    warm()
    account = fcm.account()
    fcm.log_in(account)
    places = {"fcm_push": server, "apprise_ntfy": ntfy, "apprise_pushover": server}
    for key, place in places.items():
        Provider.objects.filter(provider_key=key).update(base_url=place.base_url)
    server.answer(200, {"name": "projects/p/messages/fake_message_id"})
    for key, secrets in (("fcm_push", account), ("apprise_pushover", PUSHOVER)):
        assert api.post("/credentials/bind", {"provider_key": key, "credentials": secrets}).status_code == 201
    for priority, key in enumerate(places):
        assert api.post(f"/marketplace/integrations/{key}/install", {"priority": priority}).status_code == 201
    server.asked.clear()
    return api


def test_the_first_takes_it(installed: Api, server: AnsweringServer, ntfy: AnsweringServer) -> None:
    body = installed.post("/execute", ORDER).json()
    assert (body["status"], body["provider_key"]) == ("succeeded", "fcm_push")
    assert (len(server.asked), ntfy.asked) == (1, [])


def test_when_it_is_busy_the_second_does(installed: Api, server: AnsweringServer, ntfy: AnsweringServer) -> None:
    """ntfy needs no credential: its topics are open to all."""
    server.answer(503, {"error": {"code": 503, "status": "UNAVAILABLE"}})
    ntfy.answer(200, {"id": "hwQ2YpKdmg", "event": "message"})
    body = installed.post("/execute", ORDER).json()
    assert (body["provider_key"], body["reference"], body["fallback_used"]) == ("apprise_ntfy", "hwQ2YpKdmg", True)
    assert ntfy.asked[0].json() == {"topic": "order-A-1042", "title": "Shipped", "message": "On its way."}


def test_when_both_are_the_third_is_asked(installed: Api, server: AnsweringServer, ntfy: AnsweringServer) -> None:
    """It has the place of the first, which says that it is busy to it too."""
    server.answer(429, {"errors": ["too many"]})
    ntfy.answer(429, {"error": "limit reached"}, **{"Retry-After": "30"})
    answer = installed.post("/execute", ORDER)
    tried = [each["providerKey"] for each in answer.json()["details"]["errors"]]
    assert "/1/messages.json" in [each.path for each in server.asked]
    assert tried[:3] == ["fcm_push", "apprise_ntfy", "apprise_pushover"]
    assert PUSHOVER["token"] not in answer.content.decode()
