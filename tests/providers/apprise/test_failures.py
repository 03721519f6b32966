"""What becomes of a message that a service does not take, told by what went over the wire."""

import base64
import json
import logging
from typing import Any

import pytest

from providers import registry
from providers.apprise.children import children
from providers.errors import Ambiguous, Blocked, Next, ProviderError, Retry, Stop
from tests.providers import conformance
from tests.providers.answering import AnsweringServer
from tests.providers.apprise.test_services import ROWS, acceptance, call
from tests.providers.conformance import CASES, Case, failure, failure_at
from tests.providers.misbehaving import MisbehavingServer, answering

PUSHOVER = registry.get("apprise_pushover")
PUSH = "message.send.push"


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_every_misbehaviour_has_its_class(case: Case) -> None:
    """Those of all adapters. Apprise itself would take any 200 of Pushover's for an acceptance."""
    error = failure_at(PUSHOVER, PUSH, case.answer)
    assert type(error) is case.kind, f"{error} ({error.reason})"
    assert error.upstream_status in (case.status or 200, None)


def test_silence_is_ambiguous_and_ends_with_the_deadline_and_the_process() -> None:
    [*_, child] = children._idle
    error = failure_at(PUSHOVER, PUSH, None, seconds=2)
    assert (type(error), error.reason) == (Ambiguous, "read_timeout")
    assert child._process.returncode is not None
    assert child not in children._idle


def test_what_was_refused_or_has_no_address_may_be_sent_by_another() -> None:
    with conformance.refusing() as refusing:
        for base_url, reason in ((refusing, "refused"), ("https://no-such-host.invalid", "dns")):
            error = failure(PUSHOVER, conformance.call(PUSHOVER, PUSH, base_url=base_url))
            assert (type(error), error.reason) == (Next, reason)


def test_an_address_in_our_own_network_is_not_dialled(settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    with MisbehavingServer(answering(200)) as server:
        with pytest.raises(Blocked, match="refused"):
            registry.instance("apprise_pushover").execute(conformance.call(PUSHOVER, PUSH, base_url=server.base_url))
        assert server.hits == 0


def test_a_deadline_that_has_passed_sends_nothing() -> None:
    with MisbehavingServer(answering(200)) as server:
        error = failure(PUSHOVER, conformance.call(PUSHOVER, PUSH, base_url=server.base_url, seconds=0))
        assert (type(error), error.reason, server.hits) == (Next, "deadline_exceeded", 0)


@pytest.mark.parametrize("status", [301, 307, 308])
def test_a_redirect_is_an_answer_and_not_followed(status: int) -> None:
    """Neither elsewhere nor to the very host: `failure_at` counts."""
    with MisbehavingServer(answering(200)) as elsewhere:
        for location in (f"{elsewhere.base_url}/take", "https://api.pushover.net/2/messages.json"):
            error = failure_at(PUSHOVER, PUSH, answering(status, Location=location))
            assert (type(error), elsewhere.hits) == (Ambiguous, 0)


@pytest.mark.parametrize(
    ("answer", "kind", "retry_after", "is_refused"),
    [
        (answering(429, Retry_After="7"), Retry, 7, False),
        (answering(503, Retry_After="7"), Retry, 7, False),
        (answering(402), Next, 300, False),
        (answering(401), Next, None, True),
        (answering(400, b'{"status": 0, "errors": ["user key is invalid"]}'), Stop, None, False),
    ],
)
def test_how_long_to_wait_and_whose_fault_it_is_are_passed_on(
    answer: bytes, kind: type[ProviderError], retry_after: float | None, is_refused: bool
) -> None:
    error = failure_at(PUSHOVER, PUSH, answer)
    assert (type(error), error.retry_after, error.credential_refused) == (kind, retry_after, is_refused)


@pytest.mark.parametrize("status", [200, 400, 401, 500])
def test_a_service_that_repeats_our_secrets_is_not_quoted_with_them(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """`failure` looks for them in the error."""
    caplog.set_level(logging.DEBUG)
    secrets = conformance.secrets_of(PUSHOVER)
    words = [*secrets.values(), *conformance.logins(secrets)]
    words += [base64.b64encode(value.encode()).decode() for value in secrets.values()]
    for word in words:
        error = failure_at(PUSHOVER, PUSH, answering(status, json.dumps({"errors": [f"{word} is wrong"]}).encode()))
        assert word not in str(error)
        assert "is wrong" in str(error)
    assert [value for value in secrets.values() if value in caplog.text] == []


def proved() -> list[Any]:
    return [pytest.param(row, id=row.key) for row in ROWS if row.proof]


@pytest.mark.parametrize("row", proved())
def test_a_200_that_proves_nothing_is_no_success(row: Any, server: AnsweringServer) -> None:
    """These say 200 to what they refuse, or a proxy says it in their name."""
    server.answer(200, {"note": acceptance(row)} if isinstance(acceptance(row), dict) else [])
    with pytest.raises(Ambiguous):
        registry.instance(row.key).execute(call(row, server))
    assert len(server.asked) == 1


def test_a_message_that_was_not_made_may_be_sent_by_another(server: AnsweringServer) -> None:
    """https://docs.rs/onesignal-rust-api/5.5.0: an empty id means that there is no notification, at HTTP 200."""
    onesignal = registry.get("apprise_onesignal")
    server.answer(200, {"id": "", "errors": ["All included players are not subscribed"]})
    error = failure(onesignal, call(onesignal, server))  # type: ignore[arg-type]
    assert (type(error), error.reason) == (Next, "not_created")
    assert "players are not subscribed" in str(error)


@pytest.mark.parametrize(
    ("key", "status", "kind"),
    [
        ("apprise_prowl", 406, Retry),  # https://www.prowlapp.com/api.php: the address has exceeded its limit.
        ("apprise_groupme", 420, Retry),  # https://dev.groupme.com/docs/responses: too many; 403 says so too.
        ("apprise_groupme", 403, Retry),
        (
            "apprise_bulksms",
            403,
            Next,
        ),  # https://developer.bulksms.com/json/v1/swagger.yaml: the credits do not suffice.
    ],
)
def test_a_limit_that_is_told_by_an_odd_status_ends_no_chain_and_blames_no_credential(
    key: str, status: int, kind: type[ProviderError], server: AnsweringServer
) -> None:
    server.answer(status, {"detail": "not now"})
    service = registry.get(key)
    error = failure(service, call(service, server))  # type: ignore[arg-type]
    assert (type(error), error.credential_refused) == (kind, False)


def test_a_message_that_failed_at_once_has_an_id_too(server: AnsweringServer) -> None:
    """https://developer.bulksms.com/json/v1/swagger.yaml, `Message`"""
    bulksms = registry.get("apprise_bulksms")
    server.answer(201, [{"id": "1", "status": {"id": "FAILED.NOT_SENT", "type": "FAILED", "subtype": "NOT_SENT"}}])
    assert type(failure(bulksms, call(bulksms, server))) is Ambiguous  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "payload"),
    [
        ("apprise_prowl", {"token": "device-1"}),  # Its key is for one person: another is not notified in his place.
        ("apprise_ntfy", {"topic": "orders, invoices"}),
        ("apprise_join", {"topic": "orders"}),
        ("apprise_pushbullet", {"token": "a b"}),
    ],
)
def test_a_recipient_that_a_service_does_not_know_is_left_to_another(
    key: str, payload: dict[str, str], server: AnsweringServer
) -> None:
    with pytest.raises(Next, match="nothing was sent") as caught:
        registry.instance(key).execute(call(registry.get(key), server, **payload))  # type: ignore[arg-type]
    assert caught.value.reason == "recipient_unsupported"
    assert server.asked == []


def test_a_credential_that_apprise_cannot_use_sends_nothing(server: AnsweringServer) -> None:
    prowl = registry.get("apprise_prowl")
    asked = call(prowl, server)  # type: ignore[arg-type]
    asked.secrets["apikey"] = "not-one"  # type: ignore[index]
    assert (type(error := failure(prowl, asked)), error.reason) == (Next, "not_sendable")
    assert server.asked == []


def test_a_template_is_not_sent_as_text(server: AnsweringServer) -> None:
    gupshup = registry.get("apprise_gupshup")
    asked = call(gupshup, server)  # type: ignore[arg-type]
    del asked.payload["text"]  # type: ignore[attr-defined]
    assert (type(error := failure(gupshup, asked)), error.reason) == (Next, "text_only")


def test_a_text_message_from_nobody_is_left_to_another(server: AnsweringServer) -> None:
    telnyx = registry.get("apprise_telnyx")
    asked = call(telnyx, server)  # type: ignore[arg-type]
    asked.config.clear()  # type: ignore[attr-defined]
    assert (type(error := failure(telnyx, asked)), error.reason) == (Next, "sender_missing")
