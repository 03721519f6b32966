"""Every adapter that takes webhooks refuses what its provider has not signed, and survives what it cannot read."""

from dataclasses import replace
from typing import Any

import pytest

from integrationhub.core.deadline import Deadline
from providers import registry
from providers.adapter import Adapter
from providers.callbacks import InboundEvent, Kind, Webhook
from providers.errors import InvalidSignature
from tests.providers import conformance
from tests.providers.hooks import hook

HOOKED = [adapter for adapter in registry.all() if adapter.takes_webhooks()]
EACH = pytest.mark.parametrize("adapter", HOOKED, ids=[adapter.key for adapter in HOOKED])
# What stands in the headers that providers sign by, if it is not a signature of theirs.
SIGNED_BY = (
    "authorization", "x-twilio-signature", "messagebird-signature-jwt", "svix-id", "svix-timestamp", "svix-signature",
    "webhook-id", "webhook-timestamp", "webhook-signature", "x-slack-signature", "x-slack-request-timestamp",
    "x-telegram-bot-api-secret-token", "x-amz-sns-message-type",
)  # fmt: skip
FORGED = ("", "0", "é", "v1,", "Bearer ", "Bearer a.b.c", "Basic dTpw", "Basic é", "v0=" + "0" * 64, "9" * 5000)
BODIES: dict[str, bytes] = {
    "nothing": b"",
    "no text": b"\xff\xfe\x00",
    "a null": b"null",
    "a list": b'[[], null, {"id": {}}]',
    "a deep nest": b"[" * 100_000,
    "fields that are no text": b'{"id": [], "status": {}, "type": 1, "event": null, "signature": 1, "timestamp": {}}',
    "a form": b"sig=%00&timestamp=x&token=%ff&MessageSid=&sig=2&a",
}


@EACH
@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("said", FORGED, ids=range(len(FORGED)))
def test_what_is_not_signed_is_refused_by_its_name(adapter: type[Adapter], body: str, said: str) -> None:
    for method in ("POST", "GET"):
        forged = replace(hook(BODIES[body], method=method), headers=dict.fromkeys(SIGNED_BY, said))
        for secrets in (conformance.secrets_of(adapter), {}):
            refusal = refused(adapter, forged, secrets)
            assert refusal.details["provider"] == adapter.key
            assert refusal.reason
            assert [value for value in secrets.values() if value in str(refusal)] == []


def refused(adapter: type[Adapter], forged: Webhook, secrets: dict[str, Any]) -> InvalidSignature:
    with pytest.raises(InvalidSignature) as caught:
        registry.instance(adapter.key).verify_webhook(forged, secrets)
    return caught.value


@EACH
@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", ""])
def test_what_cannot_be_read_raises_what_the_contract_names(adapter: type[Adapter], body: str, kind: str) -> None:
    strange = replace(hook(BODIES[body]), headers={"content-type": kind}, deadline=Deadline.after(1))
    try:
        events = registry.instance(adapter.key).parse_webhook(strange)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return
    assert all(isinstance(event, InboundEvent) and isinstance(event.kind, Kind) for event in events)


@EACH
def test_what_it_reads_of_the_headers_is_named_as_it_is_kept(adapter: type[Adapter]) -> None:
    assert all(name == name.lower() for name in adapter.webhook_headers)
    assert adapter.tells <= {Kind.SENT, Kind.DELIVERED}
