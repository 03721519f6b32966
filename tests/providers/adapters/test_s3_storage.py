"""Objects on S3: what moto's server keeps, what boto3 would have sent, and what S3's codes mean."""

import base64
import html
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
import urllib3
from botocore.config import Config

from integrationhub.core.errors import InvalidRequest
from integrationhub.core.outbound import Client
from providers import s3
from providers.adapter import Adapter, Call, Receipt
from providers.adapters.s3_storage import AmazonStorage, S3Storage
from providers.errors import Ambiguous, Next, ProviderError, Retry, Stop
from tests import s3 as store
from tests.providers import wire
from tests.providers.answering import AnsweringServer, call
from tests.providers.misbehaving import RESET, MisbehavingServer, answering

ID, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
KEYS = {"access_key_id": ID, "secret_access_key": SECRET}
PUT = {"key": "receipts/A 1042+ü.txt", "content": base64.b64encode(b"hello").decode(), "content_type": "text/plain"}
GET = {"key": PUT["key"]}


def asked(action: str, payload: dict[str, Any], endpoint: str = "", **config: Any) -> Call:
    secrets = {**KEYS, "endpoint": endpoint} if endpoint else KEYS
    return replace(call(f"storage.{action}.object", payload, **secrets), config={"bucket": "receipts", **config})


# --- A store ---


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with store.running() as url:
        yield url


@pytest.fixture
def bucket(moto: str) -> store.Bucket:
    return store.Bucket(moto)


def act(bucket: store.Bucket, action: str, payload: dict[str, Any]) -> Receipt:
    return S3Storage(Client()).execute(asked(action, payload, bucket.endpoint, bucket=bucket.name))


@pytest.mark.slow
def test_an_object_is_kept_read_and_deleted(bucket: store.Bucket) -> None:
    put = act(bucket, "put", PUT)
    assert bucket.content(PUT["key"]) == b"hello"
    assert put.result == {"bucket": bucket.name, "key": PUT["key"], "size": 5, "etag": f'"{put.reference}"'}
    got = act(bucket, "get", GET)
    assert base64.b64decode(got.unkept["content"]) == b"hello"
    assert (got.result["content_type"], got.result["size"], "content" in got.result) == ("text/plain", 5, False)
    assert act(bucket, "delete", GET).result["deleted"] is True
    assert bucket.objects() == []
    for action in ("get", "delete", "presign"):
        with pytest.raises(Next) as caught:
            act(bucket, action, GET)
        assert (caught.value.reason, caught.value.upstream_status) == (s3.NOT_FOUND, 404)


@pytest.mark.slow
def test_an_empty_object_is_there_too(bucket: store.Bucket) -> None:
    act(bucket, "put", {**PUT, "content": ""})
    assert urllib3.request("GET", act(bucket, "presign", GET).unkept["url"]).data == b""
    act(bucket, "delete", GET)
    assert bucket.objects() == []


def test_what_lies_in_an_archive_is_there_too(server: AnsweringServer) -> None:
    server.answer(403, b"<Error><Code>InvalidObjectState</Code></Error>")
    assert S3Storage(Client()).execute(asked("presign", GET, server.base_url)).unkept["url"]


@pytest.mark.slow
def test_what_is_not_there_yet_can_be_written_to(bucket: store.Bucket) -> None:
    address = act(bucket, "presign", {**GET, "method": "PUT"}).unkept["url"]
    assert urllib3.request("PUT", address, body=b"hello").status == 200
    assert bucket.objects() == [GET["key"]]


@pytest.mark.slow
@pytest.mark.parametrize(
    "key", ["../up", "a//b", "%2e%2e/x", "q?x=1&y#z", "~tilde*(1)!'", "emoji 🎉", " space ", "a+b=c"]
)
def test_any_key_is_the_key_that_was_meant(bucket: store.Bucket, key: str) -> None:
    act(bucket, "put", {**PUT, "key": key})
    assert bucket.objects() == [key]
    assert base64.b64decode(act(bucket, "get", {"key": key}).unkept["content"]) == b"hello"


@pytest.mark.slow
def test_content_of_an_address_is_fetched_and_keeps_its_type(bucket: store.Bucket, server: AnsweringServer) -> None:
    server.answer(200, b"\x89PNG", **{"Content-Type": "image/png"})
    act(bucket, "put", {"key": "a.png", "url": f"{server.base_url}/a.png"})
    assert bucket.content("a.png") == b"\x89PNG"
    assert act(bucket, "get", {"key": "a.png"}).result["content_type"] == "image/png"


@pytest.mark.slow
def test_an_object_too_long_for_json_names_the_other_way(bucket: store.Bucket) -> None:
    bucket._client.put_object(Bucket=bucket.name, Key="long", Body=bytes(s3.contents.LARGEST + 1))
    with pytest.raises(Stop, match=r"storage\.presign\.object") as caught:
        act(bucket, "get", {"key": "long"})
    assert caught.value.reason == "object_too_large"


@pytest.mark.slow
@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_an_address_gives_access_to_one_object_for_a_while(bucket: store.Bucket, method: str) -> None:
    act(bucket, "put", PUT)
    receipt = act(bucket, "presign", {**GET, "method": method, "expires": 60})
    answer = urllib3.request(method, receipt.unkept["url"], body=b"hello" if method == "PUT" else None)
    assert (answer.status, method == "PUT" or answer.data) == (200, method == "PUT" or b"hello")
    assert "url" not in receipt.result
    assert parse_qs(urlsplit(receipt.unkept["url"]).query)["X-Amz-Expires"] == ["60"]


@pytest.mark.slow
def test_a_credential_is_asked_for(moto: str) -> None:
    assert S3Storage(Client()).check(asked("get", {}, moto)) is True


# --- What boto3 sends ---


MOMENT = datetime(2026, 11, 26, 2, 0)  # noqa: DTZ001  As botocore has it.
FILE = {"Bucket": "receipts", "Key": PUT["key"]}
LIBRARY: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "put": (PUT, "put_object", {**FILE, "Body": b"hello", "ContentType": "text/plain"}),
    "get": (GET, "get_object", FILE),
    "delete": (GET, "delete_object", FILE),
    "presign": (GET, "get_object", {**FILE, "Range": "bytes=0-0"}),
}
SIGNED = ("range", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token")


@pytest.fixture
def _clock_stands() -> Iterator[None]:
    """Both sign at the same moment."""
    with patch("botocore.auth.get_current_datetime", lambda *_, **__: MOMENT):
        yield


def boto(endpoint: str, token: str | None = None) -> Any:
    """Checksums in trailers are Amazon's own; other stores refuse them."""
    config = Config(
        signature_version="s3v4",
        retries={"total_max_attempts": 1},
        s3={"addressing_style": "path"},
        proxies={},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    keys = {"aws_access_key_id": ID, "aws_secret_access_key": SECRET, "aws_session_token": token}
    return boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", config=config, **keys)


@pytest.mark.usefixtures("_clock_stands")
@pytest.mark.parametrize("action", LIBRARY)
def test_what_is_sent_is_what_boto3_sends(server: AnsweringServer, action: str) -> None:
    payload, operation, arguments = LIBRARY[action]
    server.answer(204 if action == "delete" else 200, b"", ETag='"e"')
    with patch.object(S3Storage, "_find") if action == "delete" else nullcontext():
        S3Storage(Client()).execute(asked(action, payload, server.base_url))
    getattr(boto(server.base_url), operation)(**arguments)
    ours, theirs = server.asked
    wire.assert_same(ours, theirs, headers=SIGNED)
    assert "Signature=" in ours.headers["Authorization"]


@pytest.mark.usefixtures("_clock_stands")
def test_the_check_and_a_temporary_key_are_boto3s_too(server: AnsweringServer) -> None:
    server.answer(200, b"<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>")
    given = replace(
        call("storage.get.object", {}, **KEYS, session_token="a-token-of-a-session"), base_url=server.base_url
    )
    assert AmazonStorage(Client()).check(given) is True
    boto(server.base_url, "a-token-of-a-session").list_buckets()
    ours, theirs = server.asked
    apart = {"query.x-id": "boto3 names the operation, which no store needs"}
    named = "x-id" in theirs.path
    wire.assert_same(ours, theirs, headers=SIGNED, apart=apart if named else None)


@pytest.mark.usefixtures("_clock_stands")
@pytest.mark.parametrize(("method", "operation"), [("GET", "get_object"), ("PUT", "put_object")])
def test_a_presigned_address_is_boto3s(method: str, operation: str) -> None:
    endpoint = "https://store.example.com"
    with patch.object(S3Storage, "_find"):
        receipt = S3Storage(Client()).execute(asked("presign", {**GET, "method": method, "expires": 60}, endpoint))
    theirs = boto(endpoint).generate_presigned_url(operation, Params=FILE, ExpiresIn=60)
    assert receipt.unkept["url"] == theirs


def test_amazons_bucket_stands_before_the_host_of_its_region() -> None:
    given = asked("presign", GET, region="eu-central-1")
    assert AmazonStorage(Client())._place(given).origin == "https://receipts.s3.eu-central-1.amazonaws.com"
    dotted = AmazonStorage(Client())._place(replace(given, payload={**GET, "bucket": "my.receipts"}))
    assert (dotted.origin, dotted.path[:13]) == ("https://s3.eu-central-1.amazonaws.com", "/my.receipts/")
    in_path = AmazonStorage(Client())._place(asked("presign", GET, addressing="path"))
    assert in_path.origin == "https://s3.us-east-1.amazonaws.com"


def test_an_endpoint_inside_our_network_is_not_dialled(settings: Any, server: AnsweringServer) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    for endpoint in (server.base_url, "https://169.254.169.254", "https://localhost"):
        with pytest.raises(Next) as caught:
            S3Storage(Client()).execute(asked("get", GET, endpoint))
        assert caught.value.reason == "refused"
    assert server.asked == []


# --- What S3 says ---


def refused(server: AnsweringServer, status: int, code: str, words: str = "No.", **more: Any) -> ProviderError:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{html.escape(words)}</Message></Error>"
    server.answer(status, body.encode(), **more)
    with pytest.raises(ProviderError) as caught:
        S3Storage(Client()).execute(asked("get", GET, server.base_url))
    return caught.value


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (503, "SlowDown", Retry),
        (500, "InternalError", Retry),
        (400, "RequestTimeout", Retry),
        (307, "TemporaryRedirect", Retry),
        (403, "AccessDenied", Next),
        (404, "NoSuchBucket", Next),
        (301, "PermanentRedirect", Next),
        (403, "RequestTimeTooSkewed", Next),
        (403, "InvalidObjectState", Stop),
        (400, "EntityTooLarge", Stop),
        (500, "SomethingNew", Ambiguous),
    ],
)
def test_a_code_has_its_class(server: AnsweringServer, status: int, code: str, kind: type[ProviderError]) -> None:
    error = refused(server, status, code)
    assert (type(error), error.upstream_status, error.credential_refused) == (kind, status, False)
    assert error.reason.startswith("s3_")


def test_what_one_store_has_not_another_may_have(server: AnsweringServer) -> None:
    error = refused(server, 404, "NoSuchKey")
    assert (type(error), error.reason, error.upstream_status) == (Next, s3.NOT_FOUND, 404)


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "InvalidAccessKeyId"), (403, "SignatureDoesNotMatch"), (400, "ExpiredToken"), (400, "InvalidToken")],
)
def test_a_key_that_is_refused_is_told_from_one_that_may_not(server: AnsweringServer, status: int, code: str) -> None:
    error = refused(server, status, code, f"The key {ID} is not good & not known.")
    assert (type(error), error.credential_refused) == (Next, True)
    assert ID not in error.message
    assert "is not good & not known" in error.message


def test_a_key_that_may_list_nothing_is_known_all_the_same(server: AnsweringServer) -> None:
    server.answer(403, b"<Error><Code>AccessDenied</Code></Error>")
    assert S3Storage(Client()).check(asked("get", {}, server.base_url)) is True
    server.answer(403, b"<Error><Code>InvalidAccessKeyId</Code></Error>")
    with pytest.raises(Next):
        S3Storage(Client()).check(asked("get", {}, server.base_url))


@pytest.mark.parametrize("action", ["delete", "presign"])
@pytest.mark.parametrize(
    ("status", "code", "reason", "is_refused"),
    [
        (404, "NoSuchKey", s3.NOT_FOUND, False),
        (404, "NoSuchBucket", "s3_no_such_bucket", False),
        (404, "NotOfThisStore", "s3_not_of_this_store", False),
        (403, "AccessDenied", "s3_access_denied", False),
        (403, "SignatureDoesNotMatch", "s3_signature_does_not_match", True),
    ],
)
def test_where_it_is_not_or_may_not_be_looked_for_nothing_is_done(
    server: AnsweringServer, action: str, status: int, code: str, reason: str, is_refused: bool
) -> None:
    server.answer(status, f"<Error><Code>{code}</Code></Error>".encode())
    with pytest.raises(Next) as caught:
        S3Storage(Client()).execute(asked(action, GET, server.base_url))
    assert (caught.value.reason, caught.value.credential_refused) == (reason, is_refused)
    assert [each.method for each in server.asked] == ["GET"]


@pytest.mark.parametrize("action", ["delete", "presign"])
@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (RESET, "connection_lost"),
        (answering(404, b"<Error>", length=90), "connection_lost"),
        (answering(500, b"<Error><Code>SomethingNew</Code></Error>"), "s3_something_new"),
        (answering(200, b"a page, and no object"), "unreadable_answer"),
    ],
)
def test_where_the_look_is_lost_nothing_was_done_and_another_store_may_be_asked(
    action: str, said: bytes, reason: str
) -> None:
    with MisbehavingServer(said) as server, pytest.raises(Next) as caught:
        S3Storage(Client()).execute(asked(action, GET, server.base_url))
    assert (caught.value.reason, caught.value.credential_refused) == (reason, False)
    assert server.hits == 1


def test_a_store_that_gives_the_whole_of_a_long_object_has_it_too() -> None:
    """Not each one, nor each proxy before it, reads `Range`."""
    with MisbehavingServer(answering(200, bytes(3 * 1024 * 1024), ETag='"e"')) as server:
        assert S3Storage(Client()).execute(asked("presign", GET, server.base_url)).unkept["url"]


def test_an_address_to_write_to_asks_nobody(server: AnsweringServer) -> None:
    S3Storage(Client()).execute(asked("presign", {**GET, "method": "PUT"}, server.base_url))
    assert server.asked == []


@pytest.mark.parametrize("adapter", [S3Storage, AmazonStorage])
def test_without_a_bucket_nothing_is_sent(adapter: type[Adapter]) -> None:
    given = replace(asked("get", GET, "https://store.example.com"), config={})
    with pytest.raises(InvalidRequest):
        adapter(Client()).preflight(given)
    with pytest.raises(Next):
        adapter(Client()).execute(given)
    adapter(Client()).preflight(replace(given, payload={**GET, "bucket": "receipts"}))


def test_nothing_of_botocore_is_imported_before_the_first_call() -> None:
    source = (
        "import sys, providers.adapters.s3_storage; print([name for name in sys.modules if name.startswith('boto')])"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
