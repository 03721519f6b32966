"""Wire and answers as Microsoft documents them for Graph's sendMail."""

import base64
import json
from typing import Any
from uuid import uuid4

import pytest

from providers import registry
from providers.errors import Ambiguous, Next, ProviderError, Retry, Stop
from tests.providers.carriers import Told
from tests.providers.mailboxes import TOKEN, GraphServer, graph_error, send_mail


def message_at(graph: GraphServer) -> dict[str, Any]:
    assert graph.faults == []
    message: dict[str, Any] = json.loads(graph.asked[0].body)["message"]
    return message


def recipients(*addresses: str) -> list[dict[str, Any]]:
    return [{"emailAddress": {"address": address}} for address in addresses]


def test_the_request_is_on_the_wire_as_documented(graph: GraphServer) -> None:
    attempt_id = uuid4()
    send_mail(graph, attempt_id=attempt_id)
    [asked] = graph.asked
    assert (asked.method, asked.path) == ("POST", "/v1.0/me/sendMail")
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["client-request-id"] == str(attempt_id)
    assert json.loads(asked.body) == {
        "message": {
            "subject": "Your receipt",
            "body": {"contentType": "Text", "content": "Thank you, Ada."},
            "internetMessageId": f"<{attempt_id}@integration-hub.invalid>",
            "toRecipients": recipients("ada@example.com"),
        }
    }
    assert graph.faults == []


def test_an_accepted_message_is_known_by_its_request_and_its_message_id(graph: GraphServer) -> None:
    attempt_id = uuid4()
    receipt = send_mail(graph, attempt_id=attempt_id)
    assert receipt.reference == f"00000000-0000-0000-0000-{1:012x}"
    assert receipt.result == {"message_id": f"<{attempt_id}@integration-hub.invalid>"}


@pytest.mark.parametrize("headers", [{}, {"client-request-id": "ours"}])
def test_without_a_request_id_of_theirs_ours_is_the_reference(graph: GraphServer, headers: dict[str, str]) -> None:
    attempt_id = uuid4()
    graph.answer = lambda _: Told(202, b"", headers)
    assert send_mail(graph, attempt_id=attempt_id).reference == headers.get("client-request-id", str(attempt_id))


@pytest.mark.parametrize("status", [200, 201, 204])
def test_another_success_than_the_documented_one_is_ambiguous(graph: GraphServer, status: int) -> None:
    graph.answer = lambda _: Told(status, b"")
    with pytest.raises(Ambiguous) as caught:
        send_mail(graph)
    assert caught.value.reason == "unreadable_answer"


def test_everybody_named_is_a_recipient_and_answers_go_where_they_should(graph: GraphServer) -> None:
    send_mail(
        graph,
        config={"from": "orders@example.com", "from_name": "Café Müller"},
        to=["ada@example.com", "bob@example.com"],
        cc=["cy@example.com"],
        bcc=["di@example.com"],
        reply_to="help@example.com",
    )
    message = message_at(graph)
    assert message["toRecipients"] == recipients("ada@example.com", "bob@example.com")
    assert (message["ccRecipients"], message["bccRecipients"]) == (
        recipients("cy@example.com"),
        recipients("di@example.com"),
    )
    assert message["replyTo"] == recipients("help@example.com")
    assert message["from"] == {"emailAddress": {"address": "orders@example.com", "name": "Café Müller"}}


def test_of_text_and_html_the_html_is_sent(graph: GraphServer) -> None:
    send_mail(graph, html="<p>Grüße</p>")
    assert message_at(graph)["body"] == {"contentType": "HTML", "content": "<p>Grüße</p>"}


@pytest.mark.parametrize(("config", "kept"), [({}, None), ({"save_to_sent_items": False}, False)])
def test_a_copy_is_kept_unless_the_tenant_wants_none(graph: GraphServer, config: Any, kept: bool | None) -> None:
    send_mail(graph, config=config)
    assert json.loads(graph.asked[0].body).get("saveToSentItems") is kept


def test_attachments_keep_their_bytes_names_and_types(graph: GraphServer) -> None:
    content = base64.b64encode(bytes(range(256))).decode()
    send_mail(graph, attachments=[{"filename": "für Ämter.pdf", "content_type": "application/pdf", "content": content}])
    assert message_at(graph)["attachments"] == [
        {
            "@odata.type": "#microsoft.graph.fileAttachment",
            "name": "für Ämter.pdf",
            "contentType": "application/pdf",
            "contentBytes": content,
        }
    ]


def test_as_much_as_is_taken_fits_into_a_request(graph: GraphServer) -> None:
    content = base64.b64encode(b"x" * 2_900_000).decode()
    send_mail(graph, attachments=[{"filename": "a.bin", "content": content}])
    assert len(message_at(graph)["attachments"][0]["contentBytes"]) > 3_800_000


def test_headers_of_the_callers_own_are_passed_on(graph: GraphServer) -> None:
    send_mail(graph, headers={"X-Order": "A-1042", "x-campaign": "été"})
    assert message_at(graph)["internetMessageHeaders"] == [
        {"name": "X-Order", "value": "A-1042"},
        {"name": "x-campaign", "value": "été"},
    ]


@pytest.mark.parametrize(
    "headers", [{"List-Unsubscribe": "<https://example.com/leave>"}, {f"X-{number}": "a" for number in range(6)}]
)
def test_headers_that_graph_takes_none_of_leave_it_to_another_provider(
    graph: GraphServer, headers: dict[str, str]
) -> None:
    with pytest.raises(Next) as caught:
        send_mail(graph, headers=headers)
    assert (caught.value.reason, graph.hits) == ("headers_unsupported", 0)


@pytest.mark.parametrize(
    ("status", "code", "kind", "reason", "is_refused"),
    [
        (400, "ErrorInvalidRecipients", Stop, "microsoft_error_invalid_recipients", False),
        (400, "ErrorInvalidRequest", Stop, "upstream_400", False),
        (400, "ErrorMessageSizeExceeded", Next, "microsoft_error_message_size_exceeded", False),
        (401, "InvalidAuthenticationToken", Next, "microsoft_invalid_authentication_token", True),
        (403, "ErrorAccessDenied", Next, "microsoft_error_access_denied", True),
        (403, "ErrorSendAsDenied", Next, "microsoft_error_send_as_denied", False),
        (403, "ErrorExceededMessageLimit", Next, "microsoft_error_exceeded_message_limit", False),
        (403, "ErrorMessageSubmissionBlocked", Next, "microsoft_error_message_submission_blocked", False),
        (403, "ErrorQuotaExceeded", Next, "microsoft_error_quota_exceeded", False),
        (403, "ErrorAccountDisabled", Next, "microsoft_error_account_disabled", False),
        (403, "SomethingNew", Next, "upstream_403", True),
        (404, "MailboxNotEnabledForRESTAPI", Next, "microsoft_mailbox_not_enabled_for_restapi", False),
        (404, "MailboxNotSupportedForRESTAPI", Next, "microsoft_mailbox_not_supported_for_restapi", False),
        (404, "ErrorNonExistentMailbox", Next, "microsoft_error_non_existent_mailbox", False),
        (404, "ResourceNotFound", Next, "upstream_404", False),
        (413, "RequestBodyTooLarge", Next, "upstream_413", False),
        (429, "ApplicationThrottled", Retry, "microsoft_application_throttled", False),
        (429, "ErrorServerBusy", Retry, "microsoft_error_server_busy", False),
        (429, "ErrorExceededMessageLimit", Next, "microsoft_error_exceeded_message_limit", False),
        (500, "ErrorServerBusy", Ambiguous, "upstream_500", False),
        (503, "ErrorServerBusy", Retry, "upstream_503", False),
        (504, "UnknownError", Ambiguous, "upstream_504", False),
        (507, "ErrorQuotaExceeded", Ambiguous, "upstream_507", False),
        (509, "UnknownError", Retry, "upstream_509", False),
    ],
)
def test_every_code_has_its_class(
    graph: GraphServer, status: int, code: str, kind: type[ProviderError], reason: str, is_refused: bool
) -> None:
    graph.answer = lambda _: graph_error(status, code, f"No luck with {TOKEN} today")
    with pytest.raises(ProviderError) as caught:
        send_mail(graph)
    error = caught.value
    assert (type(error), error.reason, error.upstream_status) == (kind, reason, status)
    assert error.credential_refused is is_refused
    assert f"{code}: No luck with [hidden] today (request-id req-1)" in error.message
    assert TOKEN not in str(vars(error))


def test_a_pause_that_microsoft_asks_for_is_passed_on(graph: GraphServer) -> None:
    words = "Application is over its MailboxConcurrency limit."
    graph.answer = lambda _: graph_error(429, "ApplicationThrottled", words, **{"Retry-After": "12"})
    with pytest.raises(Retry, match="MailboxConcurrency") as caught:
        send_mail(graph)
    assert caught.value.retry_after == 12


@pytest.mark.parametrize("error", ["no", None, [], {"code": ["x"]}, {"code": 5, "message": {"no": "text"}}, {}])
def test_an_error_of_no_known_shape_leaves_the_status_to_speak(graph: GraphServer, error: object) -> None:
    graph.answer = lambda _: Told(400, {"error": error})
    with pytest.raises(Stop, match=r"\(HTTP 400\)\.$") as caught:
        send_mail(graph)
    assert caught.value.reason == "upstream_400"


def test_the_adapter_says_whose_account_it_needs() -> None:
    adapter = registry.get("microsoft_email")
    assert (adapter.connection_provider, adapter.credential_schema) == ("microsoft", None)
    assert adapter.connection_scopes == {"Mail.Send", "https://graph.microsoft.com/Mail.Send"}
