"""Answers as workflows give them; what is asked is compared with a library in test_chat_wire.py."""

from typing import Any

import pytest

from providers import registry, schema_faults
from providers.errors import Ambiguous, Next, ProviderError, Stop
from tests.providers.adapters.chatting import Chat
from tests.providers.answering import AnsweringServer

WORKFLOW, SIGNATURE = "0123456789abcdef0123456789abcdef", "Example-Example_Example-Example_Example-Exa"
HOST = "default0123456789abcdef0123456789ab.cd.environment.api.powerplatform.com"
PATH = f"/workflows/{WORKFLOW}/triggers/manual/paths/invoke"
QUERY = f"?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig={SIGNATURE}"
URL = f"https://{HOST}:443/powerautomate/automations/direct{PATH}{QUERY}"
LOGIC_APP = f"https://prod-161.westeurope.logic.azure.com:443{PATH}{QUERY}"


@pytest.fixture
def teams(server: AnsweringServer) -> Chat:
    server.answer(202, b"", **{"x-ms-workflow-run-id": "08584RUN"})
    return Chat(server, "teams_chat", webhook_url=URL)


def body(chat: Chat) -> list[dict[str, Any]]:
    [attachment] = chat.server.asked[-1].json()["attachments"]
    return attachment["content"]["body"]


def test_a_workflow_that_has_begun_is_a_success(teams: Chat) -> None:
    assert teams.send().reference == "08584RUN"
    assert teams.server.asked[0].path == f"/powerautomate/automations/direct{PATH}{QUERY}"
    assert body(teams) == [{"type": "TextBlock", "text": "Shipped", "wrap": True}]
    teams.server.answer(202, b"")
    assert teams.send().reference == "", "its documented success, with nothing else to say"


def test_a_workflow_that_answers_in_its_own_words_is_known_by_its_run(teams: Chat) -> None:
    teams.server.answer(200, b"thank you", **{"X-Ms-Workflow-Run-Id": "08584RUN"})
    assert teams.send().reference == "08584RUN"
    teams.server.answer(200, b"thank you")
    error = teams.failure()
    assert (type(error), error.reason) == (Ambiguous, "unreadable_answer")


@pytest.mark.parametrize(
    ("status", "code", "kind", "reason", "is_refused"),
    [
        (400, "WorkflowTriggerIsNotEnabled", Next, "teams_workflow_trigger_is_not_enabled", True),
        (404, "WorkflowNotFound", Next, "teams_workflow_not_found", True),
        (404, "WorkflowTriggerNotFound", Next, "teams_workflow_trigger_not_found", True),
        (401, "DirectApiAuthorizationRequired", Next, "teams_direct_api_authorization_required", True),
        (400, "TriggerInputSchemaMismatch", Stop, "teams_trigger_input_schema_mismatch", False),
        (400, "SomethingNew", Stop, "teams_something_new", False),
        (404, None, Next, "upstream_404", False),
        (502, "NoResponse", Ambiguous, "upstream_502", False),
    ],
)
def test_each_code_has_its_class(
    teams: Chat, status: int, code: str | None, kind: type[ProviderError], reason: str, is_refused: bool
) -> None:
    teams.server.answer(status, {"error": {"code": code, "message": "Could not execute"}})
    error = teams.failure()
    assert (type(error), error.reason, error.credential_refused) == (kind, reason, is_refused)
    assert "Could not execute" in str(error)


def test_a_message_that_teams_would_not_post_is_left_to_another(teams: Chat) -> None:
    """The workflow would take it and fail in silence."""
    teams.send(text="x" * 27_000)
    for text in ("x" * 28_000, "漢" * 9_500):
        error = teams.failure(text=text)
        assert (type(error), error.reason, len(teams.server.asked)) == (Next, "text_too_long", 1)


@pytest.mark.parametrize("repeated", [URL, SIGNATURE, f"{PATH}{QUERY}", f"sig={SIGNATURE}", WORKFLOW])
def test_the_signature_in_the_address_is_never_told(teams: Chat, repeated: str) -> None:
    teams.server.answer(400, {"error": {"code": "SomethingNew", "message": f"Refused: {repeated}"}})
    error = teams.failure()
    assert "[hidden]" in str(error)
    assert SIGNATURE not in str(error)


def test_a_quoted_signature_is_known_when_it_is_read_aloud(teams: Chat) -> None:
    teams.server.answer(400, {"error": {"code": "SomethingNew", "message": "not Example+Example/Example+Example=="}})
    url = URL.replace(SIGNATURE, "Example%2BExample%2FExample%2BExample%3D%3D")
    assert "Example+" not in str(teams.failure(secrets={"webhook_url": url}))


@pytest.mark.parametrize(
    ("url", "is_one"),
    [
        (URL, True),
        (URL.replace(":443", ""), True),
        (LOGIC_APP, True),
        (LOGIC_APP.replace("logic.azure.com", "logic.azure.us"), True),
        (URL.replace("direct/", "direct/cu/17/"), True),
        (URL.replace("api.powerplatform.com", "api.high.powerplatform.microsoft.us"), True),
        (URL.replace("https", "http"), False),
        (URL.replace(":443", ":8443"), False),
        (URL.replace("powerplatform.com", "powerplatform.com.evil.example"), False),
        (URL.replace(HOST, "evil-logic.azure.com"), False),
        (URL.replace(HOST, "logic.azure.com"), False),
        (URL.replace(HOST, "evil.example"), False),
        (URL.replace(HOST, f"user@{HOST}"), False),
        (URL.replace(HOST, f"evil.example/?x={HOST}"), False),
        (URL.replace("/workflows/", "/../../workflows/"), False),
        (URL.split("&sig=")[0], False),
        (f"https://contoso.webhook.office.com/webhookb2/{WORKFLOW}@{WORKFLOW}/IncomingWebhook/{WORKFLOW}/x", False),
        (f"{URL}#fragment", False),
        (f"{URL}\n", False),
    ],
)
def test_only_an_address_of_a_workflow_is_a_webhook(teams: Chat, url: str, is_one: bool) -> None:
    schema = registry.get("teams_chat").credential_schema
    assert (schema_faults.faults(schema_faults.compiled(schema or {}), {"webhook_url": url}) == []) is is_one
    if not is_one:
        error = teams.failure(secrets={"webhook_url": url})
        assert (type(error), error.reason, teams.server.asked) == (Next, "webhook_invalid", [])


def test_it_goes_to_the_host_in_the_webhook_itself(server: AnsweringServer) -> None:
    """Without an operator's address; here the client is led to the server, whatever host is named."""
    dialled = []

    class Noting(type(server.client())):  # type: ignore[misc]
        def request(self, method: str, url: str, **kwargs: Any) -> Any:
            dialled.append(url)
            return super().request(method, url, **kwargs)

    server.answer(202, b"")
    chat = Chat(server, "teams_chat", webhook_url=LOGIC_APP)
    chat.adapter = type(chat.adapter)(Noting(server.base_url))
    chat.send(base_url="")
    assert dialled == [LOGIC_APP]


def test_what_befalls_one_tenants_workflow_says_nothing_of_others() -> None:
    assert registry.get("teams_chat").has_own_address
