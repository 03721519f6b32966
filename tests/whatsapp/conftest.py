"""Every tenant sends by the deployment's account, whose Graph server is on loopback."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests import s3
from tests.credentials.conftest import bao, server
from tests.make import Api
from tests.meta.fixtures import meta
from tests.whatsapp.talking import Talk

__all__ = ["bao", "meta", "server"]


@pytest.fixture
def talk(api: Api, meta: object) -> Talk:
    """A tenant and one customer, who has written just now."""
    talk = Talk(api)
    talk.customer_writes()
    return talk


@pytest.fixture(scope="session")
def objects_server() -> Iterator[str]:
    with s3.running() as endpoint:
        yield endpoint


@pytest.fixture
def bucket(objects_server: str, settings: Any) -> s3.Bucket:
    """The hub's store, empty. Whoever asks for it is `slow`."""
    bucket = s3.Bucket(objects_server)
    s3.lead_to(settings, bucket.endpoint, bucket.name)
    return bucket


@pytest.fixture
def no_bucket(settings: Any) -> None:
    """A store that is away."""
    s3.lead_to(settings, "http://127.0.0.1:9", "media")
