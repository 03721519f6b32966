"""A token that Meta refuses when a message is sent is shown to its owner, at the messages' own endpoint too."""

from typing import Any

import pytest
from django.db import DatabaseError

from credentials import binding
from integrationhub.outbox.models import Event
from tests.make import Api
from tests.meta.graph_server import GraphServer
from tests.whatsapp import numbers
from tests.whatsapp.talking import Talk

REFUSED = "EAAG-the-token-that-came-after-it"


@pytest.fixture
def talk(api: Api, meta: GraphServer) -> Talk:
    """A tenant with a number of its own."""
    assert numbers.bind(api, numbers.credentials(meta)).status_code == 201
    talk = Talk(api)
    talk.customer_writes()
    return talk


def failing_since(talk: Talk) -> Any:
    [credential] = talk.api.get("/credentials").json()["data"]
    return credential["failing_since"]


def told(talk: Talk) -> list[str]:
    kinds = Event.objects.using("system").filter(tenant_id=talk.tenant, kind__startswith="credential.")
    return list(kinds.order_by("id").values_list("kind", flat=True))


def test_a_token_that_meta_refuses_is_shown_and_told_once(talk: Talk, meta: GraphServer) -> None:
    meta.token = REFUSED
    for _ in range(2):
        assert talk.send().json()["code"] == "META_UNAUTHORIZED"
    assert failing_since(talk)
    assert told(talk).count("credential.failing") == 1


def test_one_that_meta_takes_again_has_recovered(talk: Talk, meta: GraphServer) -> None:
    good, meta.token = meta.token, REFUSED
    talk.send()
    meta.token = good
    talk.sent()
    assert failing_since(talk) is None
    assert told(talk)[-2:] == ["credential.failing", "credential.recovered"]
    talk.sent()
    assert told(talk).count("credential.recovered") == 1


def test_what_is_not_the_tokens_fault_leaves_it_alone(talk: Talk, meta: GraphServer) -> None:
    meta.fail(131026, on="messages")
    assert talk.send().status_code == 400
    assert failing_since(talk) is None


def test_the_deployments_token_is_no_credential_of_a_tenant(api: Api, meta: GraphServer) -> None:
    talk = Talk(api)
    talk.customer_writes()
    meta.token = REFUSED
    assert talk.send().json()["code"] == "META_UNAUTHORIZED"
    assert told(talk) == []


def test_a_new_token_that_meta_refuses_gives_way_to_the_one_before(talk: Talk, meta: GraphServer) -> None:
    """As in executions: three refusals while a rotation is watched, and no success that outweighs them."""
    first, meta.token = meta.token, REFUSED
    assert numbers.bind(talk.api, numbers.credentials(meta)).status_code == 201
    meta.token = first
    for _ in range(3):
        assert talk.send().json()["code"] == "META_UNAUTHORIZED"
    talk.sent()


def test_a_tenant_that_sends_nothing_hears_of_it_by_the_sync_of_its_templates(talk: Talk, meta: GraphServer) -> None:
    meta.token = REFUSED
    for _ in range(2):
        assert talk.api.post("/whatsapp/templates/sync?wait=true").status_code == 503
    assert failing_since(talk)
    assert told(talk).count("credential.failing") == 1


@pytest.mark.parametrize(("code", "status"), [(2, 503), (10, 403), (200, 403)], ids=["away", "not granted", "no right"])
def test_a_sync_that_fails_for_another_reason_leaves_the_token_alone(
    talk: Talk, meta: GraphServer, code: int, status: int
) -> None:
    """A token that sends need not be one that reads templates."""
    meta.fail(code, status, on="message_templates")
    assert talk.api.post("/whatsapp/templates/sync?wait=true").status_code == 503
    assert failing_since(talk) is None


def test_the_answer_does_not_hang_on_the_note(talk: Talk, meta: GraphServer, monkeypatch: pytest.MonkeyPatch) -> None:
    meta.token, in_use = REFUSED, binding.in_use

    def away_once_sent(**kwargs: Any) -> Any:
        if meta.asked and meta.asked[-1].path.endswith("/messages"):
            raise DatabaseError
        return in_use(**kwargs)

    monkeypatch.setattr(binding, "in_use", away_once_sent)
    assert talk.send().json()["code"] == "META_UNAUTHORIZED"
