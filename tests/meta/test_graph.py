"""The Graph client against a server that behaves like Meta."""

import hashlib
from io import BytesIO
from typing import Any

import pytest

from integrationhub.core import catalogue
from providers import meta_graph
from providers.errors import Ambiguous, Stop
from providers.meta_graph import Account, MediaPlace, MetaGraph, Sent
from tests.meta.calling import TEXT, failing, graph_of, send, soon
from tests.meta.graph_answers import template
from tests.meta.graph_server import APP_SECRET, GraphServer


def test_a_message_is_sent_as_meta_documents_it(meta: GraphServer) -> None:
    sent = send(meta, {**TEXT, "biz_opaque_callback_data": "0197f1e0"})
    [asked] = meta.asked
    assert (asked.method, asked.path, asked.query) == ("POST", f"/{meta.phone_number_id}/messages", {})
    assert asked.headers["authorization"] == f"Bearer {meta.token}"
    assert asked.json() == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "+14155552671",
        "type": "text",
        "text": {"body": "Hello"},
        "biz_opaque_callback_data": "0197f1e0",
    }
    assert sent.message_id.startswith("wamid.")
    assert sent == Sent(sent.message_id, wa_id="14155552671")


def test_a_recipient_without_a_phone_number_is_known_by_its_user_id(meta: GraphServer) -> None:
    meta.odd = True
    sent = send(meta, {**TEXT, "recipient": "US.13491208655302741918"})
    assert (sent.wa_id, sent.user_id) == ("", "US.13491208655302741918")


def test_a_message_that_meta_holds_back_says_so(meta: GraphServer) -> None:
    body = {"messages": [{"id": "wamid.A", "message_status": "held_for_quality_assessment"}]}
    meta.fail(status=200, body=body)
    assert send(meta) == Sent("wamid.A", status="held_for_quality_assessment")


@pytest.mark.parametrize("body", [{}, {"messages": []}, {"messages": [{}]}, {"messages": {"id": "wamid.A"}}, []])
def test_an_acceptance_without_an_id_leaves_open_whether_meta_acted(meta: GraphServer, body: object) -> None:
    meta.fail(status=200, body=body)
    error = failing(lambda: send(meta))
    assert (type(error), error.reason, error.is_retryable) == (Ambiguous, "unreadable_answer", False)


def test_a_message_is_marked_read_and_an_answer_announced(meta: GraphServer) -> None:
    graph_of(meta).mark_read("wamid.in", soon(), typing=True)
    assert meta.read == ["wamid.in"]
    assert meta.asked[0].json()["typing_indicator"] == {"type": "text"}
    meta.fail(status=200, body={"success": False})
    assert type(failing(lambda: graph_of(meta).mark_read("wamid.in", soon()))) is Ambiguous


# --- Templates ---


def names(meta: GraphServer) -> list[str]:
    return [row["name"] for page in graph_of(meta).template_pages(soon(), 5) for row in page]


def test_every_page_of_templates_is_read(meta: GraphServer) -> None:
    meta.templates = [template(f"t_{number}") for number in range(450)]
    assert names(meta) == [f"t_{number}" for number in range(450)]
    assert [asked.query.get("after") is None for asked in meta.asked] == [True, False, False]


def test_pages_smaller_than_asked_for_are_read_to_the_end(meta: GraphServer) -> None:
    meta.templates, meta.largest_page = [template(f"t_{number}") for number in range(60)], 25
    assert len(names(meta)) == 60


def test_the_last_page_may_be_full(meta: GraphServer) -> None:
    meta.templates = [template(f"t_{number}") for number in range(meta_graph.TEMPLATES_PER_PAGE)]
    assert (len(names(meta)), len(meta.asked)) == (meta_graph.TEMPLATES_PER_PAGE, 1)


def test_the_quality_is_asked_for(meta: GraphServer) -> None:
    """It is not among what Meta tells unasked."""
    [[row]] = graph_of(meta).template_pages(soon(), 5)
    assert row["quality_score"]["score"] == "GREEN"


def test_a_cursor_that_comes_twice_ends_in_an_error(meta: GraphServer) -> None:
    meta.templates, meta.cursor_loop = [template(f"t_{number}") for number in range(450)], True
    error = failing(lambda: names(meta))
    assert (type(error), error.reason) == (Ambiguous, "cursor_loop")
    assert len(meta.asked) < 10


def test_pages_without_end_end_in_an_error(meta: GraphServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meta_graph, "MOST_PAGES", 3)
    meta.templates, meta.largest_page = [template(f"t_{number}") for number in range(60)], 10
    error = failing(lambda: names(meta))
    assert (type(error), error.reason, len(meta.asked)) == (Ambiguous, "too_many_pages", 3)


def test_a_page_that_fails_ends_the_list_in_its_error(meta: GraphServer) -> None:
    meta.templates, meta.largest_page = [template(f"t_{number}") for number in range(60)], 25
    pages = graph_of(meta).template_pages(soon(), 5)
    assert len(next(pages)) == 25
    meta.fail(80007)
    assert failing(lambda: next(pages)).entry is catalogue.META_RATE_LIMIT


@pytest.mark.parametrize("body", [{}, {"data": {}}, {"data": [1]}, {"data": None}])
def test_a_page_of_another_shape_is_no_page(meta: GraphServer, body: object) -> None:
    meta.fail(status=200, body=body)
    assert failing(lambda: names(meta)).reason == "unreadable_answer"


def test_the_address_of_the_next_page_is_not_followed(meta: GraphServer) -> None:
    """It may be another host's, and holds the token. Its cursor is taken where none stands beside it."""
    paging = {"next": f"http://127.0.0.1:9/take?access_token={meta.token}&after=MQ=="}
    meta.templates = [template("a"), template("b")]
    meta.fail(status=200, body={"data": [template("a")], "paging": paging})
    assert names(meta) == ["a", "b"]
    assert meta.asked[1].query["after"] == "MQ=="


# --- Media ---


def downloaded(meta: GraphServer, place: MediaPlace, **kwargs: Any) -> bytes:
    file = BytesIO()
    content = graph_of(meta).download(place, file, soon(), **kwargs)
    assert (content.size, content.sha256) == (len(file.getvalue()), hashlib.sha256(file.getvalue()).hexdigest())
    return file.getvalue()


def test_a_medium_goes_up_and_comes_down_unchanged(meta: GraphServer) -> None:
    content = bytes(range(256)) * 5000
    graph = graph_of(meta)
    media_id = graph.upload(BytesIO(content), "image/png", 'ünïcode "chart".png', soon())
    assert meta.media[media_id].content_type == "image/png"
    place = graph.media(media_id, soon())
    assert (place.content_type, place.size) == ("image/png", len(content))
    assert place.sha256 == hashlib.sha256(content).hexdigest()
    assert downloaded(meta, place) == content


def test_digests_in_base64_and_sizes_in_text_are_read_too(meta: GraphServer) -> None:
    media_id, meta.odd = meta.store(b"voice", "audio/ogg"), True
    place = graph_of(meta).media(media_id, soon())
    assert (place.sha256, place.size) == (hashlib.sha256(b"voice").hexdigest(), 5)
    assert downloaded(meta, place) == b"voice"


def test_a_medium_of_another_number_is_refused(meta: GraphServer) -> None:
    media_id = meta.store(b"secret", "image/png", phone_number_id="999999999")
    error = failing(lambda: graph_of(meta).media(media_id, soon()))
    assert (type(error), error.entry) == (Stop, catalogue.META_INVALID_PARAM)


def test_an_id_cannot_lead_elsewhere(meta: GraphServer) -> None:
    failing(lambda: graph_of(meta).media("../me?x=/", soon()))
    assert meta.asked[0].path == "/..%2Fme%3Fx%3D%2F"


@pytest.mark.parametrize("host", ["127.0.0.1:9", "lookaside.fbsbx.com.example", "lookaside.fbsbx.com@127.0.0.1:9", ""])
def test_the_token_goes_to_no_host_but_metas(meta: GraphServer, host: str) -> None:
    place = MediaPlace("1", f"http://{host}/whatsapp_business/attachments/?mid=1")
    error = failing(lambda: downloaded(meta, place))
    assert (type(error), error.reason) == (Stop, "foreign_media_host")
    assert error.entry is catalogue.WHATSAPP_MEDIA_DOWNLOAD_FAILED
    assert meta.asked == []


def test_another_content_than_was_told_is_not_taken(meta: GraphServer) -> None:
    media_id, meta.false_sha256 = meta.store(b"content", "image/png"), True
    place = graph_of(meta).media(media_id, soon())
    error = failing(lambda: downloaded(meta, place))
    assert (error.reason, error.entry) == ("wrong_sha256", catalogue.WHATSAPP_MEDIA_DOWNLOAD_FAILED)


@pytest.mark.parametrize("told", [True, False])
def test_a_medium_too_large_is_not_read(meta: GraphServer, told: bool) -> None:
    place = graph_of(meta).media(meta.store(b"x" * 2000, "image/png"), soon())
    place = place if told else MediaPlace(place.media_id, place.url)
    error = failing(lambda: downloaded(meta, place, largest=1000))
    assert (type(error), error.reason) == (Stop, "media_too_large")
    assert error.entry is catalogue.WHATSAPP_MEDIA_DOWNLOAD_FAILED
    assert len(meta.asked) == (1 if told else 2)


def test_an_address_that_has_expired_is_a_failed_download(meta: GraphServer) -> None:
    media_id = meta.store(b"content", "image/png", expired=True)
    place = graph_of(meta).media(media_id, soon())
    error = failing(lambda: downloaded(meta, place))
    assert (type(error), error.upstream_status) == (Stop, 404)
    assert error.entry is catalogue.WHATSAPP_MEDIA_DOWNLOAD_FAILED


# --- The account ---


def test_the_number_and_its_account_are_read(meta: GraphServer) -> None:
    graph = graph_of(meta)
    assert graph.phone_number(soon())["display_phone_number"] == "+1 555-060-2200"
    assert [number["id"] for number in graph.phone_numbers(soon())] == [meta.phone_number_id]
    assert len(graph.subscribed_apps(soon())) == 1
    assert graph.token_owner(soon())["name"] == "hub-system-user"


def test_a_secret_of_another_app_is_found_out(meta: GraphServer) -> None:
    graph = graph_of(meta, app_secrets=(APP_SECRET, "f" * 32))
    graph.prove(0, soon())
    assert "appsecret_proof" in failing(lambda: graph.prove(1, soon())).message


def test_another_version_of_the_api_is_another_path(meta: GraphServer) -> None:
    account = Account(meta.phone_number_id, meta.waba_id, meta.token)
    older = MetaGraph(account, base_url=meta.base_url, api_version="v19.0")
    assert failing(lambda: older.send(TEXT, soon())).details["meta"]["code"] == 2500


def test_an_account_shows_no_secret() -> None:
    shown = repr(Account("1", "2", "a-token", ("a-secret",), "a-verify-token"))
    assert shown == "Account(phone_number_id='1', waba_id='2')"
