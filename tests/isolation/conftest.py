"""The loopback's adapters, whose credential can be bound without anyone being asked, and Google as it answers."""

import pytest

from tests.execution.conftest import loopback_adapters
from tests.oauth import flows
from tests.oauth.conftest import lay_over, stand_in
from tests.oauth.standing_in import StandIn

__all__ = ["lay_over", "loopback_adapters", "stand_in"]


@pytest.fixture(autouse=True)
def google(stand_in: StandIn) -> None:
    flows.google(stand_in)
    stand_in.answer("POST oauth2.googleapis.com/revoke", {})
