"""The endpoints of IPFS over HTTP, against a real node."""

import base64
import os
from io import BytesIO
from typing import Any

import pytest
from urllib3 import encode_multipart_formdata

from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution.models import Execution
from integrationhub.storage import shared_node as sharing
from integrationhub.storage.models import SharedPin
from providers import cids, ipfs, unixfs
from tests.make import Api, another_tenant, keyed
from tests.storage.asking import RPC, install, is_pinned

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ipfs")]

SEVERAL_BLOCKS = 46 * 1024 * 1024 + 5  # More than 174 of them, and so a tree of two levels.


def upload(api: Api, content: bytes, **kwargs: Any) -> Any:
    headers = kwargs.pop("headers", {})
    form = {**kwargs.pop("fields", {}), "file": ("a file.bin", content, "application/octet-stream")}
    body, content_type = encode_multipart_formdata(form)
    return api.post("/storage/ipfs", body, headers={"Content-Type": content_type, **headers}, **kwargs)


def content_of(answer: Any) -> bytes:
    assert answer.status_code == 200, answer.content
    return b"".join(answer.streaming_content)


@pytest.mark.usefixtures("shared_node")
@pytest.mark.parametrize("size", [0, 5, 300_000, SEVERAL_BLOCKS], ids=["empty", "short", "two blocks", "two levels"])
def test_a_file_of_a_form_comes_back_as_it_went(api: Api, size: int) -> None:
    content = os.urandom(size)
    answer = upload(api.as_role("organizer"), content)
    assert answer.status_code == 201, answer.content
    kept = answer.json()
    assert (kept["size"], kept["verified"], kept["pinned"]) == (size, True, True)
    assert kept["provider_key"] == "kubo_ipfs"
    read = api.as_role("organizer").get(f"/storage/ipfs/{kept['cid']}", headers={"Accept": "application/octet-stream"})
    assert content_of(read) == content
    assert read["Content-Length"] == str(size)
    assert read["Content-Disposition"] == f'attachment; filename="{kept["cid"]}"'


@pytest.mark.usefixtures("shared_node")
def test_the_address_is_kubos_whatever_the_node_spells(api: Api, ipfs_node: str) -> None:
    content = os.urandom(1000)
    told = RPC(ipfs_node).add(content)
    assert told.startswith("zb2r"), "js-ipfs writes base58"
    kept = upload(api, content).json()
    assert kept["cid"].startswith("bafkrei")
    assert cids.parse(told) == cids.parse(kept["cid"]) == unixfs.added(BytesIO(content))
    for spelling in (told, kept["cid"]):
        assert content_of(api.get(f"/storage/ipfs/{spelling}")) == content


@pytest.mark.usefixtures("shared_node")
def test_content_in_json_is_added_too(api: Api) -> None:
    body = {"content": base64.b64encode(b"hello json").decode(), "name": "hello.txt"}
    answer = api.post("/storage/ipfs", body)
    assert answer.status_code == 201, answer.content
    assert content_of(api.get(f"/storage/ipfs/{answer.json()['cid']}")) == b"hello json"


@pytest.mark.usefixtures("shared_node")
def test_each_is_an_execution_that_holds_no_content(api: Api) -> None:
    kept = upload(api, b"recorded").json()
    content_of(api.get(f"/storage/ipfs/{kept['cid']}"))
    rows = api.get("/executions").json()["data"]
    assert [(row["intent"], row["status"]) for row in rows] == [
        ("storage.get.ipfs", "succeeded"),
        ("storage.add.ipfs", "succeeded"),
    ]
    assert rows[1]["execution_id"] == kept["execution_id"]
    assert rows[0]["result"] == {"cid": kept["cid"], "size": 8, "verified": True}


@pytest.mark.usefixtures("shared_node")
def test_a_key_adds_once_and_answers_the_same(api: Api) -> None:
    key = keyed()
    first, again = upload(api, b"once", **key), upload(api, b"once", **key)
    assert (again.status_code, again.content) == (201, first.content)
    assert again["Idempotent-Replayed"] == "true"
    assert len(api.get("/executions").json()["data"]) == 1
    assert upload(api, b"other", **key).status_code == 422


@pytest.mark.usefixtures("shared_node")
def test_what_was_cut_by_another_rule_is_checked_by_its_blocks(api: Api, ipfs_node: str) -> None:
    content = os.urandom(200_000)
    cid = RPC(ipfs_node).add(content, chunker="size-1000")
    assert unixfs.check(cids.parse(cid), BytesIO(content)) is unixfs.Verdict.UNKNOWN
    assert content_of(api.get(f"/storage/ipfs/{cid}")) == content
    assert api.get("/executions").json()["data"][0]["result"]["verified"] is True


@pytest.mark.usefixtures("shared_node")
def test_content_that_nobody_has_is_404_and_no_fault_of_the_node(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integrationhub.storage.ipfs_files.ATTEMPT_SECONDS", 6.0)
    monkeypatch.setattr("providers.kubo.AHEAD_SECONDS", 5.0)
    unknown = str(unixfs.added(BytesIO(os.urandom(20))))
    answer = api.get(f"/storage/ipfs/{unknown}")
    assert (answer.status_code, answer.json()["details"]["reason"]) == (404, ipfs.FOUND_NOWHERE)


@pytest.mark.usefixtures("shared_node")
def test_a_pin_is_the_tenants_own_on_a_node_that_tenants_share(
    api: Api, ipfs_node: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten: list[str] = []
    unpin = sharing._unpin_at_node
    monkeypatch.setattr(sharing, "_unpin_at_node", lambda call, what: forgotten.append(str(what)) or unpin(call, what))
    content = os.urandom(100)
    cid = upload(api, content).json()["cid"]
    other = another_tenant()
    assert upload(other, content).json()["cid"] == cid
    stranger = another_tenant()
    refused = stranger.delete(f"/storage/ipfs/{cid}/pin")
    assert (refused.status_code, refused.json()["details"]["reason"]) == (404, ipfs.NOT_PINNED)
    assert api.delete(f"/storage/ipfs/{cid}/pin").status_code == 204
    assert forgotten == [], "the other tenant wants it kept"
    assert is_pinned(ipfs_node, cid)
    assert api.delete(f"/storage/ipfs/{cid}/pin").status_code == 404
    assert other.delete(f"/storage/ipfs/{cid}/pin").status_code == 204
    assert forgotten == [cid]
    assert not is_pinned(ipfs_node, cid)
    kept = api.post(f"/storage/ipfs/{cid}/pin")
    assert (kept.status_code, kept.json()["pinned"]) == (200, True)
    assert is_pinned(ipfs_node, cid)


def test_who_wanted_it_while_the_last_one_took_it_back_keeps_it(
    api: Api, shared_node: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the question who else wants it and the node's forgetting."""
    cid = upload(api, os.urandom(100)).json()["cid"]
    other = another_tenant()
    unpin = sharing._unpin_at_node

    def wanted_meanwhile(call: Any, what: Any) -> None:
        with tenant_scope(other.tenant):
            SharedPin.objects.create(tenant_id=other.tenant, cid=cid)
        unpin(call, what)

    monkeypatch.setattr(sharing, "_unpin_at_node", wanted_meanwhile)
    assert api.delete(f"/storage/ipfs/{cid}/pin").status_code == 204
    assert is_pinned(shared_node, cid)


def test_a_tenants_own_node_is_asked_and_the_deployments_is_not(api: Api, ipfs_node: str, settings: Any) -> None:
    settings.IPFS_API_URL = "http://127.0.0.1:9"
    install(api, "kubo_ipfs", endpoint=ipfs_node)
    kept = upload(api, b"on a node of one's own")
    assert kept.status_code == 201, kept.content
    cid = kept.json()["cid"]
    assert content_of(api.get(f"/storage/ipfs/{cid}")) == b"on a node of one's own"
    assert api.delete(f"/storage/ipfs/{cid}/pin").status_code == 204
    assert not is_pinned(ipfs_node, cid)
    assert api.delete(f"/storage/ipfs/{cid}/pin").status_code == 404


def test_an_execution_reads_what_an_upload_wrote(api: Api, shared_node: str) -> None:
    install(api, "kubo_ipfs")
    cid = upload(api, b"either door").json()["cid"]
    body = {"category": "storage", "intent": "storage.get.ipfs", "payload": {"cid": cid}}
    answer = api.post("/execute", body)
    assert answer.status_code == 200, answer.content
    said = answer.json()
    assert base64.b64decode(said["result"]["content"]) == b"either door"
    with tenant_scope(api.tenant):
        row = Execution.objects.for_tenant(api.tenant).get(id=said["execution_id"])
    assert "content" not in row.result


def test_more_than_json_can_hold_names_the_other_way(api: Api, shared_node: str) -> None:
    install(api, "kubo_ipfs")
    cid = upload(api, bytes(16 * 1024 * 1024 + 1)).json()["cid"]
    body = {"category": "storage", "intent": "storage.get.ipfs", "payload": {"cid": cid}}
    answer = api.post("/execute", body)
    assert answer.status_code == 400
    assert "GET /storage/ipfs/{cid}" in answer.json()["message"]
