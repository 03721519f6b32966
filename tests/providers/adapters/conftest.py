from collections.abc import Iterator

import pytest

from tests.providers.carriers import CarrierServer, TwilioServer, VonageServer


@pytest.fixture
def twilio() -> Iterator[TwilioServer]:
    with TwilioServer() as server:
        yield server


@pytest.fixture
def vonage() -> Iterator[VonageServer]:
    with VonageServer() as server:
        yield server


@pytest.fixture(params=[TwilioServer, VonageServer], ids=["twilio_sms", "vonage_sms"])
def carrier(request: pytest.FixtureRequest) -> Iterator[CarrierServer]:
    with request.param() as server:
        yield server
