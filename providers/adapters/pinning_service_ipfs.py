"""Any service that speaks the IPFS Pinning Service API: https://ipfs.github.io/pinning-services-api-spec/"""

import time
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from integrationhub.core.outbound import Answer
from providers import answers, endpoints, ipfs
from providers.adapter import Adapter, Call, Receipt
from providers.cids import Cid
from providers.errors import Next, ProviderError
from providers.retry_after import LONGEST_SECONDS

# A service that has the content says so at once; for one that looks for it nobody waits longer.
WATCH_SECONDS, LOOK_AGAIN_SECONDS = 3.0, 0.5
_ALL = "queued,pinning,pinned,failed"


class PinningServiceIpfs(Adapter):
    key = "pinning_service_ipfs"
    display_name = "IPFS pinning service"
    summary = "Content on IPFS, kept by any service with the IPFS Pinning Service API."
    docs_url = "https://ipfs.github.io/pinning-services-api-spec/"
    has_own_address = True
    intents = frozenset({"storage.pin.ipfs", "storage.unpin.ipfs"})
    # 404: a pin that this service has not. https://ipfs.github.io/pinning-services-api-spec/#section/Schemas
    status_classes = {404: Next}
    credential_schema = {
        "type": "object",
        "properties": {
            "endpoint": endpoints.member("the service's API, without /pins", "https://api.pinning.example/psa"),
            "access_token": {
                "type": "string",
                "minLength": 8,
                "maxLength": 4000,
                "pattern": r"^[\x21-\x7e]+$",
                "x-secret": True,
                "description": "the service's access token",
                "examples": ["an-example-of-an-access-token"],
            },
        },
        "required": ["endpoint", "access_token"],
        "additionalProperties": False,
    }

    def preflight(self, call: Call) -> None:
        ipfs.refuse(call)

    def check(self, call: Call) -> bool:
        self._pins(call, "limit=1")
        return True

    def execute(self, call: Call) -> Receipt:
        cid = ipfs.wanted(call)
        assert cid is not None  # noqa: S101  Both intents require one.
        return self._pin(call, cid) if call.intent == "storage.pin.ipfs" else self._unpin(call, cid)

    def _pin(self, call: Call, cid: Cid) -> Receipt:
        named = {"name": call.payload["name"]} if "name" in call.payload else {}
        answer = self._asked(call, "POST", "/pins", json={"cid": str(cid), **named})
        said = self._kept(call, cid, answer) or self._pin_in(call, answer, HTTPStatus.ACCEPTED, HTTPStatus.OK)
        if said["cid"] != cid:
            raise self._failure(call, answer)
        said = self._watched(call, said)
        if said["status"] == "failed":
            words = f"{self.display_name} could not pin the content."
            raise Next(words, reason=ipfs.FOUND_NOWHERE, upstream_status=answer.status, credential_refused=False)
        told = {"cid": str(cid), "pinned": said["status"] == "pinned", "status": said["status"]}
        return Receipt(said["requestid"], told)

    def _kept(self, call: Call, cid: Cid, answer: Answer) -> dict[str, Any] | None:
        """The account's own pin, where a service refuses to make a second one, as Pinata's does with a 400."""
        error = answers.document(answer).get("error")
        is_kept = isinstance(error, dict) and error.get("reason") == "DUPLICATE_OBJECT"
        return next(iter(self._pins_of(call, cid)), None) if is_kept else None

    def _watched(self, call: Call, said: dict[str, Any]) -> dict[str, Any]:
        """How it goes on, for a moment. It was accepted: a look that fails tells nothing else."""
        until = call.deadline.within(WATCH_SECONDS)
        while said["status"] in ("queued", "pinning") and until.remaining() > LOOK_AGAIN_SECONDS:
            time.sleep(LOOK_AGAIN_SECONDS)
            try:
                answer = self._asked(call, "GET", f"/pins/{quote(said['requestid'], safe='')}")
                said = self._pin_in(call, answer, HTTPStatus.OK)
            except ProviderError:
                break
        return said

    def _unpin(self, call: Call, cid: Cid) -> Receipt:
        """Every request of the account to pin it: the same content may have been asked for more than once."""
        pins = self._pins_of(call, cid)
        if not pins:
            words = f"{self.display_name} has no pin of this content."
            raise Next(words, reason=ipfs.NOT_PINNED, upstream_status=200)
        for pin in pins:
            answer = self._asked(call, "DELETE", f"/pins/{quote(pin['requestid'], safe='')}")
            if answer.status not in (HTTPStatus.ACCEPTED, HTTPStatus.NOT_FOUND):
                raise self._failure(call, answer)
        return Receipt(pins[0]["requestid"], {"cid": str(cid), "pinned": False})

    def _pins_of(self, call: Call, cid: Cid) -> list[dict[str, Any]]:
        return [pin for pin in self._pins(call, f"cid={cid}&status={_ALL}&limit=100") if pin["cid"] == cid]

    def _pins(self, call: Call, query: str) -> list[dict[str, Any]]:
        answer = self._asked(call, "GET", f"/pins?{query}")
        results = answers.document(answer).get("results")
        if answer.status != HTTPStatus.OK or not isinstance(results, list):
            raise self._failure(call, answer)
        return [pin for pin in map(_pin, results) if pin]

    def _pin_in(self, call: Call, answer: Answer, *expected: int) -> dict[str, Any]:
        pin = _pin(answers.document(answer))
        if answer.status not in expected or pin is None:
            raise self._failure(call, answer)
        return pin

    def _asked(self, call: Call, method: str, path: str, **request: Any) -> Answer:
        login = {"Authorization": f"Bearer {call.secrets['access_token']}"}
        return self.ask(call, method, path, headers=login, **request)

    def _failure(self, call: Call, answer: Answer) -> ProviderError:
        error = answers.document(answer).get("error")
        said = error if isinstance(error, dict) else {}
        known: dict[str, Any] = {}
        if answer.status == HTTPStatus.CONFLICT:  # The service's word for an account without funds.
            known = {"kind": Next, "reason": "insufficient_funds", "retry_after": LONGEST_SECONDS}
        return self.failure(call, answer, said.get("details") or said.get("reason"), **known)


def _pin(said: Any) -> dict[str, Any] | None:
    """What of a PinStatus is of use; None for what is none."""
    if not isinstance(said, dict) or not isinstance(said.get("pin"), dict):
        return None
    pin = {"requestid": said.get("requestid"), "status": said.get("status"), "cid": ipfs.told(said["pin"].get("cid"))}
    known = isinstance(pin["requestid"], str) and pin["requestid"] and pin["status"] in _ALL.split(",")
    return pin if known else None
