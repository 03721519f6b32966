"""https://ipfs.github.io/pinning-services-api-spec/, spoken by a service of the tests' own."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from integrationhub.core.outbound import Client
from providers import ipfs
from providers.adapter import Call
from providers.adapters import pinning_service_ipfs
from providers.adapters.pinning_service_ipfs import PinningServiceIpfs
from providers.errors import Ambiguous, Next, Stop
from tests.providers.answering import call
from tests.providers.carriers import Asked, CarrierServer, Misasked, Told

CID = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
SAME = "zb2rhmy65F3REf8SZp7De11gxtECBGgUKaLdiDj7MCGCHxbDW"
TOKEN = "a-token-of-the-service"


class Service(CarrierServer):
    """Keeps pins as a service does; `states` is what a pin goes through, one with each look."""

    key, credentials, config = "pinning_service_ipfs", {}, {}

    def __init__(self) -> None:
        super().__init__()
        self.pins: dict[str, dict[str, Any]] = {}
        self.states = ["queued", "pinning", "pinned"]

    def examine(self, asked: Asked) -> None:
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            raise Misasked("no token")

    def acceptance(self, asked: Asked) -> Told:
        url = urlsplit(asked.path)
        if asked.method == "POST":
            pin = json.loads(asked.body)
            self.pins[f"r/{len(self.pins)}"] = {"pin": pin, "created": "2026-11-26T02:00:00Z", "delegates": []}
            return self._told(202, f"r/{len(self.pins) - 1}")
        if url.path == "/pins":
            query = parse_qs(url.query)
            rows = [
                self._row(name) for name, row in self.pins.items() if row["pin"]["cid"] == query.get("cid", [""])[0]
            ]
            return Told(200, {"count": len(rows), "results": rows})
        name = url.path.removeprefix("/pins/").replace("%2F", "/")
        if name not in self.pins:
            return Told(404, {"error": {"reason": "NOT_FOUND"}})
        if asked.method == "DELETE":
            del self.pins[name]
            return Told(202)
        return self._told(200, name)

    def refusal(self, fault: str) -> Told:
        return Told(401, {"error": {"reason": "UNAUTHORIZED", "details": fault}})

    def _told(self, status: int, name: str) -> Told:
        told = Told(status, self._row(name))
        if len(self.states) > 1:
            del self.states[0]
        return told

    def _row(self, name: str) -> dict[str, Any]:
        return {"requestid": name, "status": self.states[0], **self.pins[name]}


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setattr(pinning_service_ipfs, "LOOK_AGAIN_SECONDS", 0.01)
    with Service() as service:
        yield service


def asked(service: Service, action: str, cid: str = CID, **more: Any) -> Call:
    given = call(f"storage.{action}.ipfs", {"cid": cid, **more}, endpoint=service.base_url, access_token=TOKEN)
    return replace(given, deadline=given.deadline.within(2))


def test_a_pin_is_followed_until_it_is_one(service: Service) -> None:
    receipt = PinningServiceIpfs(Client()).execute(asked(service, "pin", SAME, name="a.txt"))
    assert (receipt.reference, receipt.result) == ("r/0", {"cid": CID, "pinned": True, "status": "pinned"})
    assert service.pins["r/0"]["pin"] == {"cid": CID, "name": "a.txt"}
    assert service.hits == 3


def test_one_that_takes_longer_was_accepted(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pinning_service_ipfs, "WATCH_SECONDS", 0.05)
    service.states = ["queued"]
    receipt = PinningServiceIpfs(Client()).execute(asked(service, "pin"))
    assert receipt.result == {"cid": CID, "pinned": False, "status": "queued"}


def test_a_pin_of_another_content_is_no_success(service: Service) -> None:
    other = {"cid": "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH"}
    service.answer = lambda _: Told(202, {"requestid": "r/0", "status": "pinned", "pin": other})
    with pytest.raises(Ambiguous) as caught:
        PinningServiceIpfs(Client()).execute(asked(service, "pin"))
    assert caught.value.reason == "unreadable_answer"


def test_one_that_failed_may_be_pinned_elsewhere(service: Service) -> None:
    service.states = ["queued", "failed"]
    with pytest.raises(Next) as caught:
        PinningServiceIpfs(Client()).execute(asked(service, "pin"))
    assert caught.value.reason == ipfs.FOUND_NOWHERE


def test_a_look_that_fails_takes_nothing_back(service: Service) -> None:
    service.answer = lambda asked: Told(500) if asked.method == "GET" else None
    receipt = PinningServiceIpfs(Client()).execute(asked(service, "pin"))
    assert receipt.result["status"] == "queued"


def test_every_request_for_a_content_is_taken_back(service: Service) -> None:
    for _ in range(2):
        PinningServiceIpfs(Client()).execute(asked(service, "pin"))
    receipt = PinningServiceIpfs(Client()).execute(asked(service, "unpin", SAME))
    assert (receipt.result["pinned"], service.pins) == (False, {})
    with pytest.raises(Next) as caught:
        PinningServiceIpfs(Client()).execute(asked(service, "unpin"))
    assert caught.value.reason == ipfs.NOT_PINNED


def kept_already(asked: Asked) -> Told | None:
    words = "Object already pinned to pinata. Please remove or replace existing pin object."
    is_pin = asked.method == "POST"
    return Told(400, {"error": {"reason": "DUPLICATE_OBJECT", "details": words}}) if is_pin else None


def test_content_that_is_pinned_already_is_pinned(service: Service) -> None:
    PinningServiceIpfs(Client()).execute(asked(service, "pin"))
    service.answer = kept_already
    receipt = PinningServiceIpfs(Client()).execute(asked(service, "pin", SAME))
    assert (receipt.reference, receipt.result["pinned"]) == ("r/0", True)


def test_a_pin_that_is_told_but_not_listed_is_no_success(service: Service) -> None:
    service.answer = kept_already
    with pytest.raises(Stop, match="already pinned"):
        PinningServiceIpfs(Client()).execute(asked(service, "pin"))


def test_an_account_without_funds_is_left_alone(service: Service) -> None:
    service.answer = lambda _: Told(409, {"error": {"reason": "INSUFFICIENT_FUNDS", "details": "Please pay."}})
    with pytest.raises(Next, match=r"Please pay\.") as caught:
        PinningServiceIpfs(Client()).execute(asked(service, "pin"))
    assert (caught.value.reason, caught.value.retry_after) == ("insufficient_funds", 300)


def test_a_credential_is_asked_for(service: Service) -> None:
    assert PinningServiceIpfs(Client()).check(asked(service, "pin")) is True
    with pytest.raises(Next) as caught:
        PinningServiceIpfs(Client()).check(
            replace(asked(service, "pin"), secrets={"endpoint": service.base_url, "access_token": "another"})
        )
    assert caught.value.credential_refused
