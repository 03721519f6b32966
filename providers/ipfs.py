"""What all adapters of IPFS share: addresses that are read, and content that is believed only when it was checked."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, Literal

from integrationhub.core.errors import InvalidRequest
from providers import cids, contents, unixfs
from providers.adapter import Call, Receipt
from providers.cids import Cid
from providers.errors import Ambiguous, Next, Stop
from providers.unixfs import Verdict

# Of a file that comes or goes by itself, not inside of JSON.
LARGEST_FILE = 100 * contents.MIB
FOUND_NOWHERE, NOT_PINNED = "content_not_found", "not_pinned"
_EXPECTED = "an IPFS content identifier that can be decoded, such as the `cid` of an earlier answer"


def refuse(call: Call) -> None:
    """For an adapter's `preflight`: raises InvalidRequest for what looks like a CID and is none."""
    try:
        wanted(call)
    except Stop as error:
        raise unreadable("payload.cid") from error


def unreadable(field: str) -> InvalidRequest:
    return InvalidRequest(
        f"{field} is no content identifier that can be decoded.",
        reason="invalid_fields",
        fields=[{"field": field, "reason": "wrong_form", "expected": _EXPECTED}],
    )


def wanted(call: Call) -> Cid | None:
    """The CID that a payload names; None where it names none. Raises Stop."""
    if "cid" not in call.payload:
        return None
    try:
        return cids.parse(call.payload["cid"])
    except ValueError:
        raise Stop("payload.cid is no content identifier; nothing was sent.", reason="invalid_cid") from None


def told(text: Any) -> Cid | None:
    """The CID in a provider's answer; None for anything else."""
    try:
        return cids.parse(text) if isinstance(text, str) else None
    except ValueError:
        return None


def largest(call: Call) -> int:
    return LARGEST_FILE if call.file else call.largest


@contextmanager
def no_larger(call: Call) -> Iterator[None]:
    """Content that is too long for the way in which it was asked for is nobody's failure but the caller's."""
    try:
        yield
    except Ambiguous as error:
        if error.reason != "answer_too_large":
            raise
        words = f"The content is longer than {largest(call):,} bytes."
        if not call.file:
            words += f" GET /storage/ipfs/{{cid}} gives up to {LARGEST_FILE:,} bytes."
        raise Stop(words, reason="content_too_large") from None


def verdict(cid: Cid, file: IO[bytes], block: Callable[[Cid], bytes] | None = None) -> Verdict:
    """Whether the file is what the CID names; with `block` a node is asked for its tree where the bytes do not tell."""
    found = unixfs.check(cid, file)
    if found is Verdict.UNKNOWN and block:
        found = unixfs.walk(cid, file, block)
    return found


def added(provider: str, cid: Cid, file: IO[bytes], found: Verdict) -> Receipt:
    """Raises Ambiguous where the provider names something else than what it was given."""
    if found is Verdict.DIFFERS:
        words = f"{provider} took the file and named it by the address of another."
        raise Ambiguous(words, reason="wrong_content", upstream_status=200)
    return Receipt(str(cid), {**_shown(cid, file, found), "pinned": True})


def received(provider: str, call: Call, cid: Cid, file: IO[bytes], found: Verdict) -> Receipt:
    """Raises Next for bytes that are not those of the CID: they are given to nobody."""
    if found is Verdict.DIFFERS:
        words = f"{provider} gave other bytes than the CID names; they were thrown away."
        raise Next(words, reason="wrong_content", upstream_status=200)
    unkept = {} if call.file else {"content": contents.in_base64(file)}
    return Receipt(str(cid), _shown(cid, file, found), unkept)


def _shown(cid: Cid, file: IO[bytes], found: Verdict) -> dict[str, Any]:
    verified: bool | Literal["not_supported"] = True if found is Verdict.MATCHES else "not_supported"
    return {"cid": str(cid), "size": file.seek(0, 2), "verified": verified}
