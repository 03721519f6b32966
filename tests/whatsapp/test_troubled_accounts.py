"""An account whose credential has ended, or whose vault is away: each door tells it by its code, and sends nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from credentials.models import Credential
from integrationhub.core import catalogue
from tests.credentials.openbao import OpenBao, a_new_process
from tests.make import Api
from tests.meta.graph_server import GraphServer
from tests.whatsapp import numbers
from tests.whatsapp.talking import HELLO, Talk
from tests.whatsapp.test_media import SEND, picture
from whatsapp.views import OF_META

PICTURE = picture()
DOORS = {
    "messages": ("/whatsapp/messages", HELLO),
    "media/send": (SEND, PICTURE),
    "validate": ("/whatsapp/messages/validate", HELLO),
    "read": ("/whatsapp/messages/read", {"message_id": "wamid.of-the-customer"}),
    "media/download": ("/whatsapp/media/1166846181421424/download", None),
    "templates/sync": ("/whatsapp/templates/sync?wait=true", None),
}
EACH_DOOR = pytest.mark.parametrize(("path", "body"), DOORS.values(), ids=DOORS)
# How Meta says each of what it says, at the sending of a file.
SAYINGS = {
    catalogue.WHATSAPP_UNAVAILABLE: 131016,
    catalogue.META_INVALID_PARAM: 100,
    catalogue.META_RATE_LIMIT: 130429,
    catalogue.META_UNAUTHORIZED: 190,
    catalogue.META_UNDELIVERABLE: 131026,
}


@pytest.fixture
def talk(api: Api, meta: GraphServer) -> Talk:
    """A tenant with a number of its own."""
    assert numbers.bind(api, numbers.credentials(meta)).status_code == 201
    talk = Talk(api)
    talk.customer_writes()
    meta.asked.clear()
    return talk


@EACH_DOOR
def test_a_credential_that_has_expired_is_told_at_every_door(
    talk: Talk, meta: GraphServer, path: str, body: Any
) -> None:
    ended = datetime.now(UTC) - timedelta(minutes=1)
    Credential.objects.using("system").filter(tenant_id=talk.tenant).update(expires_at=ended)
    answer = talk.send(body, path=path)
    assert (answer.status_code, answer.json()["code"]) == (400, catalogue.CREDENTIAL_EXPIRED.code)
    assert (meta.asked, talk.deliveries()) == ([], [])


@pytest.mark.parametrize("entry", SAYINGS, ids=lambda entry: entry.name)
def test_what_meta_says_of_a_file_comes_under_its_code(talk: Talk, meta: GraphServer, entry: catalogue.Entry) -> None:
    assert entry in OF_META
    meta.fail(SAYINGS[entry], on="messages")
    answer = talk.send(PICTURE, path=SEND)
    assert (answer.status_code, answer.json()["code"]) == (entry.status, entry.code)
    assert answer.json()["details"]["meta"]["code"] == SAYINGS[entry]


@pytest.mark.xdist_group("openbao")
@EACH_DOOR
def test_a_vault_that_is_away_is_told_as_such_at_every_door(
    bao: OpenBao, talk: Talk, meta: GraphServer, settings: Any, path: str, body: Any
) -> None:
    settings.VAULT_ADDR = "http://127.0.0.1:1"
    a_new_process()
    answer = talk.send(body, path=path)
    said = answer.json()
    assert (answer.status_code, said["code"]) == (503, catalogue.EXECUTION_FAILED.code), said
    assert (said["retryable"], said["details"]["reason"]) == (True, "vault_away")
    assert (meta.asked, talk.deliveries()) == ([], [])
