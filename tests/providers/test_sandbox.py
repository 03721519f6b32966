from uuid import uuid4

import pytest

from integrationhub.core import catalogue
from integrationhub.core.catalogue import Entry
from integrationhub.core.deadline import Deadline
from providers import registry
from providers.adapter import Adapter, Call
from providers.errors import Ambiguous, Next, ProviderError, Retry, Stop

FIRST, SECOND = "sandbox_primary", "sandbox_secondary"
BOTH = pytest.mark.parametrize("adapter", [FIRST, SECOND], indirect=True)


@pytest.fixture
def adapter(request: pytest.FixtureRequest) -> Adapter:
    return registry.instance(request.param)


def call(payload: dict) -> Call:
    return Call(uuid4(), "message.send.sms", payload, Deadline.after(5), attempt_id=uuid4())


def sms(number: str) -> Call:
    return call({"to": f"+1500555{number}", "text": "hello"})


@BOTH
@pytest.mark.parametrize("number", ["0006", "7002", "1234"])
def test_any_other_recipient_is_delivered_to(adapter: Adapter, number: str) -> None:
    asked = sms(number)
    adapter.preflight(asked)
    assert adapter.execute(asked).reference == f"sandbox-{asked.attempt_id}"


@pytest.mark.parametrize(
    ("number", "error", "reason", "status", "retry_after"),
    [
        ("0503", Retry, "upstream_503", 503, None),
        ("0504", Next, "connect_timeout", None, None),
        ("0505", Ambiguous, "read_timeout", None, None),
        ("0429", Retry, "upstream_429", 429, 2),
    ],
)
def test_only_the_first_provider_fails(
    number: str, error: type[ProviderError], reason: str, status: int | None, retry_after: int | None
) -> None:
    with pytest.raises(error) as caught:
        registry.instance(FIRST).execute(sms(number))
    failed = caught.value
    assert (failed.reason, failed.upstream_status, failed.retry_after) == (reason, status, retry_after)
    assert registry.instance(SECOND).execute(sms(number)).reference


@BOTH
@pytest.mark.parametrize(("number", "error"), [("9503", Retry), ("9504", Next)])
def test_every_provider_fails(adapter: Adapter, number: str, error: type[ProviderError]) -> None:
    with pytest.raises(error):
        adapter.execute(sms(number))


@BOTH
@pytest.mark.parametrize(
    ("number", "entry", "meta_code"),
    [
        ("0001", catalogue.INVALID_PHONE, None),
        ("0004", catalogue.META_UNDELIVERABLE, 131048),
        ("1048", catalogue.META_UNDELIVERABLE, 131048),
        ("0024", catalogue.TEMPLATE_REQUIRED, None),
        ("0100", catalogue.META_INVALID_PARAM, 100),
        ("0190", catalogue.META_UNAUTHORIZED, 190),
        ("2000", catalogue.META_TEMPLATE_PAUSED, 132000),
        ("3000", catalogue.META_TEMPLATE_NOT_FOUND, 133000),
        ("4004", catalogue.META_RATE_LIMIT, 4),
    ],
)
def test_the_recipients_fault_stops_the_chain(
    adapter: Adapter, number: str, entry: Entry, meta_code: int | None
) -> None:
    with pytest.raises(Stop) as caught:
        adapter.execute(sms(number))
    assert (caught.value.entry, caught.value.status) == (entry, entry.status)
    assert caught.value.details.get("meta", {}).get("code") == meta_code


@BOTH
@pytest.mark.parametrize(
    ("number", "entry", "retry_after"),
    [
        ("0401", catalogue.CREDENTIAL_EXPIRED, None),
        ("0422", catalogue.QUOTA_EXCEEDED, None),
        ("0428", catalogue.EXECUTION_RATE_LIMIT_EXCEEDED, 2),
    ],
)
def test_some_refusals_come_before_the_call(
    adapter: Adapter, number: str, entry: Entry, retry_after: int | None
) -> None:
    with pytest.raises(Stop) as caught:
        adapter.preflight(sms(number))
    assert (caught.value.entry, caught.value.retry_after) == (entry, retry_after)


@BOTH
def test_an_adapter_with_a_bug_raises_what_no_class_covers(adapter: Adapter) -> None:
    with pytest.raises(RuntimeError):
        adapter.execute(sms("0500"))


@pytest.mark.parametrize(
    "payload",
    [
        {"to": ["fail-503@sandbox.test"]},
        {"to": ["ada@example.com", "0503@sandbox.test"]},
        {"token": "sandbox-0503"},
        {"topic": "sandbox-0503"},
        {"channel": "sandbox-0503"},
    ],
)
def test_other_kinds_of_recipients_select_the_same_outcomes(payload: dict) -> None:
    with pytest.raises(Retry):
        registry.instance(FIRST).execute(call(payload))
    assert registry.instance(SECOND).execute(call(payload)).reference


def test_all_fail_is_an_address_too() -> None:
    with pytest.raises(Retry):
        registry.instance(SECOND).execute(call({"to": ["all-fail@sandbox.test"]}))


def test_a_failure_is_made_anew_each_time() -> None:
    """A shared exception would carry the traceback and the details of another request."""
    caught = []
    for _ in range(2):
        with pytest.raises(Retry) as failed:
            registry.instance(FIRST).execute(sms("0503"))
        caught.append(failed.value)
    assert caught[0] is not caught[1]
