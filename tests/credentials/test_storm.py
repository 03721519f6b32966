"""Everything that changes versions, by many at once: in any order, one is in use at most and has its secret."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from random import Random

import pytest
from django.db import connections

from credentials import rotating
from marketplace import quotas
from marketplace.models import Tier
from tests.credentials.twilio import NEW, OLD, ManyTokensTwilio, kept, rotate, secrets, send
from tests.make import Api

THREADS, DEEDS = 6, 25
NEEDS_SECRET = {"active": True, "superseded": True, "pending": True, "rolled_back": False, "revoked": False}


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is on trial counts as abandoned at once, so that rotations and the schedule wipe it in the middle."""
    monkeypatch.setattr(rotating, "ABANDONED_AFTER", timedelta(0))
    Tier.objects.filter(key="free").update(requests_per_minute=100_000)
    quotas._limits.clear()


def deeds(api: Api, seed: int) -> list[tuple[str, int]]:
    """What one caller does and what came of it."""
    chance, done = Random(seed), []  # noqa: S311  A story that can be told again.
    try:
        for _ in range(DEEDS):
            deed = chance.choice(["bind", "rotate", "rotate", "rollback", "revoke", "sweep", "send"])
            done.append((deed, _act(api, deed, chance)))
    finally:
        connections.close_all()
    return done


def _act(api: Api, deed: str, chance: Random) -> int:
    if deed == "sweep":
        rotating.wipe_abandoned()
        return 200
    if deed == "send":
        return send(api).status_code
    known = [row["id"] for row in api.get("/credentials").json()["data"]]
    if deed == "bind" or not known:
        body = {"provider_key": "twilio_sms", "credentials": secrets(chance.choice([OLD, NEW]))}
        return api.post("/credentials/bind", body).status_code
    which = chance.choice(known)
    if deed == "rotate":
        return rotate(api, which, chance.choice([OLD, NEW, "a-token-that-nobody-knows"])).status_code
    return api.request("DELETE" if deed == "revoke" else "POST", _path(which, deed)).status_code


def _path(credential_id: str, deed: str) -> str:
    return f"/credentials/{credential_id}" + ("/rollback" if deed == "rollback" else "")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_whatever_comes_at_once_one_version_is_in_use_and_has_its_secret(
    api: Api, first: str, twilio: ManyTokensTwilio, seed: int
) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        done = [each for caller in pool.map(lambda n: deeds(api, 100 * seed + n), range(THREADS)) for each in caller]
    rows = kept(api)
    assert [row for row in rows if NEEDS_SECRET[row[1]] != row[2]] == []
    assert [status for _, status, _ in rows].count("active") <= 1
    assert [each for each in done if each[1] >= 500] == []
    # Which of them comes through is chance: a deletion or a binding that comes first stops the others.
    assert {("bind", 201), ("revoke", 204)} <= set(done)
    assert {("rotate", 201), ("rollback", 200)} & set(done)
