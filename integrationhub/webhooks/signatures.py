"""Who sent a webhook: Meta's HMAC over the bytes of the body.

https://developers.facebook.com/docs/graph-api/webhooks/getting-started#validate-payloads
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass

_SIGNATURE = re.compile(r"sha256=([0-9a-f]{64})")
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Verdict:
    """`secret` says which one fits, `current` or `previous`; where none does, `reason` and `explanation` say why.

    `compared` is for operators: what a secret gives would let anybody try guesses of it.
    """

    secret: str = ""
    reason: str = ""
    explanation: str = ""
    compared: str = ""


def judge(body: bytes, given: str, secrets: Sequence[str]) -> Verdict:
    """Compare the header with what each secret (the current one first) gives, in constant time.

    Nothing is read from the body: parsed and written again, it would be other bytes.
    """
    known = [secret for secret in secrets if secret]
    if not known:
        return Verdict(reason="no_secret", explanation="No app secret is set, so that nothing can be verified.")
    if not given:
        return Verdict(reason="missing_signature", explanation="The request has no signature.")
    if (match := _SIGNATURE.fullmatch(given)) is None:
        return Verdict(
            reason="malformed_signature", explanation="The signature is not 'sha256=' and 64 lower-case hex digits."
        )
    expected = [hmac.new(secret.encode(), body, hashlib.sha256).hexdigest() for secret in known]
    fits = [hmac.compare_digest(each, match[1]) for each in expected]
    if not any(fits):
        shown = " or ".join(f"{each[:_SHOWN]}..." for each in expected)
        return Verdict(
            reason="wrong_signature",
            explanation=f"The signature is not the one of these {len(body)} bytes by the app's secret.",
            compared=f"The header says {match[1][:_SHOWN]}..., the secret gives {shown}.",
        )
    return Verdict(secret="current" if fits[0] else "previous")


def is_same(given: str, expected: str) -> bool:
    """In constant time; false where nothing is expected."""
    return hmac.compare_digest(given.encode(), expected.encode()) and bool(expected)
