"""One text message through an adapter, to a server of the test's own."""

from typing import Any
from uuid import uuid4

from integrationhub.core.deadline import Deadline
from providers import registry
from providers.adapter import Call, Receipt
from tests.providers.carriers import CarrierServer

TO = "+14155552671"


def call_to(carrier: CarrierServer, *, config: Any = None, secrets: Any = None, **payload: Any) -> Call:
    """A call with what the server knows; the payload's members override those of a usual one."""
    return Call(
        uuid4(),
        "message.send.sms",
        {"to": TO, "text": "Your code is 4921.", **payload},
        Deadline.after(5),
        config=carrier.config if config is None else config,
        base_url=carrier.base_url,
        secrets=carrier.credentials if secrets is None else secrets,
        attempt_id=uuid4(),
    )


def send(carrier: CarrierServer, **given: Any) -> Receipt:
    return registry.instance(carrier.key).execute(call_to(carrier, **given))


def check(carrier: CarrierServer, **given: Any) -> bool:
    return registry.instance(carrier.key).check(call_to(carrier, **given))
