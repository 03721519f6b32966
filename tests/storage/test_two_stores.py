"""Objects of a tenant that has two stores: where one is read, linked to and deleted after a put has fallen back."""

import base64
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from providers.models import Provider
from tests import s3 as store
from tests.make import Api, keyed
from tests.providers.answering import AnsweringServer
from tests.providers.misbehaving import RESET, MisbehavingServer
from tests.storage.asking import install

KEYS = {"access_key_id": store.KEYS["AWS_ACCESS_KEY_ID"], "secret_access_key": store.KEYS["AWS_SECRET_ACCESS_KEY"]}
KEY = {"key": "receipts/A-1042.txt"}
PUT = {**KEY, "content": base64.b64encode(b"hello").decode()}
FIRST, SECOND = "amazon_storage", "s3_storage"


def lead(provider_key: str, address: str) -> None:
    """As an operator does who gives a provider another address."""
    Provider.objects.filter(provider_key=provider_key).update(base_url=address)


def act(api: Api, action: str, payload: dict[str, Any], *providers: str, **more: Any) -> Any:
    body = {"category": "storage", "intent": f"storage.{action}.object", "payload": payload}
    return api.post("/execute", {**body, "options": {"providers": list(providers)}} if providers else body, **more)


def said(answer: Any) -> tuple[int, str, bool]:
    assert answer.status_code == 200, answer.content
    return answer.status_code, answer.json()["provider_key"], answer.json()["fallback_used"]


def not_found(answer: Any) -> bool:
    error = answer.json()
    assert (answer.status_code, error["code"]) == (404, "ERR_INTEGRATION_HUB_SVC_INVALID_REQUEST"), answer.content
    assert error["details"]["reason"] == "object_not_found"
    assert error["retryable"] is False
    return [each["providerKey"] for each in error["details"]["errors"] if each["reason"] == "object_not_found"] == [
        FIRST,
        SECOND,
    ]


# --- Two real stores ---


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with store.running() as url:
        yield url


@pytest.fixture
def buckets(api: Api, moto: str) -> tuple[store.Bucket, store.Bucket]:
    first, second = store.Bucket(moto), store.Bucket(moto)
    lead(FIRST, moto)
    install(api, FIRST, {"bucket": first.name, "addressing": "path"}, **KEYS)
    install(api, SECOND, {"bucket": second.name}, **KEYS, endpoint=moto)
    return first, second


def away(moto: str, api: Api) -> Any:
    """The first store is away while an object is put."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        lead(FIRST, f"http://127.0.0.1:{taken.getsockname()[1]}")
        answer = act(api, "put", PUT)
    lead(FIRST, moto)
    return answer


@pytest.mark.slow
def test_what_fell_back_is_found_linked_to_and_deleted_where_it_is(
    api: Api, moto: str, buckets: tuple[store.Bucket, store.Bucket]
) -> None:
    first, second = buckets
    assert said(away(moto, api)) == (200, SECOND, True)
    assert (first.objects(), second.objects()) == ([], [KEY["key"]])

    read = act(api, "get", KEY)
    assert said(read) == (200, SECOND, True)
    assert base64.b64decode(read.json()["result"]["content"]) == b"hello"

    link = act(api, "presign", KEY)
    assert said(link) == (200, SECOND, True)
    assert urllib3.request("GET", link.json()["result"]["url"]).data == b"hello"

    assert said(act(api, "delete", KEY)) == (200, SECOND, True)
    assert (first.objects(), second.objects()) == ([], [])


@pytest.mark.slow
@pytest.mark.parametrize("action", ["get", "delete", "presign"])
def test_what_no_store_has_is_not_found(api: Api, buckets: tuple[store.Bucket, store.Bucket], action: str) -> None:
    key = keyed()
    first, again = act(api, action, KEY, **key), act(api, action, KEY, **key)
    assert not_found(first)
    assert (again.status_code, again.content) == (404, first.content)


@pytest.mark.slow
def test_what_both_have_is_deleted_one_by_one_or_by_name(api: Api, buckets: tuple[store.Bucket, store.Bucket]) -> None:
    first, _ = buckets
    for provider in (FIRST, SECOND):
        act(api, "put", PUT, provider)
    assert said(act(api, "delete", KEY, SECOND)) == (200, SECOND, False)
    assert first.objects() == [KEY["key"]]
    act(api, "put", PUT, SECOND)
    assert [said(act(api, "delete", KEY))[1] for _ in range(2)] == [FIRST, SECOND]
    assert not_found(act(api, "delete", KEY))


# --- What stores say ---


@pytest.fixture
def server() -> Iterator[AnsweringServer]:
    server = AnsweringServer()
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize("action", ["get", "delete", "presign"])
def test_where_one_cannot_be_asked_nobody_says_that_it_is_nowhere(
    api: Api, server: AnsweringServer, action: str
) -> None:
    server.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        lead(FIRST, f"http://127.0.0.1:{taken.getsockname()[1]}")
        bound(api, FIRST)
        bound(api, SECOND, endpoint=server.base_url)
        answer = act(api, action, KEY)
    assert (answer.status_code, answer.json()["code"]) == (503, "ERR_INTEGRATION_HUB_SVC_ALL_PROVIDERS_FAILED")


def test_where_one_does_not_answer_the_look_the_other_is_asked(api: Api, server: AnsweringServer) -> None:
    server.answer(200, b"h", ETag='"e"')
    bound(api, FIRST)
    bound(api, SECOND, endpoint=server.base_url)
    with MisbehavingServer(RESET) as first:
        lead(FIRST, first.base_url)
        assert said(act(api, "presign", KEY)) == (200, SECOND, True)
        server.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        answer = act(api, "delete", KEY)
    assert (answer.status_code, answer.json()["code"]) == (503, "ERR_INTEGRATION_HUB_SVC_ALL_PROVIDERS_FAILED")


def test_who_keeps_no_objects_is_no_reason_to_doubt(api: Api, server: AnsweringServer) -> None:
    server.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
    lead(FIRST, server.base_url)
    bound(api, FIRST)
    install(api, "sandbox_primary")
    bound(api, SECOND, endpoint=server.base_url)
    assert not_found(act(api, "get", KEY))


def bound(api: Api, key: str, **more: str) -> None:
    install(api, key, {"bucket": "receipts", "addressing": "path"})
    body = {"provider_key": key, "credentials": {**KEYS, **more}, "verify": False}
    assert api.post("/credentials/bind", body).status_code == 201
