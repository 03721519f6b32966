"""The sampling, of an application that does nothing but check one telephone number again and again."""

import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from bench import profiling
from providers import phones

ORDER = {"path": "/", "headers": {"x-tenant-id": "t"}, "body": "{}"}


class Answer(list[bytes]):
    def close(self) -> None:
        pass


def busy(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    until = time.perf_counter() + 0.02
    while time.perf_counter() < until:
        phones.check("+14155552671")
    start_response("200 OK", [])
    return Answer([environ["HTTP_X_TENANT_ID"].encode()])


@pytest.mark.parametrize("clock", ["cpu", "wall"])
def test_the_time_is_told_to_be_where_it_is_spent(clock: str) -> None:
    samples = profiling.sample(busy, ORDER, clock, 1.0)
    assert samples.total > 5
    assert samples.inclusive["providers.phones.check"] > samples.total * 0.7
    assert samples.packages["phonenumbers"] > samples.total * 0.4
    assert "| providers.phones.check |" in profiling.told("one", clock, samples)


def test_an_answer_that_is_no_success_is_not_measured() -> None:
    def refuse(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("503 Service Unavailable", [])
        return Answer([b"busy"])

    with pytest.raises(RuntimeError, match="503 Service Unavailable: busy"):
        profiling.sample(refuse, ORDER, "wall", 0.1)
