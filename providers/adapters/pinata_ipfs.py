"""Pinata: https://docs.pinata.cloud/api-reference/introduction

Files, pins and their removal by its IPFS API (https://docs.pinata.cloud/api-reference/endpoint/ipfs/pin-file-to-ipfs,
pin-by-cid, unpin-file); content by a gateway, its public one or the account's own.
"""

import json
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from integrationhub.core.outbound import Answer
from providers import answers, contents, endpoints, ipfs
from providers.adapter import NAMED_BY_TENANT, Adapter, Call, Receipt
from providers.cids import Cid
from providers.errors import Next, ProviderError
from providers.retry_after import LONGEST_SECONDS
from providers.unixfs import Verdict

_GREETING = "communicating with the Pinata API"
_PUBLIC_GATEWAY = "https://gateway.pinata.cloud"
# As met in its answers: the pages of its API show none of these words.
_REASONS = {
    "CURRENT_USER_HAS_NOT_PINNED_CID": {"kind": Next, "reason": ipfs.NOT_PINNED},
    "INVALID_CREDENTIALS": {"kind": Next, "credential_refused": True},
    "NO_SCOPES_FOUND": {"kind": Next, "credential_refused": True},
    "PAID_FEATURE_ONLY": {"kind": Next, "credential_refused": False},
    # "Account blocked due to plan usage limit"
    "FORBIDDEN": {"kind": Next, "credential_refused": False, "retry_after": LONGEST_SECONDS},
}


class PinataIpfs(Adapter):
    key = "pinata_ipfs"
    display_name = "Pinata"
    summary = "Files on IPFS, kept by Pinata."
    docs_url = "https://docs.pinata.cloud/api-reference/introduction"
    base_url = "https://api.pinata.cloud"
    # The account's gateway, else the public one.
    allowed_hosts = frozenset({NAMED_BY_TENANT, "gateway.pinata.cloud"})
    intents = frozenset({"storage.add.ipfs", "storage.pin.ipfs", "storage.get.ipfs", "storage.unpin.ipfs"})
    # What this account or its gateway has not, another provider may have; 504 is a gateway that has not found it.
    status_classes = {404: Next, 504: Next}
    config_schema = {
        "type": "object",
        "properties": {"gateway": endpoints.member("the account's gateway", "https://example.mypinata.cloud")},
        "additionalProperties": False,
    }
    credential_schema = {
        "type": "object",
        "properties": {
            "jwt": {
                "type": "string",
                "minLength": 20,
                "maxLength": 4000,
                "pattern": r"^[\x21-\x7e]+$",
                "x-secret": True,
                "description": "the JWT of an API key",
                "examples": ["an-example.of-a-jwt-of.pinatas-own"],
            },
            "gateway_key": {
                "type": "string",
                "minLength": 8,
                "maxLength": 400,
                "pattern": r"^[\x21-\x7e]+$",
                "x-secret": True,
                "description": "the key of the account's gateway, where that one wants it",
            },
        },
        "required": ["jwt"],
        "additionalProperties": False,
    }

    def preflight(self, call: Call) -> None:
        ipfs.refuse(call)

    def check(self, call: Call) -> bool:
        """https://docs.pinata.cloud/api-reference/endpoint/ipfs/test-authentication"""
        answer = self._api(call, "GET", "/data/testAuthentication")
        if answer.status != HTTPStatus.OK or _GREETING not in str(answers.document(answer).get("message")):
            raise self._failure(call, answer)
        return True

    def execute(self, call: Call) -> Receipt:
        cid = ipfs.wanted(call)
        if cid is None:
            return self._add(call)
        act = {"storage.get.ipfs": self._get, "storage.pin.ipfs": self._pin}.get(call.intent, self._unpin)
        return act(call, cid)

    def _add(self, call: Call) -> Receipt:
        with contents.opened(call, self.http) as (file, type_):
            name = call.payload.get("name", "file")
            form = {"pinataMetadata": json.dumps({"name": name}), "pinataOptions": json.dumps({"cidVersion": 1})}
            files = {"file": (name, file, type_ or "application/octet-stream")}
            answer = self._api(call, "POST", "/pinning/pinFileToIPFS", data=form, files=files)
            cid = ipfs.told(answers.document(answer).get("IpfsHash"))
            if answer.status != HTTPStatus.OK or cid is None:
                raise self._failure(call, answer)
            return ipfs.added(self.display_name, cid, file, ipfs.verdict(cid, file))

    def _pin(self, call: Call, cid: Cid) -> Receipt:
        """Pinata looks for the content later: `status` is what it says of that."""
        named = {"pinataMetadata": {"name": call.payload["name"]}} if "name" in call.payload else {}
        answer = self._api(call, "POST", "/pinning/pinByHash", json={"hashToPin": str(cid), **named})
        said = answers.document(answer)
        if answer.status != HTTPStatus.OK or ipfs.told(said.get("ipfsHash")) != cid:
            raise self._failure(call, answer)
        status = said.get("status") if isinstance(said.get("status"), str) else None
        return Receipt(str(said.get("id") or cid), {"cid": str(cid), "pinned": False, "status": status})

    def _unpin(self, call: Call, cid: Cid) -> Receipt:
        answer = self._api(call, "DELETE", f"/pinning/unpin/{cid}")
        is_text = answer.headers.get("Content-Type", "").startswith("text/")
        if answer.status != HTTPStatus.OK or not is_text or answer.body.strip() != b"OK":
            raise self._failure(call, answer)
        return Receipt(str(cid), {"cid": str(cid), "pinned": False})

    def _get(self, call: Call, cid: Cid) -> Receipt:
        """By a gateway (https://specs.ipfs.tech/http-gateways/path-gateway/), which gets its own key and no other."""
        where = replace(call, base_url=call.base_url or call.config.get("gateway", _PUBLIC_GATEWAY))
        key = call.secrets.get("gateway_key")
        login = {"headers": {"x-pinata-gateway-token": key}} if key else {}
        with contents.room(call) as file:
            with ipfs.no_larger(call):
                answer = self.ask(where, "GET", f"/ipfs/{cid}", into=file.write, max_bytes=ipfs.largest(call), **login)
            if answer.status != HTTPStatus.OK:
                gone = {"reason": ipfs.FOUND_NOWHERE} if answer.status in (404, 504) else {}
                raise self.failure(call, answer, **gone)
            found = ipfs.verdict(cid, file)
            if found is Verdict.UNKNOWN and not _names(answer, cid):
                raise self.failure(call, answer)
            return ipfs.received(self.display_name, call, cid, file, found)

    def _api(self, call: Call, method: str, path: str, **request: Any) -> Answer:
        return self.ask(call, method, path, headers={"Authorization": f"Bearer {call.secrets['jwt']}"}, **request)

    def _failure(self, call: Call, answer: Answer) -> ProviderError:
        error = answers.document(answer).get("error")
        said = error if isinstance(error, dict) else {"details": error}
        reason = said.get("reason")
        known = _REASONS.get(reason, {}) if isinstance(reason, str) and 400 <= answer.status < 500 else {}
        return self.failure(call, answer, said.get("details"), **known)


def _names(answer: Answer, cid: Cid) -> bool:
    """Whether an answer says in its head that it is this content. What can neither be checked nor says so is a page.

    https://specs.ipfs.tech/http-gateways/path-gateway/#response-headers
    """
    said = [answer.headers.get(name, "") for name in ("X-Ipfs-Path", "X-Ipfs-Roots", "Etag")]
    return any(
        ipfs.told(word) == cid for words in said for word in words.replace('"', "/").replace(",", "/").split("/")
    )
