"""A node of IPFS by Kubo's RPC, which js-ipfs speaks too. Every command is a POST.

https://docs.ipfs.tech/reference/kubo/rpc/; its statuses: https://docs.ipfs.tech/reference/kubo/rpc/#http-status-codes
"""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from integrationhub.core.outbound import Answer
from providers import answers, contents, endpoints, ipfs
from providers.adapter import Adapter, Call, Receipt
from providers.cids import Cid
from providers.errors import Ambiguous, Next, ProviderError
from providers.unixfs import LONGEST_BLOCK, Verdict

# Before we give the node up it should give up itself, and say so: then it is known what it did.
AHEAD_SECONDS = 0.5
# The rules by which `unixfs.added` computes what the node has to answer, whatever its own configuration says.
_ADD = {"cid-version": "1", "raw-leaves": "true", "chunker": "size-262144", "hash": "sha2-256", "pin": "true"}
_NONE: Mapping[str, str] = {}
# By a part of the message, since every failed command is a 500 with code 0: of Kubo, and of js-ipfs. Kubo's words are
# those of its libraries: https://github.com/ipfs/go-ipld-format/blob/master/merkledag.go ("ipld: could not find …"),
# https://github.com/ipfs/boxo/blob/main/pinning/pinner/pin.go ("not pinned or pinned indirectly")
_SAYINGS = {
    "not pinned": {"reason": ipfs.NOT_PINNED},
    "deadline exceeded": {"reason": ipfs.FOUND_NOWHERE},
    "request timed out": {"reason": ipfs.FOUND_NOWHERE},
    "could not find": {"reason": ipfs.FOUND_NOWHERE},
    "not found": {"reason": ipfs.FOUND_NOWHERE},
}


class Kubo(Adapter):
    """A tenant's own node. To add, pin or unpin a content address twice is to do it once, so that what may have been
    done does no harm at another node: a node that fails with a 5xx is one that cannot do it."""

    key = "kubo_ipfs"
    display_name = "IPFS node (Kubo)"
    summary = "Files on an IPFS node of one's own, through Kubo's RPC."
    docs_url = "https://docs.ipfs.tech/reference/kubo/rpc/"
    has_own_address = True
    intents = frozenset({"storage.add.ipfs", "storage.pin.ipfs", "storage.get.ipfs", "storage.unpin.ipfs"})
    # 404 says that this is no such RPC, 500 that the command failed, and a proxy the other two.
    status_classes = {404: Next, 500: Next, 502: Next, 504: Next}
    credential_schema = {
        "type": "object",
        "properties": {
            "endpoint": endpoints.member("the node's RPC, without /api/v0", "https://ipfs.example.com"),
            "token": {
                "type": "string",
                "minLength": 8,
                "maxLength": 4000,
                "pattern": r"^[\x21-\x7e]+$",
                "x-secret": True,
                "description": "sent as a bearer token, where the node or its proxy wants one",
                "examples": ["an-example-of-a-token-of-a-node"],
            },
            "username": {
                "type": "string",
                "minLength": 1,
                "maxLength": 200,
                "pattern": r"^[^:\x00-\x1f\x7f]+$",
                "description": "with `password`, in place of a token",
            },
            "password": {"type": "string", "minLength": 8, "maxLength": 400, "x-secret": True},
        },
        "required": ["endpoint"],
        "dependentRequired": {"username": ["password"], "password": ["username"]},
        "additionalProperties": False,
    }

    def preflight(self, call: Call) -> None:
        ipfs.refuse(call)

    def check(self, call: Call) -> bool:
        answer = self._rpc(call, "version")
        if answer.status != HTTPStatus.OK or not isinstance(answers.document(answer).get("Version"), str):
            raise self._failure(call, answer)
        return True

    def execute(self, call: Call) -> Receipt:
        cid = ipfs.wanted(call)
        if cid is None:
            return self._add(call)
        if call.intent == "storage.get.ipfs":
            return self._get(call, cid)
        return self._pinned(call, cid, "add" if call.intent == "storage.pin.ipfs" else "rm")

    def _add(self, call: Call) -> Receipt:
        with contents.opened(call, self.http) as (file, _):
            name = call.payload.get("name", "file")
            answer = self._rpc(call, "add", _ADD, files={"file": (name, file, "application/octet-stream")})
            cid = ipfs.told(_last(answer).get("Hash"))
            if answer.status != HTTPStatus.OK or cid is None:
                raise self._failure(call, answer)
            return ipfs.added(self.display_name, cid, file, self._verdict(call, cid, file))

    def _get(self, call: Call, cid: Cid) -> Receipt:
        with contents.room(call) as file:
            with ipfs.no_larger(call):
                answer = self._rpc(call, "cat", {"arg": str(cid)}, into=file.write, max_bytes=ipfs.largest(call))
            # Kubo's and js-ipfs's word for content that comes as it is. What breaks off in its middle looks whole.
            is_content = "X-Stream-Output" in answer.headers or "X-Chunked-Output" in answer.headers
            if answer.status != HTTPStatus.OK or not is_content:
                raise self._failure(call, answer)
            found = self._verdict(call, cid, file)
            if found is Verdict.UNKNOWN:
                words = f"{self.display_name} gave bytes that cannot be checked by the CID; they were thrown away."
                raise Next(words, reason="unchecked_content", upstream_status=answer.status)
            return ipfs.received(self.display_name, call, cid, file, found)

    def _pinned(self, call: Call, cid: Cid, command: str) -> Receipt:
        answer = self._rpc(call, f"pin/{command}", {"arg": str(cid)})
        pins = answers.document(answer).get("Pins")
        named = [ipfs.told(pin) for pin in pins] if isinstance(pins, list) else []
        if answer.status != HTTPStatus.OK or cid not in named:
            raise self._failure(call, answer)
        return Receipt(str(cid), {"cid": str(cid), "pinned": command == "add"})

    def size(self, call: Call, cid: Cid) -> int:
        """Of a file or folder with all that is below it, in bytes, as its root says: only that is fetched for it.

        https://docs.ipfs.tech/reference/kubo/rpc/#api-v0-files-stat
        """
        answer = self._rpc(call, "files/stat", {"arg": f"/ipfs/{cid}"})
        told = answers.document(answer).get("CumulativeSize")
        if answer.status != HTTPStatus.OK or type(told) is not int or told < 0:
            raise self._failure(call, answer)
        return told

    def _verdict(self, call: Call, cid: Cid, file: Any) -> Verdict:
        try:
            return ipfs.verdict(cid, file, lambda node: self._block(call, node))
        except (Next, Ambiguous):
            # The node has done what it was asked; that it does not show how is no failure of that.
            return Verdict.UNKNOWN

    def _block(self, call: Call, cid: Cid) -> bytes:
        answer = self._rpc(call, "block/get", {"arg": str(cid)}, max_bytes=LONGEST_BLOCK)
        if answer.status != HTTPStatus.OK:
            raise self._failure(call, answer)
        return answer.body

    def _rpc(self, call: Call, command: str, arguments: Mapping[str, str] = _NONE, **request: Any) -> Answer:
        patience = max(0.1, call.deadline.remaining() - AHEAD_SECONDS)
        params = {**arguments, "timeout": f"{round(patience * 1000)}ms"}
        return self.ask(call, "POST", f"/api/v0/{command}", params=params, **request, **self.login(call))

    def login(self, call: Call) -> dict[str, Any]:
        """What of a request says who asks: https://github.com/ipfs/kubo/blob/master/docs/config.md#apiauthorizations"""
        if token := call.secrets.get("token"):
            return {"headers": {"Authorization": f"Bearer {token}"}}
        return {"auth": (call.secrets["username"], call.secrets["password"])} if "username" in call.secrets else {}

    def _failure(self, call: Call, answer: Answer) -> ProviderError:
        said = answers.document(answer).get("Message")
        known: dict[str, Any] = {}
        if answer.status == HTTPStatus.INTERNAL_SERVER_ERROR and isinstance(said, str):
            known = next((more for part, more in _SAYINGS.items() if part in said), {"reason": "kubo_error"})
        return self.failure(call, answer, said, **known)


def _last(answer: Answer) -> dict[str, Any]:
    """The last of the lines of JSON; empty where it is none."""
    lines = answer.body.strip().splitlines()
    try:
        said = json.loads(lines[-1]) if lines else {}
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
