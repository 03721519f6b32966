from collections.abc import Iterator

import pytest

from tests.providers.answering import AnsweringServer


@pytest.fixture
def server() -> Iterator[AnsweringServer]:
    server = AnsweringServer()
    server.start()
    yield server
    server.stop()
