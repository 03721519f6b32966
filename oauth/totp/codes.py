"""Time-based one-time codes: RFC 6238 (SHA-1, six digits, thirty seconds), which is what authenticator apps speak."""

import hmac
import re
from datetime import datetime

DIGITS, STEP_SECONDS = 6, 30
# Clocks differ, and codes take time to be typed: https://www.rfc-editor.org/rfc/rfc6238#section-5.2
DRIFT_STEPS = 1


def code(secret: bytes, step: int, *, digits: int = DIGITS, digest: str = "sha1") -> str:
    """The code of one step, by the truncation of https://www.rfc-editor.org/rfc/rfc4226#section-5.3"""
    mac = hmac.digest(secret, step.to_bytes(8, "big"), digest)
    offset = mac[-1] & 0xF
    number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**digits:0{digits}d}"


def step_at(now: datetime) -> int:
    """How many steps have gone by since 1970."""
    return int(now.timestamp()) // STEP_SECONDS


def read(typed: str) -> str | None:
    """The six ASCII digits that somebody typed, spaces among them left out; None for anything else."""
    digits = typed.replace(" ", "")
    return digits if re.fullmatch(rf"[0-9]{{{DIGITS}}}", digits) else None


def step_of(given: str, secret: bytes, now: datetime) -> int | None:
    """The step whose code was given, the latest one that it can be; None for a wrong code. Every candidate is compared,
    each in constant time."""
    middle = step_at(now)
    candidates = range(middle - DRIFT_STEPS, middle + DRIFT_STEPS + 1)
    return max([step for step in candidates if hmac.compare_digest(code(secret, step), given)], default=None)
