"""IPFS_UNAVAILABLE: through the endpoints and through an execution, and what is told from it."""

import base64
import hashlib
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from integrationhub.core import catalogue
from integrationhub.execution import circuits
from providers import cids
from providers.adapter import Call
from providers.cids import Cid
from providers.errors import Ambiguous
from tests.make import Api, another_tenant
from tests.providers.answering import AnsweringServer
from tests.providers.misbehaving import MisbehavingServer, answering
from tests.storage.asking import install

CID = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"  # Of an empty file.
TREE = "QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o"
BLAKE = str(Cid(cids.RAW, 0xB220, bytes(32)))
ADD = {"content": base64.b64encode(b"hello").decode()}


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address where nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def server() -> Iterator[AnsweringServer]:
    server = AnsweringServer()
    server.start()
    yield server
    server.stop()


def bound(api: Api, key: str, **credentials: Any) -> Api:
    install(api, key)
    answer = api.post("/credentials/bind", {"provider_key": key, "credentials": credentials, "verify": False})
    assert answer.status_code == 201, answer.content
    return api


def every_door(api: Api) -> list[Any]:
    order = {"category": "storage", "intent": "storage.get.ipfs", "payload": {"cid": CID}}
    return [
        api.post("/storage/ipfs", ADD),
        api.get(f"/storage/ipfs/{CID}"),
        api.post(f"/storage/ipfs/{CID}/pin"),
        api.delete(f"/storage/ipfs/{CID}/pin"),
        api.post("/execute", order),
    ]


def codes(answers: list[Any]) -> set[tuple[int, str]]:
    return {(answer.status_code, answer.json()["code"]) for answer in answers}


UNAVAILABLE = (503, catalogue.IPFS_UNAVAILABLE.code)


def test_neither_a_provider_nor_a_node(api: Api) -> None:
    *endpoints, execution = every_door(api)
    assert codes(endpoints) == {UNAVAILABLE}
    assert {answer.json()["details"]["reason"] for answer in endpoints} == {"no_node"}
    assert codes([execution]) == {(503, catalogue.NO_PROVIDERS.code)}


def test_a_node_that_nobody_answers_for(api: Api, nobody: str) -> None:
    answers = every_door(bound(api, "kubo_ipfs", endpoint=nobody))
    assert codes(answers) == {UNAVAILABLE}
    for answer in answers:
        assert answer.json()["details"]["errors"][0]["providerKey"] == "kubo_ipfs"
        assert answer["Retry-After"]
        assert nobody not in answer.content.decode()


def test_the_deployments_node_is_away(api: Api, nobody: str, settings: Any) -> None:
    settings.IPFS_API_URL = nobody
    *endpoints, _ = every_door(api)
    # Of a pin that is not this tenant's the node is not asked.
    del endpoints[3]
    assert codes(endpoints) == {UNAVAILABLE}
    install(api, "kubo_ipfs")
    order = {"category": "storage", "intent": "storage.add.ipfs", "payload": ADD}
    assert codes([api.post("/execute", order)]) == {UNAVAILABLE}


def test_a_pin_that_failed_is_no_pin(api: Api, nobody: str, settings: Any) -> None:
    settings.IPFS_API_URL = nobody
    assert api.post(f"/storage/ipfs/{CID}/pin").status_code == 503
    assert api.delete(f"/storage/ipfs/{CID}/pin").status_code == 404


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_proxy_without_its_node(api: Api, status: int) -> None:
    with MisbehavingServer(answering(status, b"<html>Bad Gateway</html>")) as proxy:
        answer = bound(api, "kubo_ipfs", endpoint=proxy.base_url).post("/storage/ipfs", ADD)
    assert codes([answer]) == {UNAVAILABLE}


@pytest.mark.parametrize(("status", "said"), [(401, "Unauthorized"), (500, "blockstore: quota")])
def test_a_node_that_answers_is_not_away(api: Api, server: AnsweringServer, status: int, said: str) -> None:
    server.answer(status, {"Message": said, "Code": 0, "Type": "error"})
    answer = bound(api, "kubo_ipfs", endpoint=server.base_url).post("/storage/ipfs", ADD)
    assert codes([answer]) == {(503, catalogue.ALL_PROVIDERS_FAILED.code)}
    assert said in answer.json()["details"]["errors"][0]["message"]


def test_one_of_two_that_answers_is_enough_to_say_so(api: Api, nobody: str, server: AnsweringServer) -> None:
    bound(api, "kubo_ipfs", endpoint=nobody)
    bound(api, "pinning_service_ipfs", endpoint=server.base_url, access_token="a-token-of-tests")
    server.answer(401, {"error": {"reason": "UNAUTHORIZED"}})
    assert codes([api.post(f"/storage/ipfs/{CID}/pin")]) == {(503, catalogue.ALL_PROVIDERS_FAILED.code)}


def test_the_next_provider_does_what_the_first_cannot(api: Api, nobody: str, server: AnsweringServer) -> None:
    bound(api, "kubo_ipfs", endpoint=nobody)
    bound(api, "pinning_service_ipfs", endpoint=server.base_url, access_token="a-token-of-tests")
    server.answer(202, {"requestid": "r-1", "status": "pinned", "pin": {"cid": CID}})
    answer = api.post(f"/storage/ipfs/{CID}/pin", {"name": "a.txt"})
    assert answer.status_code == 200, answer.content
    assert (answer.json()["provider_key"], answer.json()["fallback_used"]) == ("pinning_service_ipfs", True)
    assert server.asked[0].json() == {"cid": CID, "name": "a.txt"}


def test_a_tenants_dead_node_is_left_alone_and_no_other_tenants(api: Api, nobody: str) -> None:
    bound(api, "kubo_ipfs", endpoint=nobody)
    for _ in range(6):
        last = api.post("/storage/ipfs", ADD)
    assert last.json()["details"]["errors"][0]["reason"] == "circuit_open"
    assert codes([last]) == {UNAVAILABLE}
    assert circuits.admit(another_tenant().tenant, "kubo_ipfs") is None


@pytest.mark.parametrize(
    ("cid", "reason"),
    [(CID, "wrong_content"), (TREE, "unchecked_content"), (BLAKE, "unchecked_content")],
    ids=["a block", "a tree whose blocks the node does not show", "a hash that is not known here"],
)
def test_bytes_of_another_content_are_given_to_nobody(api: Api, server: AnsweringServer, cid: str, reason: str) -> None:
    server.answer(200, b"not what was asked for", **{"X-Stream-Output": "1"})
    answer = bound(api, "kubo_ipfs", endpoint=server.base_url).get(f"/storage/ipfs/{cid}")
    assert answer.status_code == 503
    assert answer.json()["details"]["errors"][0]["reason"] == reason
    assert b"not what was asked for" not in answer.content


@pytest.mark.parametrize("cid", ["nonsense", "Qm", "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyk"])
def test_what_is_no_address_is_refused_by_name(api: Api, cid: str) -> None:
    answer = api.get(f"/storage/ipfs/{cid}")
    assert (answer.status_code, answer.json()["details"]["fields"][0]["field"]) == (400, "cid")


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, "content"), ({"content": "!!"}, "content"), ({**ADD, "name": "a/b"}, "name"), ({**ADD, "url": "x"}, "url")],
)
def test_a_body_is_refused_by_its_fields(api: Api, body: dict[str, str], field: str) -> None:
    answer = api.post("/storage/ipfs", body)
    assert (answer.status_code, answer.json()["details"]["fields"][0]["field"]) == (400, field)


def test_what_a_batch_reads_is_no_more_together_than_what_one_execution_may(api: Api, server: AnsweringServer) -> None:
    content = bytes(9 * 1024 * 1024)
    server.answer(200, content, **{"X-Stream-Output": "1"})
    bound(api, "kubo_ipfs", endpoint=server.base_url)
    cid = Cid(cids.RAW, cids.SHA2_256, hashlib.sha256(content).digest())
    order = {"category": "storage", "intent": "storage.get.ipfs", "payload": {"cid": str(cid)}}
    assert api.post("/execute", order).status_code == 200
    told = api.post("/execute/batch", {"items": [order, order]}).json()
    assert {item["status"] for item in told["items"]} == {400}
    assert "longer than 8,388,608 bytes" in told["items"][0]["error"]["message"]


def test_a_user_may_not(api: Api) -> None:
    assert {answer.status_code for answer in every_door(api.as_role("user"))} == {403}


def test_silence_goes_on_to_the_next_as_twice_is_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(self: Any, call: Call) -> Any:
        raise Ambiguous("It was asked.", reason="read_timeout")

    monkeypatch.setattr("integrationhub.storage.adapter.KuboIpfs.execute", silent)
    bound(api, "kubo_ipfs", endpoint="https://ipfs.example.com")
    assert codes([api.post("/storage/ipfs", ADD)]) == {UNAVAILABLE}
