from collections.abc import Iterator

import pytest

from tests.telling.receiving import Receiver, a_receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with a_receiver() as receiver:
        yield receiver
