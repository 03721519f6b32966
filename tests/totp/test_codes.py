"""Our codes are those of the standard, and of two others who compute them."""

import base64
import random
import shutil
import subprocess
from datetime import UTC, datetime, timedelta

import pyotp
import pytest

from oauth.totp import codes

# https://www.rfc-editor.org/rfc/rfc6238#appendix-B: eight digits; the seed is as long as the digest.
TIMES = (59, 1111111109, 1111111111, 1234567890, 2000000000, 20000000000)
VECTORS = {
    "sha1": ("94287082", "07081804", "14050471", "89005924", "69279037", "65353130"),
    "sha256": ("46119246", "68084774", "67062674", "91819424", "90698825", "77737706"),
    "sha512": ("90693936", "25091201", "99943326", "93441116", "38618901", "47863826"),
}
SEED_BYTES = {"sha1": 20, "sha256": 32, "sha512": 64}
# https://www.rfc-editor.org/rfc/rfc4226#appendix-D: six digits, steps 0 to 9.
HOTP = ("755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489")
SECRET = b"12345678901234567890"
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("digest", "seconds", "expected"),
    [(digest, *each) for digest, rows in VECTORS.items() for each in zip(TIMES, rows, strict=True)],
)
def test_the_vectors_of_rfc_6238(digest: str, seconds: int, expected: str) -> None:
    seed = (b"1234567890" * 7)[: SEED_BYTES[digest]]
    step = codes.step_at(datetime.fromtimestamp(seconds, UTC))
    assert codes.code(seed, step, digits=8, digest=digest) == expected


def test_the_vectors_of_rfc_4226() -> None:
    assert tuple(codes.code(SECRET, step) for step in range(10)) == HOTP


def some() -> list[tuple[bytes, int]]:
    """Three hundred secrets of 80 to 512 bits, each with a time within this century."""
    chance = random.Random(6238)  # noqa: S311 - the same in each run
    return [(chance.randbytes(chance.choice((10, 16, 20, 32, 64))), chance.randrange(2**32)) for _ in range(300)]


@pytest.mark.slow
def test_oathtool_computes_the_same() -> None:
    program = shutil.which("oathtool")
    if program is None:
        pytest.fail("This test needs oathtool, which no wheel brings: `apt-get install oathtool`.")
    for secret, seconds in some():
        words = [program, "--totp", f"--now=@{seconds}", secret.hex()]
        theirs = subprocess.run(words, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
        assert codes.code(secret, seconds // 30) == theirs, (secret.hex(), seconds)


def test_pyotp_computes_the_same() -> None:
    for secret, seconds in some():
        # It refuses secrets under 112 bits.
        if len(secret) >= 14:
            theirs = pyotp.TOTP(base64.b32encode(secret).decode()).at(seconds)
            assert codes.code(secret, seconds // 30) == theirs, (secret.hex(), seconds)


@pytest.mark.parametrize(("typed", "read"), [("123456", "123456"), (" 123 456 ", "123456"), ("000000", "000000")])
def test_six_digits_are_read_with_the_spaces_that_apps_show(typed: str, read: str) -> None:
    assert codes.read(typed) == read


NO_CODES = [
    *("", "12345", "1234567", "12345a", "-12345", "+12345", "1_2345", "123456\n", "123\t456", "0x1234", "1e4567"),
    "１２３４５６",  # noqa: RUF001 - full-width digits
    "١٢٣٤٥٦",
    "12345\u00b2",
    "123\u00a0456",
    "1" * 100_000,
]


@pytest.mark.parametrize("typed", NO_CODES, ids=range(len(NO_CODES)))
def test_anything_else_is_no_code(typed: str) -> None:
    assert codes.read(typed) is None


@pytest.mark.parametrize("steps", [-1, 0, 1])
@pytest.mark.parametrize("seconds", [0, 29.999])
def test_a_clock_may_differ_by_one_step(steps: int, seconds: float) -> None:
    step = codes.step_at(NOON)
    given = codes.code(SECRET, step + steps)
    assert codes.step_of(given, SECRET, NOON + timedelta(seconds=seconds)) == step + steps


@pytest.mark.parametrize("steps", [-20, -2, 2, 20])
def test_it_may_not_differ_by_more(steps: int) -> None:
    given = codes.code(SECRET, codes.step_at(NOON) + steps)
    assert codes.step_of(given, SECRET, NOON) is None


def test_of_two_steps_with_the_same_code_it_is_the_later_one() -> None:
    """Else the same digits would be right twice."""
    same = 910_737  # The first such step of this secret.
    assert codes.code(SECRET, same) == codes.code(SECRET, same + 1)
    at = datetime.fromtimestamp((same + 1) * 30, UTC)
    assert codes.step_of(codes.code(SECRET, same), SECRET, at) == same + 1
