from collections.abc import Iterator

import pytest

from tests.providers.carriers import CarrierServer, TwilioServer, VonageServer
from tests.providers.mailboxes import GmailServer, GraphServer


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


@pytest.fixture
def gmail() -> Iterator[GmailServer]:
    with GmailServer() as server:
        yield server


@pytest.fixture
def graph() -> Iterator[GraphServer]:
    with GraphServer() as server:
        yield server


@pytest.fixture(params=[GmailServer, GraphServer], ids=["gmail_email", "microsoft_email"])
def mailbox(request: pytest.FixtureRequest) -> Iterator[CarrierServer]:
    with request.param() as server:
        yield server
