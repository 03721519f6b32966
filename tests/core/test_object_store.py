"""The store of files: whole or not at all, within a deadline, and named by its own words where it refuses."""

import os
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest

from integrationhub.core import object_store
from integrationhub.core.deadline import Deadline
from integrationhub.core.object_store import StoreFailed
from integrationhub.core.s3_objects import PART_BYTES
from tests import s3
from tests.core.hostile import hangs, serving
from tests.core.servers import RawServer
from tests.s3 import Bucket

pytestmark = pytest.mark.slow

LARGE = b"ab" * PART_BYTES + b"the end"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3.running() as endpoint:
        yield endpoint


@pytest.fixture
def bucket(endpoint: str, settings: Any) -> Bucket:
    bucket = Bucket(endpoint)
    s3.lead_to(settings, endpoint, bucket.name)
    return bucket


def put(file: BytesIO, seconds: float = 10) -> None:
    object_store.put("a/b", file, content_type="image/png", deadline=Deadline.after(seconds))


def failure(file: BytesIO, seconds: float = 10) -> StoreFailed:
    with pytest.raises(StoreFailed) as caught:
        put(file, seconds)
    return caught.value


@pytest.mark.parametrize("content", [b"", b"small", LARGE], ids=["empty", "small", "in parts"])
def test_a_file_is_kept_from_its_beginning_and_replaced_by_the_next(bucket: Bucket, content: bytes) -> None:
    file = BytesIO(content)
    file.read(3)
    put(BytesIO(b"another before it"))
    put(file)
    assert (bucket.objects(), bucket.content("a/b"), bucket.unfinished()) == (["a/b"], content, [])
    assert not file.closed


class Broken(BytesIO):
    """A file whose second part cannot be read."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() >= PART_BYTES:
            raise TimeoutError
        return super().read(size)


def test_parts_of_a_file_that_breaks_off_are_taken_back(bucket: Bucket) -> None:
    error = failure(Broken(LARGE))
    assert (error.reason, error.is_retryable) == ("store_timeout", True)
    assert (bucket.objects(), bucket.unfinished()) == ([], [])


def test_what_takes_longer_than_it_may_is_given_up(bucket: Bucket) -> None:
    assert failure(BytesIO(LARGE), seconds=0).reason == "store_timeout"
    assert (bucket.objects(), bucket.unfinished()) == ([], [])


def test_a_store_that_is_away_is_named_so(settings: Any) -> None:
    s3.lead_to(settings, "http://127.0.0.1:9", "media")
    error = failure(BytesIO(b"a"))
    assert (error.reason, error.is_retryable) == ("store_unreachable", True)
    assert "a-secret-of-tests" not in f"{error}{error.__cause__}"


def test_a_store_that_says_nothing_is_given_up(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integrationhub.core.s3_objects.READ_SECONDS", 0.3)
    with serving(hangs) as url:
        s3.lead_to(settings, url, "media")
        assert failure(BytesIO(b"a")).reason == "store_unreachable"


REFUSALS = {
    b"403 Forbidden": (b"AccessDenied", "store_access_denied", False),
    b"503 Slow Down": (b"SlowDown", "store_slow_down", True),
    b"400 Bad Request": (b"RequestTimeout", "store_request_timeout", True),
    b"500 Oops": (b"InternalError", "store_internal_error", True),
}


@pytest.mark.parametrize("status", REFUSALS, ids=bytes.decode)
def test_a_refusal_is_told_by_its_code_and_asked_once(settings: Any, status: bytes) -> None:
    code, reason, is_retryable = REFUSALS[status]
    body = b"<Error><Code>%s</Code><Message>What was sent: a-secret.</Message></Error>" % code
    said: list[bytes | float] = [b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)]
    with RawServer(said) as server:
        s3.lead_to(settings, server.url, "media")
        error = failure(BytesIO(b"a"))
        assert len(server.requests) == 1
    assert (error.reason, error.is_retryable) == (reason, is_retryable)
    assert "a-secret" not in error.words


def test_no_proxy_of_the_environment_counts(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    put(BytesIO(b"a"))
    assert bucket.objects() == ["a/b"]


def test_an_address_is_of_a_file_to_save_under_a_harmless_name(bucket: Bucket) -> None:
    url = object_store.address("a/b", seconds=60, filename='a"\r\nSet-Cookie: x.html')
    assert "X-Amz-Expires=60&" in url
    assert "response-content-disposition=attachment%3B%20filename%2A%3Dutf-8%27%27a%2522%250D%250ASet-Cookie" in url


def test_nothing_of_boto3_is_imported_until_a_file_is_kept() -> None:
    """It takes half as long as all the rest of a start."""
    words = (
        "import sys, integrationhub.wsgi, whatsapp.tasks; from django.urls import get_resolver; "
        "get_resolver().url_patterns; print(sorted({'boto3', 'botocore', 'storages'} & set(sys.modules)))"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "integrationhub.settings"}
    said = subprocess.run([sys.executable, "-c", words], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
