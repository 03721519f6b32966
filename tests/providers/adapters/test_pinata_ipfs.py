"""Pinata's answers are those of https://docs.pinata.cloud/api-reference/endpoint/ipfs"""

import base64
import json
from email.parser import BytesParser
from email.policy import HTTP
from io import BytesIO
from typing import Any

import pytest

from providers import ipfs, unixfs
from providers.adapter import Call
from providers.adapters.pinata_ipfs import PinataIpfs
from providers.cids import DAG_PB, SHA2_256, Cid
from providers.errors import Ambiguous, Next, Stop
from providers.retry_after import LONGEST_SECONDS
from tests.providers.answering import AnsweringServer, call

JWT = "an-example.of-a-jwt-of.pinatas-own"
HELLO = "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"  # Of `hello`.


def asked(action: str, payload: dict[str, Any], **secrets: str) -> Call:
    return call(f"storage.{action}.ipfs", payload, jwt=JWT, **secrets)


def add() -> Call:
    return asked("add", {"content": base64.b64encode(b"hello").decode(), "name": "hello.txt"})


def test_a_file_is_uploaded_and_its_address_computed_here(server: AnsweringServer) -> None:
    server.answer(200, {"IpfsHash": HELLO, "PinSize": 5, "Timestamp": "2026-11-26T02:00:00.000Z", "isDuplicate": False})
    receipt = PinataIpfs(server.client()).execute(add())
    assert receipt.result == {"cid": HELLO, "size": 5, "verified": True, "pinned": True}
    [request] = server.asked
    assert (request.method, request.path) == ("POST", "/pinning/pinFileToIPFS")
    assert request.headers["Authorization"] == f"Bearer {JWT}"
    head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
    parts = {
        part.get_param("name", header="content-disposition"): part
        for part in BytesParser(policy=HTTP).parsebytes(head + request.body).iter_parts()
    }
    assert json.loads(parts["pinataMetadata"].get_payload()) == {"name": "hello.txt"}
    assert json.loads(parts["pinataOptions"].get_payload()) == {"cidVersion": 1}
    assert (parts["file"].get_filename(), parts["file"].get_payload(decode=True)) == ("hello.txt", b"hello")


def test_a_file_that_is_named_by_the_address_of_another_is_no_success(server: AnsweringServer) -> None:
    server.answer(200, {"IpfsHash": str(unixfs.added(BytesIO(b"other")))})
    with pytest.raises(Ambiguous) as caught:
        PinataIpfs(server.client()).execute(add())
    assert caught.value.reason == "wrong_content"


def test_content_is_pinned_by_its_address(server: AnsweringServer) -> None:
    server.answer(200, {"id": "job-1", "ipfsHash": HELLO, "status": "prechecking", "name": "a"})
    receipt = PinataIpfs(server.client()).execute(asked("pin", {"cid": HELLO, "name": "a"}))
    assert (receipt.reference, receipt.result["pinned"], receipt.result["status"]) == ("job-1", False, "prechecking")
    assert server.asked[0].json() == {"hashToPin": HELLO, "pinataMetadata": {"name": "a"}}


def test_a_pin_is_taken_back(server: AnsweringServer) -> None:
    server.answer(200, b"OK", **{"Content-Type": "text/plain; charset=utf-8"})
    assert PinataIpfs(server.client()).execute(asked("unpin", {"cid": HELLO})).result["pinned"] is False
    assert (server.asked[0].method, server.asked[0].path) == ("DELETE", f"/pinning/unpin/{HELLO}")


@pytest.mark.parametrize("status", [400, 404])
def test_a_pin_that_is_not_ours_may_be_anothers(server: AnsweringServer, status: int) -> None:
    server.answer(status, {"error": {"reason": "CURRENT_USER_HAS_NOT_PINNED_CID", "details": "not pinned"}})
    with pytest.raises(Next) as caught:
        PinataIpfs(server.client()).execute(asked("unpin", {"cid": HELLO}))
    assert caught.value.reason == ipfs.NOT_PINNED


def test_content_comes_from_a_gateway_which_hears_no_jwt(server: AnsweringServer) -> None:
    server.answer(200, b"hello")
    receipt = PinataIpfs(server.client()).execute(asked("get", {"cid": HELLO}, gateway_key="a-key-of-the-gateway"))
    assert base64.b64decode(receipt.unkept["content"]) == b"hello"
    [request] = server.asked
    assert (request.method, request.path) == ("GET", f"/ipfs/{HELLO}")
    assert request.headers["x-pinata-gateway-token"] == "a-key-of-the-gateway"
    assert "Authorization" not in request.headers


def test_other_bytes_than_the_address_names_are_given_to_nobody(server: AnsweringServer) -> None:
    server.answer(200, b"hellO", **{"X-Ipfs-Roots": HELLO})
    with pytest.raises(Next) as caught:
        PinataIpfs(server.client()).execute(asked("get", {"cid": HELLO}))
    assert caught.value.reason == "wrong_content"


# Of a tree that was cut by a rule of one's own.
UNKNOWN = str(Cid(DAG_PB, SHA2_256, bytes(32)))


@pytest.mark.parametrize("name", ["X-Ipfs-Roots", "X-Ipfs-Path", "Etag"])
def test_what_cannot_be_checked_is_taken_from_who_names_it(server: AnsweringServer, name: str) -> None:
    said = {"X-Ipfs-Roots": UNKNOWN, "X-Ipfs-Path": f"/ipfs/{UNKNOWN}", "Etag": f'"{UNKNOWN}"'}[name]
    server.answer(200, b"hello", **{name: said})
    receipt = PinataIpfs(server.client()).execute(asked("get", {"cid": UNKNOWN}))
    assert receipt.result["verified"] == "not_supported"


def test_a_page_in_its_place_is_no_content(server: AnsweringServer) -> None:
    server.answer(200, b"<html>Sign in</html>", Etag='"page"')
    with pytest.raises(Ambiguous) as caught:
        PinataIpfs(server.client()).execute(asked("get", {"cid": UNKNOWN}))
    assert caught.value.reason == "unreadable_answer"


@pytest.mark.parametrize("status", [404, 504])
def test_what_a_gateway_does_not_find_another_may_have(server: AnsweringServer, status: int) -> None:
    server.answer(status, b"not found")
    with pytest.raises(Next) as caught:
        PinataIpfs(server.client()).execute(asked("get", {"cid": HELLO}))
    assert caught.value.reason == ipfs.FOUND_NOWHERE


def test_content_too_long_for_json_names_the_other_way(server: AnsweringServer) -> None:
    server.answer(200, bytes(16 * 1024 * 1024 + 1))
    with pytest.raises(Stop, match="GET /storage/ipfs"):
        PinataIpfs(server.client()).execute(asked("get", {"cid": HELLO}))


def test_a_jwt_is_asked_for(server: AnsweringServer) -> None:
    server.answer(200, {"message": "Congratulations! You are communicating with the Pinata API!"})
    assert PinataIpfs(server.client()).check(add()) is True
    server.answer(401, {"error": {"reason": "INVALID_CREDENTIALS", "details": f"Invalid/expired credentials {JWT}"}})
    with pytest.raises(Next, match="Invalid/expired credentials") as caught:
        PinataIpfs(server.client()).check(add())
    assert caught.value.credential_refused
    assert JWT not in caught.value.message


def test_a_used_up_plan_is_not_the_credentials_fault(server: AnsweringServer) -> None:
    server.answer(403, {"error": {"reason": "FORBIDDEN", "details": "Account blocked due to plan usage limit"}})
    with pytest.raises(Next, match="plan usage limit") as caught:
        PinataIpfs(server.client()).execute(add())
    assert (caught.value.credential_refused, caught.value.retry_after) == (False, LONGEST_SECONDS)
