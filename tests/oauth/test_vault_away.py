"""The vault is another host, and is away for a while: nothing is half done or lost, and afterwards all goes on."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from oauth import keeping, upkeep
from oauth.models import Connection, ConnectSession, Flow
from tests.credentials.openbao import OpenBao, a_new_process
from tests.make import Api
from tests.oauth.flows import bind, come_back, connected, google, press, started
from tests.oauth.standing_in import StandIn
from tests.oauth.test_connect_pages import choose, link, open_page
from tests.oauth.test_giving_up import REVOKE
from tests.oauth.test_refreshing import AGAIN, change, row

pytestmark = pytest.mark.xdist_group("openbao")
NOWHERE = "http://127.0.0.1:1"


class Vault:
    """Where the hub looks for it. In either case by a process that remembers nothing."""

    def __init__(self, bao: OpenBao, settings: Any) -> None:
        self._bao, self._settings = bao, settings

    def leave(self) -> None:
        self._settings.VAULT_ADDR = NOWHERE
        a_new_process()

    def leave_meanwhile(self) -> None:
        """What the hub remembers of it, it still knows."""
        self._settings.VAULT_ADDR = NOWHERE

    def come_back(self) -> None:
        self._settings.VAULT_ADDR = self._bao.url
        a_new_process()


@pytest.fixture
def vault(bao: OpenBao, settings: Any) -> Vault:
    return Vault(bao, settings)


@pytest.fixture
def ready(api: Api, vault: Vault, stand_in: StandIn) -> Api:
    bind(api)
    google(stand_in)
    return api


def is_said_to_pass(answer: Any) -> None:
    said = answer.json()
    assert (answer.status_code, said["code"]) == (503, "ERR_INTEGRATION_HUB_SVC_EXECUTION_FAILED"), said
    assert (said["retryable"], said["details"]["reason"]) == (True, "vault_away")


def count(model: type[Connection] | type[Flow] | type[ConnectSession]) -> int:
    found: int = model.objects.using("system").count()
    return found


def test_nothing_begins_without_it(ready: Api, vault: Vault) -> None:
    made = connected(ready)
    vault.leave()
    for start in (
        lambda: ready.get("/oauth/google/authorize"),
        lambda: ready.post(f"/connections/{made['id']}/reconnect"),
        lambda: ready.post("/connect/sessions", {"providers": ["google"]}),
    ):
        is_said_to_pass(start())
    assert (count(Flow), count(ConnectSession)) == (1, 0)
    vault.come_back()
    assert connected(ready)["id"] == made["id"]


def test_a_callback_spends_neither_state_nor_code(ready: Api, vault: Vault, stand_in: StandIn) -> None:
    state = started(ready)["state"]
    vault.leave()
    is_said_to_pass(connect_with(ready, state))
    assert (stand_in.asked, count(Connection)) == ([], 0)
    vault.come_back()
    assert connect_with(ready, state).status_code == 200
    assert connect_with(ready, state).json()["details"]["reason"] == "invalid_state"


def test_nor_does_one_whose_client_is_still_to_be_read_there(ready: Api, vault: Vault, stand_in: StandIn) -> None:
    """The state's own seal opens by a key that is remembered; the secret that was bound since then is not."""
    state = started(ready)["state"]
    bind(ready, client_secret="the-secret-that-came-after")
    vault.leave_meanwhile()
    is_said_to_pass(connect_with(ready, state))
    vault.come_back()
    assert connect_with(ready, state).status_code == 200
    assert stand_in.asked[0].form["client_secret"] == "the-secret-that-came-after"


def connect_with(api: Api, state: str) -> Any:
    return api.post("/oauth/callback", {"provider": "google", "code": "code-1", "state": state})


def test_a_person_may_try_again_on_the_same_page(ready: Api, vault: Vault, stand_in: StandIn) -> None:
    path = link(ready, providers=["google"])
    state = choose(path)["state"]
    vault.leave()
    failed = come_back(code="code-1", state=state)
    page = failed.content.decode()
    assert failed.status_code == 503
    assert '<a class="go" href="">Try again</a>' in page
    assert (state in page, stand_in.asked) == (False, [])
    vault.come_back()
    assert "Connected as ana@acme.test" in come_back(code="code-1", state=state).content.decode()
    assert open_page(path).status_code == 410


def test_a_link_stays_open(ready: Api, vault: Vault) -> None:
    path = link(ready, providers=["google"])
    vault.leave()
    assert (open_page(path).status_code, press(path, provider="google").status_code) == (503, 503)
    vault.come_back()
    assert come_back(code="code-1", state=choose(path)["state"]).status_code == 200


@pytest.mark.parametrize("needs_state", [True, False])
def test_what_was_granted_is_kept_though_it_left_meanwhile(
    ready: Api, vault: Vault, stand_in: StandIn, settings: Any, needs_state: bool
) -> None:
    """The code is spent by then: that all can be sealed is known before it is sent."""
    settings.OAUTH_REQUIRE_STATE = needs_state
    state = started(ready)["state"] if needs_state else ""
    a_new_process()
    stand_in.meanwhile = vault.leave_meanwhile
    assert connect_with(ready, state).status_code == 200
    vault.come_back()
    assert keeping.opened(row()).refresh_token == "refresh-1"


def test_a_refresh_without_it_asks_nobody_and_ends_nothing(ready: Api, vault: Vault, stand_in: StandIn) -> None:
    made = connected(ready)
    google(stand_in, AGAIN)
    stand_in.asked.clear()
    change(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    vault.leave()
    is_said_to_pass(ready.post(f"/connections/{made['id']}/refresh"))
    is_said_to_pass(ready.post("/oauth/google/refresh", {"refresh_token": "theirs"}))
    attend()
    shown = ready.get(f"/connections/{made['id']}").json()
    assert (shown["status"], shown["reason"]) == ("active", "refresh_failing")
    assert (shown["last_error"]["reason"], stand_in.asked) == ("vault_away", [])
    vault.come_back()
    mended = ready.post(f"/connections/{made['id']}/refresh").json()
    assert (mended["status"], mended["reason"], mended["failures"]) == ("active", None, 0)
    assert stand_in.only.form["refresh_token"] == "refresh-1"


def attend() -> None:
    now = row()
    upkeep.attend_to(tenant_id=now.tenant_id, connection_id=now.id, token_version=now.token_version)


def test_new_tokens_are_kept_though_it_left_while_they_came(ready: Api, vault: Vault, stand_in: StandIn) -> None:
    made = connected(ready)
    google(stand_in, AGAIN)
    a_new_process()
    stand_in.meanwhile = vault.leave_meanwhile
    assert ready.post(f"/connections/{made['id']}/refresh").status_code == 200
    vault.come_back()
    assert keeping.opened(row()).refresh_token == "refresh-2"


@pytest.mark.parametrize("is_asked_again", [True, False])
def test_connections_are_shown_and_given_up_all_the_same(
    ready: Api, vault: Vault, stand_in: StandIn, is_asked_again: bool
) -> None:
    made = connected(ready)
    stand_in.answer(REVOKE, {})
    stand_in.asked.clear()
    vault.leave()
    assert ready.get(f"/connections/{made['id']}").status_code == 200
    assert len(ready.get("/connections").json()["data"]) == 1
    answer = ready.delete(f"/connections/{made['id']}")
    said = answer.json()
    assert (answer.status_code, said["code"], said["retryable"]) == (400, "ERR_OAUTH_REVOCATION_FAILED", True)
    assert (said["details"]["reason"], stand_in.asked) == ("vault_unavailable", [])
    assert ready.get(f"/connections/{made['id']}").status_code == 404
    assert ready.delete(f"/connections/{made['id']}").json()["details"]["reason"] == "vault_unavailable"
    vault.come_back()
    if is_asked_again:
        assert ready.delete(f"/connections/{made['id']}").status_code == 204
    else:
        attend()
    assert (stand_in.only.form, bytes(row().sealed)) == ({"token": "refresh-1"}, b"")


@pytest.mark.parametrize("action", ["profile", "revoke"])
def test_what_is_asked_by_a_token_is_said_to_pass_too(ready: Api, vault: Vault, stand_in: StandIn, action: str) -> None:
    vault.leave()
    is_said_to_pass(ready.post(f"/oauth/google/{action}", {"access_token": "theirs"}))
    assert stand_in.asked == []
