"""The loopback's adapters, whose credential can be bound without anyone being asked, and Google as it answers."""

from typing import Any

import pytest

from tests import s3
from tests.execution.conftest import loopback_adapters
from tests.meta.graph_server import PHONE_NUMBER_ID, TOKEN, WABA_ID
from tests.oauth import flows
from tests.oauth.conftest import lay_over, stand_in
from tests.oauth.standing_in import StandIn

__all__ = ["lay_over", "loopback_adapters", "stand_in"]


@pytest.fixture(autouse=True)
def google(stand_in: StandIn) -> None:
    flows.google(stand_in)
    stand_in.answer("POST oauth2.googleapis.com/revoke", {})


@pytest.fixture(autouse=True)
def deployments_account(settings: Any) -> None:
    """Without an account WhatsApp's windows would tell nothing of anybody; nobody is called."""
    settings.META_WABA_ID, settings.META_WHATSAPP_ACCESS_TOKEN = WABA_ID, TOKEN
    settings.META_WHATSAPP_PHONE_NUMBER_ID = PHONE_NUMBER_ID


@pytest.fixture(autouse=True)
def store(settings: Any) -> None:
    """Addresses of what is in it are made without asking it."""
    s3.lead_to(settings, "http://127.0.0.1:9", "media")
