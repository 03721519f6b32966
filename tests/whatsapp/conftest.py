"""Every tenant sends by the deployment's account, whose Graph server is on loopback."""

import pytest

from tests.make import Api
from tests.meta.fixtures import meta
from tests.whatsapp.talking import Talk

__all__ = ["meta"]


@pytest.fixture
def talk(api: Api, meta: object) -> Talk:
    """A tenant and one customer, who has written just now."""
    talk = Talk(api)
    talk.customer_writes()
    return talk
