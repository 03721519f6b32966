"""The node that tenants share, where several of them come at the same time, and how much it keeps for each."""

import base64
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from threading import Barrier, Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connections

from integrationhub.core.tenancy import tenant_scope
from integrationhub.storage import wishes
from integrationhub.storage.models import SharedPin
from providers import cids
from providers.unixfs import added
from tests.make import Api, another_tenant

CONTENT, EIGHT = b"hello", b"12345678"
CID = str(added(BytesIO(CONTENT)))
OTHER = str(added(BytesIO(EIGHT)))


class Node:
    """As much of a node's RPC as pins need, with the pins in a set: so that a test sees each call, and how it ends."""

    def __init__(self) -> None:
        self.pins: set[str] = set()
        self.sizes: dict[str, int] = {}
        self.asked: list[str] = []
        self.is_broken = False
        self.before: Callable[[str], None] = lambda command: None
        self._lock = Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def answer(self, command: str, cid: str) -> tuple[int, dict[str, Any]]:
        self.before(command)
        with self._lock:
            self.asked.append(command)
            if self.is_broken and command != "files/stat":
                return 500, {"Message": "the disk is full", "Code": 0, "Type": "error"}
            if command == "files/stat":
                return 200, {"Hash": cid, "CumulativeSize": self.sizes.get(cid, len(CONTENT))}
            if command == "pin/rm" and cid not in self.pins:
                return 500, {"Message": "not pinned or pinned indirectly", "Code": 0, "Type": "error"}
            (self.pins.discard if command == "pin/rm" else self.pins.add)(cid)
            return 200, {"Hash": cid, "Pins": [cid]}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        node = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                command = urlsplit(self.path).path.removeprefix("/api/v0/")
                named = parse_qs(urlsplit(self.path).query).get("arg", [CID if CONTENT in sent else OTHER])
                status, said = node.answer(command, str(cids.parse(named[0].removeprefix("/ipfs/"))))
                body = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


@pytest.fixture
def node(settings: Any) -> Iterator[Node]:
    node = Node()
    settings.IPFS_API_URL = node.url
    yield node
    node.stop()


def pin(api: Api, cid: str = CID) -> Any:
    return api.post(f"/storage/ipfs/{cid}/pin")


def unpin(api: Api, cid: str = CID) -> Any:
    return api.delete(f"/storage/ipfs/{cid}/pin")


def put(api: Api, content: bytes = CONTENT) -> Any:
    return api.post("/storage/ipfs", {"content": base64.b64encode(content).decode()})


def at_once(*acts: Callable[[], Any]) -> list[int]:
    def run(act: Callable[[], Any]) -> int:
        try:
            return int(act().status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def wished(*apis: Api) -> int:
    count = 0
    for api in apis:
        with tenant_scope(api.tenant):
            count += SharedPin.objects.for_tenant(api.tenant).count()
    return count


# --- At the same time ---


def test_of_two_who_take_it_back_at_once_the_last_has_it_forgotten(
    api: Api, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has looked who else wants it before either acts on what it saw."""
    other, both_looked, looked = another_tenant(), Barrier(2), wishes.is_wanted
    assert [pin(each).status_code for each in (api, other)] == [200, 200]
    first = {"left": 2}

    def look(cid: str) -> bool:
        seen = looked(cid)
        if first["left"] > 0:
            first["left"] -= 1
            both_looked.wait(10)
        return seen

    monkeypatch.setattr(wishes, "is_wanted", look)
    assert at_once(lambda: unpin(api), lambda: unpin(other)) == [204, 204]
    assert (node.pins, wished(api, other)) == (set(), 0)


@pytest.mark.parametrize("content", [CID, OTHER])
def test_many_who_come_and_go_leave_what_is_wanted(node: Node, content: str) -> None:
    stays, *others = [another_tenant() for _ in range(6)]

    def come_and_go(api: Api) -> Any:
        for _ in range(4):
            assert pin(api, content).status_code == 200
            answer = unpin(api, content)
        return answer

    assert pin(stays, content).status_code == 200
    at_once(*(lambda api=api: come_and_go(api) for api in others))  # type: ignore[misc]
    assert node.pins == {content}
    assert unpin(stays, content).status_code == 204
    at_once(*(lambda api=api: come_and_go(api) for api in others))  # type: ignore[misc]
    assert (node.pins, wished(stays, *others)) == (set(), 0)


def test_who_came_while_the_node_forgot_it_and_went_again_leaves_no_pin(api: Api, node: Node) -> None:
    """The pin that is made anew for who came is not wanted any more when it is made."""
    other = another_tenant()
    pin(api)
    steps = iter([lambda: wishes.add(other.tenant, CID, 5), lambda: wishes.take_back(other.tenant, CID)])

    def meanwhile(command: str) -> None:
        if command != "files/stat" and (step := next(steps, None)):
            step()
            connections.close_all()

    node.before = meanwhile
    assert unpin(api).status_code == 204
    assert node.asked[-3:] == ["pin/rm", "pin/add", "pin/rm"]
    assert node.pins == set()


def test_what_could_not_be_forgotten_can_be_asked_for_again(api: Api, node: Node) -> None:
    pin(api)
    node.is_broken = True
    assert unpin(api).status_code == 503
    node.is_broken = False
    assert unpin(api).status_code == 204
    assert (node.pins, wished(api), unpin(api).status_code) == (set(), 0, 404)


def test_a_pin_that_fails_leaves_none_that_another_left_for_it(api: Api, node: Node) -> None:
    other = another_tenant()
    pin(other)

    def goes(command: str) -> None:
        if command == "pin/add":
            node.before = lambda command: None
            assert at_once(lambda: unpin(other)) == [204]
            node.is_broken = True
            node.before = mends

    def mends(command: str) -> None:
        node.is_broken = False

    node.before = goes
    assert pin(api).status_code == 503
    assert (node.pins, wished(api, other)) == (set(), 0)


def test_a_pin_that_fails_takes_back_none_that_was_pinned_at_the_same_time(api: Api, node: Node) -> None:
    def is_pinned_by_another_call(command: str) -> None:
        if command == "pin/add":
            node.before = lambda command: None
            assert at_once(lambda: pin(api)) == [200]
            node.is_broken = True

    node.before = is_pinned_by_another_call
    assert pin(api).status_code == 503
    node.is_broken = False
    assert (node.pins, wished(api)) == ({CID}, 1)
    assert unpin(another_tenant()).status_code == 404
    assert unpin(api).status_code == 204
    assert (node.pins, wished(api)) == (set(), 0)


# --- How much ---


def refused(answer: Any, used: int, size: int) -> bool:
    error = answer.json()
    assert (answer.status_code, error["code"]) == (413, "ERR_INTEGRATION_HUB_SVC_INVALID_REQUEST"), answer.content
    assert error["retryable"] is False
    told = {name: error["details"][name] for name in ("reason", "maxBytes", "usedBytes", "sizeBytes")}
    return told == {"reason": "shared_node_full", "maxBytes": 12, "usedBytes": used, "sizeBytes": size}


@pytest.fixture
def _twelve_bytes(settings: Any) -> None:
    settings.IPFS_MAX_BYTES_PER_TENANT = 12


@pytest.mark.usefixtures("_twelve_bytes")
def test_the_node_keeps_so_much_for_a_tenant_and_no_more(api: Api, node: Node) -> None:
    assert [put(api).status_code, put(api).status_code] == [201, 201]
    before = len(node.asked)
    assert refused(put(api, EIGHT), 5, 8)
    assert len(node.asked) == before, "nothing was sent"
    assert put(another_tenant(), EIGHT).status_code == 201
    assert unpin(api).status_code == 204
    assert put(api, EIGHT).status_code == 201


@pytest.mark.usefixtures("_twelve_bytes")
def test_what_is_kept_already_is_added_once_more_whatever_is_full(api: Api, node: Node) -> None:
    assert [put(api, EIGHT).status_code, put(api, EIGHT).status_code] == [201, 201]
    assert wished(api) == 1


@pytest.mark.usefixtures("_twelve_bytes")
def test_a_pin_counts_by_the_size_that_its_root_says(api: Api, node: Node) -> None:
    node.sizes = {OTHER: 8}
    assert put(api).status_code == 201
    assert refused(pin(api, OTHER), 5, 8)
    assert (OTHER in node.pins, wished(api)) == (False, 1)
    node.sizes = {OTHER: 7}
    assert pin(api, OTHER).status_code == 200
    assert [pin(api).status_code, pin(api, OTHER).status_code] == [200, 200], "both are kept already"


@pytest.mark.usefixtures("_twelve_bytes")
def test_two_that_fit_alone_do_not_fit_at_once(api: Api, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.sizes = {CID: 8, OTHER: 8}
    both = Barrier(2)
    node.before = lambda command: both.wait(10) if command == "files/stat" else None  # type: ignore[assignment,return-value]
    assert sorted(at_once(lambda: pin(api), lambda: pin(api, OTHER))) == [200, 413]
    assert (len(node.pins), wished(api)) == (1, 1)


@pytest.mark.usefixtures("_twelve_bytes")
def test_what_filled_it_meanwhile_is_counted_too(api: Api, node: Node) -> None:
    def filled(command: str) -> None:
        if command == "add":
            wishes.add(api.tenant, OTHER, 12)
            connections.close_all()

    node.before = filled
    assert refused(put(api), 12, 5)
    assert node.pins == set(), "what was added is forgotten again"


def test_what_is_refused_is_recorded_as_such_and_told_again(api: Api, node: Node, settings: Any) -> None:
    settings.IPFS_MAX_BYTES_PER_TENANT = 1
    body = {"content": base64.b64encode(CONTENT).decode()}
    first, again = (api.post("/storage/ipfs", body, headers={"Idempotency-Key": "a-key"}) for _ in range(2))
    assert (first.status_code, again.content) == (413, first.content)


def test_a_tenant_has_room_from_the_start(settings: Any) -> None:
    assert settings.IPFS_MAX_BYTES_PER_TENANT == 1024**3
