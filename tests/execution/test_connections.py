"""Executions that act by a connected account: whose it is, when it can act, and what becomes of it when it cannot."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from integrationhub.execution import queueing
from integrationhub.execution.models import Execution
from oauth import table
from oauth.models import Connection
from tests.execution.conftest import ProviderServer
from tests.execution.connecting import change, change_meanwhile, connect, ended, events, install, mail, row
from tests.make import LATER, Api, another_tenant, sms
from tests.oauth import flows
from tests.oauth.standing_in import StandIn, overlay
from tests.providers.carriers import Asked, CarrierServer, Told
from tests.providers.mailboxes import TOKEN, GmailServer, GraphServer, gmail_error, graph_error

RENEWED = "ya29.a0-the-token-that-came-after-it"


@pytest.fixture
def gmail() -> Iterator[GmailServer]:
    with GmailServer() as server:
        yield server
        assert server.faults == []


@pytest.fixture
def graph() -> Iterator[GraphServer]:
    with GraphServer() as server:
        yield server
        assert server.faults == []


@pytest.fixture
def stand_in(settings: Any, tmp_path: Path) -> Iterator[StandIn]:
    """Where tokens are refreshed."""
    server = StandIn()
    server.start()
    path = tmp_path / "providers.yaml"
    path.write_text(overlay(server.url))
    settings.OAUTH_PROVIDERS_FILE = str(path)
    table.providers.cache_clear()
    yield server
    server.stop()
    table.providers.cache_clear()


@pytest.fixture
def sending(api: Api, gmail: GmailServer) -> Api:
    """A tenant with Gmail installed, and no account of it named."""
    install(api, gmail)
    return api


@pytest.fixture
def both(api: Api, tenant: UUID, gmail: GmailServer, graph: GraphServer) -> Api:
    """Gmail first, Microsoft second, each with an account of its own."""
    install(api, gmail, priority=1, connection_id=connect(tenant, "google"))
    install(api, graph, priority=2, connection_id=connect(tenant, "microsoft"))
    return api


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def reason(answer: Any) -> str:
    found: str = answer.json()["details"]["reason"]
    return found


# --- Which account acts ---


def test_the_order_names_the_account_that_sends(sending: Api, tenant: UUID, gmail: GmailServer) -> None:
    answer = sending.post("/execute", mail(connection_id=connect(tenant)))
    body = answer.json()
    assert (body["status"], body["provider_key"], body["mode"]) == ("succeeded", "gmail_email", "live")
    assert body["reference"] == f"18c{1:013x}"
    assert gmail.accepted == {"Your receipt": 1}
    assert gmail.asked[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert TOKEN.encode() not in answer.content
    assert TOKEN not in str(Execution.objects.using("system").values().get())


@pytest.mark.parametrize("mailbox", [GmailServer, GraphServer])
def test_else_the_account_of_the_installation_does(api: Api, tenant: UUID, mailbox: type[CarrierServer]) -> None:
    with mailbox() as server:
        install(api, server, connection_id=connect(tenant, "google" if mailbox is GmailServer else "microsoft"))
        assert api.post("/execute", mail()).json()["provider_key"] == server.key
        assert (server.accepted, server.faults) == ({"Your receipt": 1}, [])


def test_the_orders_account_goes_before_the_installations(api: Api, tenant: UUID, gmail: GmailServer) -> None:
    broken = connect(tenant)
    change(tenant, broken, status=Connection.Status.NEEDS_REAUTH)
    install(api, gmail, connection_id=broken)
    assert code(api.post("/execute", mail())) == (400, "ERR_OAUTH_REFRESH_FAILED")
    assert api.post("/execute", mail(connection_id=connect(tenant))).status_code == 200


def test_a_worker_acts_by_the_account_that_the_order_named(sending: Api, tenant: UUID, gmail: GmailServer) -> None:
    answer = sending.post("/execute", mail(connection_id=connect(tenant)), headers=LATER)
    assert (answer.status_code, gmail.hits) == (202, 0)
    execution_id = answer.json()["execution_id"]
    queueing.run_queued(tenant, UUID(execution_id))
    assert sending.get(f"/executions/{execution_id}").json()["status"] == "succeeded"
    assert gmail.accepted == {"Your receipt": 1}


# --- Which cannot ---


def test_without_any_account_nothing_is_sent_stored_or_counted(sending: Api, gmail: GmailServer) -> None:
    answer = sending.post("/execute", mail())
    assert code(answer) == (404, "ERR_CONNECTION_NOT_FOUND")
    assert reason(answer) == "connection_missing"
    assert "options.connection_id" in answer.json()["message"]
    assert sending.get("/executions").json()["data"] == []
    assert sending.get("/usage").json()["used"] == 0
    assert gmail.hits == 0


def test_another_tenants_account_is_as_unknown_as_none_at_all(sending: Api, tenant: UUID, gmail: GmailServer) -> None:
    given_up = connect(tenant)
    change(tenant, given_up, status=Connection.Status.REVOKED)
    foreign = connect(another_tenant().tenant)
    answers = [sending.post("/execute", mail(connection_id=each)) for each in (str(uuid4()), foreign, given_up)]
    assert {code(answer) for answer in answers} == {(404, "ERR_CONNECTION_NOT_FOUND")}
    assert {reason(answer) for answer in answers} == {"connection_unknown"}
    told = [re.sub(rb'"(timestamp|requestId)":"[^"]*"', b"", answer.content) for answer in answers]
    assert told[1:] == told[:-1]
    assert gmail.hits == 0


def test_an_account_of_another_provider_does_not_send(sending: Api, tenant: UUID, gmail: GmailServer) -> None:
    answer = sending.post("/execute", mail(connection_id=connect(tenant, "microsoft")))
    assert code(answer) == (404, "ERR_CONNECTION_NOT_FOUND")
    assert reason(answer) == "connection_of_other_provider"
    assert gmail.hits == 0


def test_a_broken_account_is_told_as_one_to_connect_again(sending: Api, tenant: UUID, gmail: GmailServer) -> None:
    connection_id = connect(tenant)
    change(tenant, connection_id, status=Connection.Status.NEEDS_REAUTH, reason="invalid_grant", sealed=b"")
    answer = sending.post("/execute", mail(connection_id=connection_id))
    assert code(answer) == (400, "ERR_OAUTH_REFRESH_FAILED")
    assert answer.json()["details"]["needsReauth"] is True
    assert answer.json()["retryable"] is False
    assert gmail.hits == 0


def test_an_account_that_did_not_grant_sending_says_what_would_do(
    sending: Api, tenant: UUID, gmail: GmailServer
) -> None:
    answer = sending.post("/execute", mail(connection_id=connect(tenant, scopes=("openid", "email"))))
    assert code(answer) == (404, "ERR_CONNECTION_NOT_FOUND")
    assert reason(answer) == "connection_scopes"
    assert "https://www.googleapis.com/auth/gmail.send" in answer.json()["details"]["anyScopeOf"]
    assert gmail.hits == 0


@pytest.mark.parametrize(
    "scopes",
    [
        ("openid", "https://mail.google.com/"),
        ("https://www.googleapis.com/auth/gmail.modify", "email"),
        ("https://www.googleapis.com/auth/gmail.compose",),
        (),
    ],
)
def test_one_scope_that_allows_it_is_enough_and_what_is_untold_is_tried(
    sending: Api, tenant: UUID, scopes: tuple[str, ...]
) -> None:
    assert sending.post("/execute", mail(connection_id=connect(tenant, scopes=scopes))).status_code == 200


def test_an_account_where_none_is_taken_is_the_callers_mistake(live: Api, tenant: UUID, server: ProviderServer) -> None:
    answer = live.post("/execute", sms("+14155552671", connection_id=connect(tenant)))
    assert code(answer) == (400, "ERR_INTEGRATION_HUB_SVC_INVALID_REQUEST")
    assert [field["field"] for field in answer.json()["details"]["fields"]] == ["options.connection_id"]
    assert server.received == []


@pytest.mark.parametrize("wrong", ["", "nobody", "0197", "{01977f1e-7c3a-7b52-9d40-5e0f3a6c2b11}", 5, []])
def test_what_is_no_id_is_refused_by_its_field(sending: Api, wrong: Any) -> None:
    answer = sending.post("/execute", mail(connection_id=wrong))
    assert code(answer) == (400, "ERR_INTEGRATION_HUB_SVC_INVALID_REQUEST")
    assert [field["field"] for field in answer.json()["details"]["fields"]] == ["options.connection_id"]


def test_no_account_at_all_may_be_written_as_null(api: Api, tenant: UUID, gmail: GmailServer) -> None:
    install(api, gmail, connection_id=connect(tenant))
    assert api.post("/execute", mail(connection_id=None)).status_code == 200


@pytest.mark.parametrize("wrong", ["", "nobody", 5, None])
def test_an_installation_takes_only_what_can_be_an_id(api: Api, wrong: Any) -> None:
    body = {"config": {"connection_id": wrong}}
    answer = api.post("/marketplace/integrations/gmail_email/install", body)
    assert code(answer) == (400, "ERR_INTEGRATION_HUB_SVC_INVALID_REQUEST")
    assert [field["field"] for field in answer.json()["details"]["fields"]] == ["config.connection_id"]


def test_whoever_binds_a_credential_for_it_is_told_to_connect_an_account(api: Api) -> None:
    answer = api.post("/credentials/bind", {"provider_key": "microsoft_email", "credentials": {}})
    assert reason(answer) == "no_credential_needed"
    assert "connect a microsoft account with POST /connect/sessions" in answer.json()["message"]


def test_a_plan_says_which_account_is_lacking(api: Api, tenant: UUID, gmail: GmailServer, graph: GraphServer) -> None:
    install(api, gmail, priority=1)
    install(api, graph, priority=2, connection_id=connect(tenant, "microsoft"))
    plan = api.post("/execute/plan", mail()).json()
    assert plan["skipped"] == [{"provider_key": "gmail_email", "reason": "connection_missing"}]
    assert api.post("/execute", mail()).json()["provider_key"] == "microsoft_email"
    assert (gmail.hits, graph.hits) == (0, 1)


# --- What becomes of a chain ---


def test_the_other_account_sends_when_the_first_ones_provider_is_away(
    both: Api, gmail: GmailServer, graph: GraphServer
) -> None:
    gmail.answer = lambda _: gmail_error(503, "backendError", "The service is currently unavailable.")
    body = both.post("/execute", mail()).json()
    assert (body["status"], body["provider_key"], body["fallback_used"]) == ("succeeded", "microsoft_email", True)
    assert [(each["provider_key"], each["class"]) for each in body["attempts"][:1]] == [("gmail_email", "retry")]
    assert (gmail.accepted, graph.accepted) == ({}, {"Your receipt": 1})


def test_a_message_that_may_have_gone_is_not_sent_by_the_other(
    both: Api, gmail: GmailServer, graph: GraphServer
) -> None:
    gmail.answer = lambda asked: Told(0, drops=True, text="Your receipt")
    answer = both.post("/execute", mail())
    assert (answer.status_code, reason(answer)) == (503, "outcome_unknown")
    assert graph.hits == 0


def test_a_recipient_whom_gmail_refuses_is_left_alone_by_both(
    both: Api, gmail: GmailServer, graph: GraphServer
) -> None:
    gmail.answer = lambda _: gmail_error(400, "invalidArgument", "Invalid To header")
    answer = both.post("/execute", mail())
    assert (answer.status_code, reason(answer)) == (400, "refused_by_provider")
    assert "Invalid To header" in answer.json()["message"]
    assert graph.hits == 0


def test_a_header_of_the_messages_own_is_refused_before_anything_is_stored(both: Api, gmail: GmailServer) -> None:
    order = mail()
    order["payload"]["headers"] = {"Bcc": "mallory@example.com"}
    answer = both.post("/execute", order)
    assert code(answer) == (400, "ERR_INTEGRATION_HUB_SVC_INVALID_REQUEST")
    assert [field["field"] for field in answer.json()["details"]["fields"]] == ["payload.headers.Bcc"]
    assert both.get("/executions").json()["data"] == []
    assert gmail.hits == 0


def test_an_account_given_up_in_the_middle_leaves_the_message_to_the_other(
    api: Api, tenant: UUID, gmail: GmailServer, graph: GraphServer
) -> None:
    leaving = connect(tenant, "google")
    install(api, graph, priority=1, connection_id=connect(tenant, "microsoft"))
    install(api, gmail, priority=2, connection_id=leaving)

    def meanwhile(_: Asked) -> Told:
        change_meanwhile(tenant, leaving, status=Connection.Status.REVOKED)
        return graph_error(503, "ErrorServerBusy", "Busy")

    graph.answer = meanwhile
    errors = api.post("/execute", mail()).json()["details"]["errors"]
    assert [(each["providerKey"], each["reason"]) for each in errors] == [
        ("microsoft_email", "upstream_503"),
        ("gmail_email", "connection_unusable"),
    ]
    assert errors[1]["code"] == "ERR_CONNECTION_NOT_FOUND"
    assert gmail.hits == 0


# --- What becomes of the account ---


def refusing(server: GmailServer) -> None:
    server.answer = lambda _: gmail_error(401, "authError", "Invalid Credentials")


def test_a_refused_token_is_refreshed_by_the_next_message(
    api: Api, tenant: UUID, gmail: GmailServer, stand_in: StandIn
) -> None:
    flows.bind(api)
    flows.google(stand_in, {"access_token": RENEWED, "expires_in": 3600, "token_type": "Bearer"})
    connection_id = connect(tenant)
    install(api, gmail, connection_id=connection_id)
    gmail.credentials = {"access_token": RENEWED}
    first = api.post("/execute", mail())
    assert code(first) == (503, "ERR_INTEGRATION_HUB_SVC_ALL_PROVIDERS_FAILED")
    [error] = first.json()["details"]["errors"]
    assert (error["reason"], error["upstreamStatus"]) == ("gmail_auth_error", 401)
    assert row(connection_id).expires_at <= datetime.now(UTC)
    assert (row(connection_id).status, events(tenant), stand_in.asked) == ("active", [], [])
    assert api.post("/execute", mail()).json()["status"] == "succeeded"
    assert gmail.asked[-1].headers["authorization"] == f"Bearer {RENEWED}"
    assert stand_in.places == ["POST oauth2.googleapis.com/token"]
    assert stand_in.only.form["refresh_token"] == "refresh-1"


def test_a_refused_token_that_cannot_be_refreshed_is_the_owners_to_mend(
    sending: Api, tenant: UUID, gmail: GmailServer
) -> None:
    connection_id = connect(tenant, is_refreshable=False)
    refusing(gmail)
    for _ in range(2):
        answer = sending.post("/execute", mail(connection_id=connection_id))
    found = row(connection_id)
    assert (found.status, found.reason, bytes(found.sealed)) == ("needs_reauth", "refused", b"")
    [(kind, data)] = events(tenant)
    assert (kind, data["connection_id"], data["reason"]) == ("connection.broken", connection_id, "refused")
    assert code(answer) == (400, "ERR_OAUTH_REFRESH_FAILED")
    assert gmail.hits == 1


def test_the_owner_is_told_although_the_other_account_sends(both: Api, tenant: UUID, gmail: GmailServer) -> None:
    connection_id = connect(tenant, is_refreshable=False)
    [installed] = [
        each for each in both.get("/integrations/installed").json()["data"] if each["provider_key"] == "gmail_email"
    ]
    both.patch(f"/integrations/{installed['id']}", {"config": {"connection_id": connection_id}})
    refusing(gmail)
    assert both.post("/execute", mail()).json()["provider_key"] == "microsoft_email"
    assert row(connection_id).status == "needs_reauth"
    assert [kind for kind, _ in events(tenant)] == ["connection.broken"]


def test_a_refusal_of_something_else_leaves_the_account_as_it_is(
    sending: Api, tenant: UUID, gmail: GmailServer
) -> None:
    connection_id = connect(tenant, is_refreshable=False)
    before = row(connection_id)
    for status, said in ((403, "insufficientPermissions"), (403, "domainPolicy"), (500, "backendError")):
        gmail.answer = lambda _, status=status, said=said: gmail_error(status, said, "no")
        sending.post("/execute", mail(connection_id=connection_id))
    after = row(connection_id)
    assert (after.status, after.expires_at, after.token_version) == ("active", before.expires_at, before.token_version)
    assert events(tenant) == []


def test_a_token_renewed_meanwhile_is_not_blamed_for_the_old_one(
    sending: Api, tenant: UUID, gmail: GmailServer
) -> None:
    connection_id = connect(tenant, is_refreshable=False)

    def meanwhile(_: Asked) -> Told:
        change_meanwhile(tenant, connection_id, token_version=2)
        return gmail_error(401, "authError", "Invalid Credentials")

    gmail.answer = meanwhile
    sending.post("/execute", mail(connection_id=connection_id))
    assert (row(connection_id).status, events(tenant)) == ("active", [])


def test_a_token_that_has_ended_is_refreshed_before_it_is_used(
    api: Api, tenant: UUID, gmail: GmailServer, stand_in: StandIn
) -> None:
    flows.bind(api)
    flows.google(stand_in, {"access_token": RENEWED, "expires_in": 3600, "token_type": "Bearer"})
    connection_id = connect(tenant)
    change(tenant, connection_id, expires_at=ended())
    install(api, gmail, connection_id=connection_id)
    gmail.credentials = {"access_token": RENEWED}
    for _ in range(2):
        assert api.post("/execute", mail()).json()["status"] == "succeeded"
    assert len(stand_in.asked) == 1
    assert (row(connection_id).token_version, gmail.accepted) == (2, {"Your receipt": 2})


def test_a_token_that_cannot_be_refreshed_now_leaves_the_message_to_the_other(
    both: Api, tenant: UUID, gmail: GmailServer, stand_in: StandIn
) -> None:
    flows.bind(both)
    stand_in.answer(flows.TOKEN, {"error": "invalid_grant", "error_description": "Token has been revoked."}, 400)
    [connection_id] = [str(each.id) for each in Connection.objects.using("system").filter(provider="google")]
    change(tenant, connection_id, expires_at=ended())
    body = both.post("/execute", mail()).json()
    assert (body["provider_key"], gmail.hits) == ("microsoft_email", 0)
    first = body["attempts"][0]
    assert (first["reason"], first["code"]) == ("connection_unusable", "ERR_OAUTH_REFRESH_FAILED")
    assert row(connection_id).status == "needs_reauth"


def test_tokens_that_were_moved_to_another_row_do_not_open(sending: Api, tenant: UUID, gmail: GmailServer) -> None:
    one, other = connect(tenant), connect(tenant)
    change(tenant, other, sealed=row(one).sealed)
    answer = sending.post("/execute", mail(connection_id=other))
    assert code(answer) == (503, "ERR_INTEGRATION_HUB_SVC_ALL_PROVIDERS_FAILED")
    assert answer.json()["details"]["errors"][0]["reason"] == "connection_unusable"
    assert gmail.hits == 0
