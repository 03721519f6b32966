"""Changes of a provider's versions lock its rows in the order of their ids, as `rotate_keys` does."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections

from integrationhub.core.ids import read_id
from tests.credentials.test_rotating import in_a_thread
from tests.credentials.twilio import NEW, NEWEST, OLD, bind, kept, rotate
from tests.database import locked, waiting
from tests.launcher.running import eventually
from tests.make import Api

DEEDS: dict[str, tuple[int, Callable[[Api, str], Any]]] = {
    "bind": (0, lambda api, _: bind(api, OLD)),
    "rotate": (0, lambda api, newest: rotate(api, newest, OLD)),
    "roll back": (1, lambda api, newest: api.post(f"/credentials/{newest}/rollback")),
    "revoke": (1, lambda api, newest: api.delete(f"/credentials/{newest}")),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_whoever_waits_for_an_older_version_does_not_hold_a_later_one(api: Api, first: str, deed: str) -> None:
    held, act = DEEDS[deed]
    ids = [first, *(rotate(api, first, token).json()["id"] for token in (NEW, NEWEST))]
    with locked("credentials_credential", read_id(ids[held])) as cursor:
        acting = in_a_thread(lambda: act(api, ids[-1]))
        eventually(lambda: waiting(cursor) == 1, seconds=5, what="it waits for the older version")
        cursor.execute("SELECT FROM credentials_credential WHERE id = %s FOR UPDATE NOWAIT", [ids[-1]])
    acting.result()
    assert kept(api)[2][1] != "active"


def test_of_two_deletions_at_once_one_is_told_that_it_is_gone(api: Api, first: str) -> None:
    with locked("credentials_credential", read_id(first)) as cursor:
        both = [in_a_thread(lambda: api.delete(f"/credentials/{first}")) for _ in range(2)]
        eventually(lambda: waiting(cursor) == 2, seconds=5, what="both wait")
    assert sorted(each.result().status_code for each in both) == [204, 404]
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM audit_entry WHERE action = 'credential.revoked'")
        assert cursor.fetchone() == (1,)
