"""A store that speaks S3, as a process on loopback: moto's server, spoken to over real HTTP by boto3."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import urlopen
from uuid import uuid4

import boto3

from integrationhub.launcher.ports import free_port

KEYS = {"AWS_ACCESS_KEY_ID": "a-key-of-tests", "AWS_SECRET_ACCESS_KEY": "a-secret-of-tests"}


@contextmanager
def running() -> Iterator[str]:
    """Its address."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        env={name: value for name, value in os.environ.items() if not name.startswith("DJANGO_")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}/moto-api/data.json")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(15)


def _wait_for(url: str) -> None:
    for _ in range(300):
        try:
            with urlopen(url, timeout=5):  # noqa: S310  Our own, on loopback.
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("The store did not come up.")


class Bucket:
    """What is in one bucket, by a client of its own."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint, self.name = endpoint, f"media-{uuid4()}"
        keys = {name.lower(): value for name, value in KEYS.items()}
        self._client: Any = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys)
        self._client.create_bucket(Bucket=self.name)

    def objects(self) -> list[str]:
        return [each["Key"] for each in self._client.list_objects_v2(Bucket=self.name).get("Contents", [])]

    def unfinished(self) -> list[Any]:
        """Uploads in parts that nobody has completed or taken back."""
        found: list[Any] = self._client.list_multipart_uploads(Bucket=self.name).get("Uploads", [])
        return found

    def content(self, key: str) -> bytes:
        content: bytes = self._client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return content

    def settings(self) -> dict[str, str]:
        """As the environment of a hub."""
        return {**KEYS, "AWS_STORAGE_BUCKET_NAME": self.name, "S3_ENDPOINT_URL": self.endpoint}


def lead_to(settings: Any, endpoint: str, bucket: str) -> None:
    """The hub keeps its files there."""
    settings.AWS_STORAGE_BUCKET_NAME = bucket
    known = settings.STORAGES["objects"]
    options = {
        **known["OPTIONS"],
        "bucket_name": bucket,
        "endpoint_url": endpoint,
        "addressing_style": "path",
        "access_key": KEYS["AWS_ACCESS_KEY_ID"],
        "secret_key": KEYS["AWS_SECRET_ACCESS_KEY"],
    }
    settings.STORAGES = {**settings.STORAGES, "objects": {**known, "OPTIONS": options}}
