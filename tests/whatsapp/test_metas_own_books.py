"""What Meta alone can know: all was well by the hub's books, and each refusal is had from its real cause."""

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from integrationhub.core import catalogue
from integrationhub.core.tenancy import tenant_scope
from marketplace.models import Tier
from templates.models import SyncRun
from tests.make import Api
from tests.meta import calling
from tests.meta.graph_server import GraphServer
from tests.templates.reading import messages, synced, work
from tests.whatsapp import numbers
from tests.whatsapp.talking import CUSTOMER, HELLO, SHIPPED, Talk

MEDIA = "/whatsapp/media/send"
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n and so on").decode()
PICTURE = {"to": CUSTOMER, "media_type": "image", "content": PNG, "content_type": "image/png"}
AUDIO = {"to": CUSTOMER, "media_type": "audio", "media_id": "1166846181421424"}
FILLED = {"name": "order_shipped", "language": "en", "params": {"body": ["Ada", "A-1042"]}}


@pytest.fixture
def ready(talk: Talk, meta: GraphServer) -> Talk:
    """Synced just now; the customer has written, as Meta and the hub both know."""
    synced(talk.api)
    meta.customer_wrote(CUSTOMER)
    return talk


@pytest.fixture
def sender(ready: Talk, meta: GraphServer) -> Api:
    """The same with WhatsApp installed, and the number bound as its own."""
    numbers.install(ready.api)
    assert numbers.bind(ready.api, numbers.credentials(meta)).status_code == 201
    ready.customer_writes()
    return ready.api


def status(word: str) -> Callable[[GraphServer], None]:
    return lambda meta: meta.templates[0].update(status=word)


def edited(meta: GraphServer) -> None:
    meta.templates[0]["components"] = [{"type": "BODY", "text": "Hello {{1}}, {{2}} comes on {{3}}."}]


# What has happened at Meta since the last sync, and what it then says of the template.
SINCE: dict[str, tuple[Callable[[GraphServer], None], int, catalogue.Entry]] = {
    "deleted": (lambda meta: meta.templates.clear(), 132001, catalogue.META_TEMPLATE_NOT_FOUND),
    "deleted in that language": (
        lambda meta: meta.templates[0].update(language="de"),
        132001,
        catalogue.META_TEMPLATE_NOT_FOUND,
    ),
    "rejected": (status("REJECTED"), 132001, catalogue.META_TEMPLATE_NOT_FOUND),
    "paused": (status("PAUSED"), 132015, catalogue.META_TEMPLATE_PAUSED),
    "disabled": (status("DISABLED"), 132016, catalogue.META_TEMPLATE_PAUSED),
    "edited": (edited, 132000, catalogue.META_TEMPLATE_PAUSED),
}


def assert_refused(answer: Any, entry: catalogue.Entry, code: int) -> dict[str, Any]:
    told: dict[str, Any] = answer.json()
    assert (answer.status_code, told["code"]) == (entry.status, entry.code), told
    assert told["details"]["meta"]["code"] == code
    return told


@pytest.mark.parametrize("name", SINCE)
def test_a_template_that_has_changed_at_meta_is_refused_by_meta(ready: Talk, meta: GraphServer, name: str) -> None:
    happen, code, entry = SINCE[name]
    ready.sent(SHIPPED)
    happen(meta)
    told = assert_refused(ready.send(SHIPPED), entry, code)
    delivery = ready.delivery(told["details"]["deliveryId"])
    assert (delivery["status"], delivery["error"]["code"], len(meta.sent)) == ("failed", entry.code, 1)


@pytest.mark.parametrize("name", ["deleted", "paused", "edited"])
def test_an_execution_ends_with_what_meta_says_of_the_template(sender: Api, meta: GraphServer, name: str) -> None:
    happen, code, entry = SINCE[name]
    payload = {"to": CUSTOMER, "template": FILLED}
    assert numbers.execute(sender, payload).status_code == 200
    happen(meta)
    assert_refused(numbers.execute(sender, payload), entry, code)
    assert len(meta.sent) == 1


@pytest.mark.parametrize("name", SINCE)
def test_a_template_that_meta_refused_is_read_again_and_refused_here_from_then_on(
    ready: Talk, meta: GraphServer, name: str
) -> None:
    SINCE[name][0](meta)
    long_ago(ready)
    for _ in range(3):
        ready.send(SHIPPED)
    assert len(messages()) == 1, "a burst is worth one sync"
    work()
    meta.asked.clear()
    answer = ready.send(SHIPPED).json()
    wanted = catalogue.INVALID_TEMPLATE_PARAMS if name == "edited" else catalogue.TEMPLATE_NOT_FOUND
    assert (answer["code"], meta.asked) == (wanted.code, [])


def test_an_execution_that_meta_refuses_has_the_templates_read_again_too(sender: Api, meta: GraphServer) -> None:
    meta.templates[0]["status"] = "PAUSED"
    long_ago(Talk(sender))
    numbers.execute(sender, {"to": CUSTOMER, "template": FILLED})
    assert len(messages()) == 1


def test_another_refusal_has_no_templates_read_again(ready: Talk, meta: GraphServer) -> None:
    meta.strangers = {CUSTOMER}
    long_ago(ready)
    ready.send(SHIPPED)
    assert messages() == []


def long_ago(talk: Talk) -> None:
    """The last sync was not just now."""
    with tenant_scope(talk.tenant):
        SyncRun.objects.for_tenant(talk.tenant).update(created_at=Now() - timedelta(minutes=2))


def test_templates_of_an_account_before_are_not_sent_by_another(ready: Talk, meta: GraphServer) -> None:
    """By the deployment's account it was known; the one that is bound now has not been synced."""
    numbers.install(ready.api)
    meta.waba_id, meta.phone_number_id = "102290129340399", "106540352242923"
    assert numbers.bind(ready.api, numbers.credentials(meta)).status_code == 201
    meta.asked.clear()
    for answer in (
        ready.send(SHIPPED),
        ready.send(SHIPPED, path="/whatsapp/messages/validate"),
        numbers.execute(ready.api, {"to": CUSTOMER, "template": FILLED}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, catalogue.TEMPLATE_NOT_FOUND.code)
    assert meta.asked == []
    synced(ready.api)
    ready.sent(SHIPPED)


def test_a_window_that_meta_holds_for_closed_is_closed(ready: Talk, meta: GraphServer) -> None:
    meta.customer_wrote(CUSTOMER, seconds_ago=25 * 60 * 60)
    assert ready.window()["open"] is True
    assert_refused(ready.send(), catalogue.TEMPLATE_REQUIRED, 131047)
    ready.sent(SHIPPED)


def test_an_execution_into_a_window_that_meta_holds_for_closed_ends_its_chain(sender: Api, meta: GraphServer) -> None:
    meta.heard = {}
    assert_refused(numbers.execute(sender), catalogue.TEMPLATE_REQUIRED, 131047)


@pytest.mark.parametrize("path", ["/whatsapp/messages", MEDIA])
def test_a_number_that_is_not_on_whatsapp_cannot_be_reached(ready: Talk, meta: GraphServer, path: str) -> None:
    meta.strangers = {CUSTOMER}
    body = PICTURE if path == MEDIA else HELLO
    assert_refused(ready.send(body, path=path), catalogue.META_UNDELIVERABLE, 131026)


def test_an_execution_for_a_number_that_is_not_on_whatsapp_goes_to_no_other(sender: Api, meta: GraphServer) -> None:
    meta.strangers = {CUSTOMER}
    assert_refused(numbers.execute(sender), catalogue.META_UNDELIVERABLE, 131026)


def test_a_file_that_meta_has_forgotten_is_no_parameter(ready: Talk, meta: GraphServer) -> None:
    """It keeps what was uploaded for thirty days."""
    meta.store(b"audio", "audio/aac", AUDIO["media_id"])
    ready.sent(AUDIO, path=MEDIA)
    meta.media.clear()
    told = assert_refused(ready.send(AUDIO, path=MEDIA), catalogue.META_INVALID_PARAM, 100)
    assert "media attachment ID" in told["details"]["meta"]["details"]


def test_a_customer_to_whom_another_program_wrote_by_the_same_number_is_left_alone(
    ready: Talk, meta: GraphServer
) -> None:
    """The hub counts its own messages, and Meta those of all who hold the number."""
    for _ in range(45):
        calling.send(meta)
    told = assert_refused(ready.send(), catalogue.META_RATE_LIMIT, 131056)
    assert told["details"]["reason"] == "meta_131056"
    ready.sent({**SHIPPED, "to": "+14155550000"})


def test_a_number_that_may_send_less_a_second_than_the_hub_believes(ready: Talk, meta: GraphServer) -> None:
    """As one that the WhatsApp Business app shares."""
    meta.per_second = 1
    answers = [ready.send({**SHIPPED, "to": f"+1415555000{each}"}) for each in range(6)]
    refused = [answer for answer in answers if answer.status_code != 202]
    assert_refused(refused[0], catalogue.META_RATE_LIMIT, 130429)


def test_a_number_that_is_not_registered_sends_nothing(ready: Talk, meta: GraphServer) -> None:
    meta.is_registered = False
    assert_refused(ready.send(), catalogue.WHATSAPP_NOT_CONFIGURED, 133010)


def test_a_token_that_was_withdrawn_at_meta_sends_nothing(ready: Talk, meta: GraphServer) -> None:
    meta.token = "EAAG-another-token-since-then-000"
    for body, path in ((HELLO, "/whatsapp/messages"), (AUDIO, MEDIA)):
        assert_refused(ready.send(body, path=path), catalogue.META_UNAUTHORIZED, 190)


@pytest.mark.parametrize(
    ("fault", "entry", "code"),
    [
        ({"token": "EAAG-another-token-since-then-000"}, catalogue.META_UNAUTHORIZED, 190),
        ({"is_registered": False}, catalogue.WHATSAPP_NOT_CONFIGURED, 133010),
    ],
    ids=["the token was withdrawn", "the number is not registered"],
)
def test_an_execution_tells_of_an_attempt_that_metas_account_failed(
    sender: Api, meta: GraphServer, fault: dict[str, Any], entry: catalogue.Entry, code: int
) -> None:
    """Another provider might have done it, so that the chain goes on."""
    vars(meta).update(fault)
    told = numbers.execute(sender).json()
    assert told["code"] == catalogue.ALL_PROVIDERS_FAILED.code
    [attempt] = told["details"]["errors"]
    assert (attempt["code"], attempt["reason"]) == (entry.code, f"meta_{code}")


def test_a_token_that_was_withdrawn_at_meta_syncs_nothing(ready: Talk, meta: GraphServer) -> None:
    meta.token = "EAAG-another-token-since-then-000"
    answer = ready.api.post("/whatsapp/templates/sync?wait=true")
    told = assert_refused(answer, catalogue.WHATSAPP_SYNC_FAILED, 190)
    assert told["details"]["code"] == catalogue.META_UNAUTHORIZED.code


# --- What `POST /whatsapp/media/send` refuses itself ---


@pytest.mark.parametrize("number", ["4155552671", "+1415", "+14155552671x7"])
def test_a_file_for_a_number_that_is_none_is_refused(talk: Talk, meta: GraphServer, number: str) -> None:
    answer = talk.send({**PICTURE, "to": number}, path=MEDIA)
    assert (answer.status_code, answer.json()["code"]) == (400, catalogue.INVALID_PHONE.code)
    assert (meta.asked, talk.deliveries()) == ([], [])


def test_without_an_account_no_file_can_be_sent(talk: Talk, meta: GraphServer, settings: Any) -> None:
    settings.META_WHATSAPP_ACCESS_TOKEN = ""
    answer = talk.send(PICTURE, path=MEDIA)
    assert (answer.status_code, answer.json()["code"]) == (503, catalogue.WHATSAPP_NOT_CONFIGURED.code)
    assert (meta.asked, talk.deliveries()) == ([], [])


def test_the_months_quota_holds_for_files_too(talk: Talk, meta: GraphServer) -> None:
    Tier.objects.using("system").filter(key="free").update(monthly_quota=1)
    talk.sent(PICTURE, path=MEDIA)
    answer = talk.send(PICTURE, path=MEDIA)
    assert (answer.status_code, answer.json()["code"]) == (422, catalogue.QUOTA_EXCEEDED.code)
    assert (len(meta.sent), len(talk.deliveries())) == (1, 1)
