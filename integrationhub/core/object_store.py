"""Where the deployment keeps files: a store that speaks S3, by django-storages (`STORAGES["objects"]`).

What speaks to it, `s3_objects.py`, is imported by its dotted path at the first call: boto3 takes its time.
"""

from typing import IO, Any

from django.conf import settings
from django.core.files.storage import storages

from integrationhub.core.deadline import Deadline


class StoreFailed(Exception):
    """Nothing was kept or told. `reason` is a word in lower_snake, `words` say it to people."""

    def __init__(self, words: str, *, reason: str, is_retryable: bool) -> None:
        super().__init__(words)
        self.words, self.reason, self.is_retryable = words, reason, is_retryable


def is_configured() -> bool:
    return bool(settings.AWS_STORAGE_BUCKET_NAME)


def put(key: str, file: IO[bytes], *, content_type: str, deadline: Deadline) -> None:
    """Keep a file whole, from its beginning, or not at all; what was under this key is replaced. Raises StoreFailed."""
    _objects().put(key, file, content_type, deadline)


def address(key: str, *, seconds: int, filename: str) -> str:
    """A URL by which anybody may fetch the object for so long, as a file of this name. Nobody is asked whether it is
    there. Raises StoreFailed."""
    url: str = _objects().address(key, seconds, filename)
    return url


def delete(key: str) -> None:
    """What is under this key is gone, if anything was. Raises StoreFailed."""
    _objects().take_away(key)


def _objects() -> Any:
    return storages["objects"]
