"""Content on IPFS, on the wire: each adapter's request beside that of a library that others wrote for the same API."""

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import basic_ipfs
import estuary_client
import pytest
import requests
from estuary_client import PinningApi, TypesIpfsPin
from pinatapy import PinataPy

from providers import registry
from providers.adapter import Call
from providers.adapters import pinning_service_ipfs
from providers.errors import ProviderError
from tests.providers.answering import AnsweringServer, Asked, call
from tests.providers.wire import Redirected, assert_same

HELLO = "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"  # Of `hello`.
ADD = {"content": base64.b64encode(b"hello").decode(), "name": "hello.txt"}
PIN, CID = {"cid": HELLO, "name": "A 1042 & ü"}, {"cid": HELLO}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the libraries are given, by its name in the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hello.txt").write_bytes(b"hello")
    return "hello.txt"


def sent(server: AnsweringServer, key: str, asked: Call) -> Asked:
    registry.instance(key).execute(asked)
    return server.asked[-1]


# --- A node's RPC, beside the package basic-ipfs ---

PATIENCE = {"query.timeout": "the node is to give up before we do, and to say so"}
RECURSIVE = {"query.recursive": "the library says Kubo's own default"}
OUR_RULES = {
    f"query.{name}": "by which we compute what the node has to answer, whatever its configuration says"
    for name in ("chunker", "hash", "raw-leaves")
}


@pytest.fixture
def node(server: AnsweringServer) -> basic_ipfs.IPFSManager:
    """Of a node that runs already: the library would fetch one, and start it."""
    manager = basic_ipfs.IPFSManager()
    manager._session, manager._api_url = basic_ipfs._build_api_session(), f"{server.base_url}/api/v0"
    return manager


def kubo(server: AnsweringServer, action: str, payload: Any) -> Asked:
    return sent(server, "kubo_ipfs", call(f"storage.{action}.ipfs", payload, endpoint=server.base_url))


def test_a_node_is_given_a_file_as_by_the_library(
    server: AnsweringServer, node: basic_ipfs.IPFSManager, file: str
) -> None:
    server.answer(200, {"Name": file, "Hash": HELLO, "Size": "5"})
    assert node.add(file) == HELLO
    assert_same(kubo(server, "add", ADD), server.asked[0], apart=PATIENCE | OUR_RULES)


@pytest.mark.parametrize(("action", "command"), [("pin", "pin_add"), ("unpin", "pin_rm")])
def test_a_node_is_told_to_keep_content_or_not_as_by_the_library(
    server: AnsweringServer, node: basic_ipfs.IPFSManager, action: str, command: str
) -> None:
    server.answer(200, {"Pins": [HELLO]})
    getattr(node, command)(HELLO)
    assert_same(kubo(server, action, CID), server.asked[0], apart=PATIENCE | RECURSIVE)


def test_a_node_is_asked_for_content_as_by_the_library(server: AnsweringServer, node: basic_ipfs.IPFSManager) -> None:
    server.answer(200, b"hello", **{"X-Stream-Output": "1"})
    assert node.cat(HELLO) == b"hello"
    assert_same(kubo(server, "get", CID), server.asked[0], apart=PATIENCE)


def test_a_nodes_version_is_read_as_by_the_library(server: AnsweringServer, node: basic_ipfs.IPFSManager) -> None:
    server.answer(200, {"Version": "0.43.1"})
    assert node._is_api_up()
    assert registry.instance("kubo_ipfs").check(call("storage.get.ipfs", CID, endpoint=server.base_url)) is True
    assert_same(server.asked[1], server.asked[0], apart=PATIENCE)


# --- Pinata, beside the package pinatapy-vourhey ---

JWT = "an-example.of-a-jwt-of.pinatas-own"
LOGIN = {"authorization": "the library logs in by an API key and its secret, in two headers; we by the JWT of that key"}


@pytest.fixture
def pinatapy(server: AnsweringServer, monkeypatch: pytest.MonkeyPatch) -> PinataPy:
    """It has no session of its own, and knows but Pinata's host."""
    monkeypatch.setattr(requests.sessions.Session, "get_adapter", lambda *_, **__: Redirected(server))
    return PinataPy("a-key", "its-secret")


def pinata(server: AnsweringServer, action: str, payload: Any) -> Asked:
    asked = call(f"storage.{action}.ipfs", payload, jwt=JWT)
    return sent(server, "pinata_ipfs", replace(asked, base_url=server.base_url))


# It leaves closing the file to chance.
@pytest.mark.filterwarnings("ignore:unclosed file")
def test_pinata_is_given_a_file_as_by_the_library(server: AnsweringServer, pinatapy: PinataPy, file: str) -> None:
    server.answer(200, {"IpfsHash": HELLO})
    pinatapy.pin_file_to_ipfs(file, options={"pinataMetadata": {"name": file}, "pinataOptions": {"cidVersion": 1}})
    said = server.asked[0].body
    assert b'filename="/hello.txt"\r\n\r\n' in said, "the library makes a path of the name, and says no type"
    named = b'filename="hello.txt"\r\nContent-Type: application/octet-stream\r\n\r\n'
    theirs = replace(server.asked[0], body=said.replace(b'filename="/hello.txt"\r\n\r\n', named))
    assert_same(pinata(server, "add", ADD), theirs, apart=LOGIN)


def test_pinata_is_told_to_keep_content_as_by_the_library(server: AnsweringServer, pinatapy: PinataPy) -> None:
    server.answer(200, {"id": "job-1", "ipfsHash": HELLO, "status": "prechecking"})
    pinatapy.pin_to_pinata_using_ipfs_hash(HELLO, PIN["name"])
    assert_same(pinata(server, "pin", PIN), server.asked[0], apart=LOGIN)


def test_pinata_is_told_to_forget_content_as_by_the_library(server: AnsweringServer, pinatapy: PinataPy) -> None:
    server.answer(200, b"OK", **{"Content-Type": "text/plain"})
    pinatapy.remove_pin_from_ipfs(HELLO)
    assert_same(pinata(server, "unpin", CID), server.asked[0], apart=LOGIN)


# --- The Pinning Service API, beside the package estuary-client ---

TOKEN = "a-token-of-the-service"
PINNED = {"requestid": "r/1", "status": "queued", "pin": CID}
ALL = {
    f"query.{name}": "the library lists all; we ask for the pins of one content" for name in ("cid", "status", "limit")
}


@pytest.fixture
def estuary(server: AnsweringServer) -> PinningApi:
    """Generated for a service that had the API below /pinning."""
    known = estuary_client.Configuration()
    known.host, known.api_key = server.base_url, {"Authorization": TOKEN}
    known.api_key_prefix = {"Authorization": "Bearer"}
    return PinningApi(estuary_client.ApiClient(known))


def service(server: AnsweringServer, action: str, payload: Any) -> Call:
    return call(f"storage.{action}.ipfs", payload, endpoint=f"{server.base_url}/pinning", access_token=TOKEN)


def test_a_pinning_service_is_asked_and_looked_after_as_by_the_library(
    server: AnsweringServer, estuary: PinningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pinning_service_ipfs, "WATCH_SECONDS", 0.05)
    monkeypatch.setattr(pinning_service_ipfs, "LOOK_AGAIN_SECONDS", 0.01)
    server.answer(200, PINNED, **JSON)
    estuary.pinning_pins_post(TypesIpfsPin(**PIN))
    estuary.pinning_pins_pinid_get("r/1")
    last = sent(server, "pinning_service_ipfs", service(server, "pin", PIN))
    assert_same(server.asked[2], server.asked[0])
    assert_same(last, server.asked[1])


def test_a_pinning_service_is_told_to_forget_content_as_by_the_library(
    server: AnsweringServer, estuary: PinningApi
) -> None:
    server.answer(200, {"count": 1, "results": [PINNED]}, **JSON)
    estuary.pinning_pins_get()
    estuary.pinning_pins_pinid_delete("r/1")
    with pytest.raises(ProviderError):  # The server answers the removal as it does the list.
        sent(server, "pinning_service_ipfs", service(server, "unpin", CID))
    assert_same(server.asked[2], server.asked[0], apart=ALL)
    nothing = {"content": "the library sends an empty object with a DELETE", "body": "as above"}
    assert_same(server.asked[3], server.asked[1], apart=nothing)


def test_a_pinning_services_token_is_tested_as_by_the_library(server: AnsweringServer, estuary: PinningApi) -> None:
    server.answer(200, {"count": 0, "results": []}, **JSON)
    estuary.pinning_pins_get()
    assert registry.instance("pinning_service_ipfs").check(service(server, "pin", CID)) is True
    assert_same(server.asked[1], server.asked[0], apart={"query.limit": "one row is enough to see that it answers"})
