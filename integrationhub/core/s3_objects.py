"""The store of `object_store.py`, by boto3 under django-storages. Nothing imports this but `STORAGES`, when it is used.

https://boto3.amazonaws.com/v1/documentation/api/latest/guide/s3-uploading-files.html
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import IO, Any

from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError
from django.core.files import File
from django.utils.functional import cached_property
from django.utils.http import content_disposition_header
from storages.backends.s3 import S3Storage

from integrationhub.core.deadline import Deadline
from integrationhub.core.object_store import StoreFailed

CONNECT_SECONDS, READ_SECONDS = 3, 10
# One part of a longer file, and so what is held of it in memory: one thread sends one part after the other.
PART_BYTES = 8 * 1024 * 1024
# What S3 answers below 500 and does not mean: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_PASSING = {"RequestTimeout", "SlowDown", "OperationAborted", "TooManyRequests"}


class S3Objects(S3Storage):
    """Nothing is sent twice by itself, no proxy of the environment counts, and a file that broke off is taken back."""

    def __init__(self, **options: Any) -> None:
        config = Config(
            signature_version="s3v4",
            s3={"addressing_style": options["addressing_style"]},
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"total_max_attempts": 1},
            proxies={},
            # Checksums in trailers are Amazon's own; other stores refuse them.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        transfer = TransferConfig(use_threads=False, multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES)
        super().__init__(**options, client_config=config, transfer_config=transfer)

    @cached_property
    def connection(self) -> Any:
        """One for all threads, which boto3's clients allow; django-storages would make one, of megabytes, for each."""
        return S3Storage.connection.fget(self)

    def put(self, key: str, file: IO[bytes], content_type: str, deadline: Deadline) -> None:
        with _failures():
            self.save(key, _Bounded(file, key, content_type, deadline))

    def take_away(self, key: str) -> None:
        with _failures():
            self.delete(key)

    def address(self, key: str, seconds: int, filename: str) -> str:
        # As a file to save: what customers send is shown by no browser as a page of the store's host.
        shown = {"ResponseContentDisposition": content_disposition_header(True, filename)}
        with _failures():
            url: str = self.url(key, parameters=shown, expire=seconds)
            return url


class _Bounded(File):
    """A file that can be read until a deadline; boto3 bounds each step by itself only."""

    def __init__(self, file: IO[bytes], name: str, content_type: str, deadline: Deadline) -> None:
        super().__init__(file, name)
        self.content_type, self._deadline, self._read = content_type, deadline, file.read

    def read(self, *args: Any) -> bytes:
        if not self._deadline.remaining():
            raise TimeoutError
        piece: bytes = self._read(*args)
        return piece


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise _refused(error) from error
    except TimeoutError as error:
        raise StoreFailed(
            "The store took too long to take the file.", reason="store_timeout", is_retryable=True
        ) from error
    except (BotoCoreError, Boto3Error) as error:
        is_away = isinstance(error, ConnectionError | HTTPClientError)
        kind = type(error).__name__
        words = f"The store cannot be reached ({kind})." if is_away else f"The store cannot be used ({kind})."
        reason = "store_unreachable" if is_away else "store_unusable"
        raise StoreFailed(words, reason=reason, is_retryable=is_away) from error


def _refused(error: ClientError) -> StoreFailed:
    """S3's code alone is quoted: its words may hold what it was sent."""
    code = re.sub("[^A-Za-z0-9]", "", str(error.response.get("Error", {}).get("Code", "")))[:60] or "nothing"
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return StoreFailed(
        f"The store answered {code} (HTTP {status}).",
        reason="store_" + re.sub("(?<=[a-z0-9])(?=[A-Z])", "_", code).lower(),
        is_retryable=status >= HTTPStatus.INTERNAL_SERVER_ERROR or code in _PASSING,
    )
