"""`POST /whatsapp/media/{mediaId}/download`: fetched once from Meta, checked, and kept whole or not at all.

The Graph server, the host of media and the store are spoken to over real HTTP.
"""

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.request import urlopen

import pytest
from django.db import connections
from django.db.models.functions import Now

from integrationhub.core import catalogue
from tests.core.servers import RawServer, ok
from tests.make import Api, another_tenant, keyed
from tests.meta.graph_server import GraphServer
from tests.s3 import Bucket, lead_to
from tests.whatsapp import numbers
from tests.whatsapp.keeping import PNG, download, failing, fetched, picture, row, work
from tests.whatsapp.talking import Talk, value_of
from whatsapp import fetching, inbound, media
from whatsapp.models import Medium

pytestmark = pytest.mark.slow


@pytest.fixture
def owner(api: Api, meta: GraphServer) -> Api:
    """A tenant with a number of its own."""
    assert numbers.bind(api, numbers.credentials(meta)).status_code == 201
    meta.asked.clear()
    return api


def got(url: str) -> tuple[bytes, dict[str, str]]:
    with urlopen(url, timeout=5) as answer:  # noqa: S310  The store's, on loopback.
        return answer.read(), {name.lower(): value for name, value in answer.headers.items()}


def kept(api: Api, media_id: str) -> dict[str, Any]:
    answer = download(api, media_id)
    assert answer.status_code == 200, answer.content
    said: dict[str, Any] = answer.json()
    return said


def test_a_file_is_kept_as_it_is_at_meta_and_its_address_serves_anybody(
    owner: Api, meta: GraphServer, bucket: Bucket
) -> None:
    media_id = meta.store(PNG, "image/png")
    said = kept(owner, media_id)
    assert (said["state"], said["content_type"], said["size"]) == ("stored", "image/png", len(PNG))
    assert said["sha256"] == hashlib.sha256(PNG).hexdigest()
    content, headers = got(said["url"])
    assert (content, headers["content-type"]) == (PNG, "image/png")
    assert headers["content-disposition"] == f'attachment; filename="{media_id}.png"'
    [key] = bucket.objects()
    assert key == f"whatsapp/{owner.tenant}/{said['id']}"
    assert (row(owner.tenant).state, row(owner.tenant).attempts, row(owner.tenant).error) == ("stored", 1, None)


def test_an_address_ends_with_its_time(owner: Api, meta: GraphServer, bucket: Bucket, settings: Any) -> None:
    settings.MEDIA_URL_SECONDS = 77
    url = kept(owner, meta.store(PNG, "image/png"))["url"]
    assert "X-Amz-Expires=77&" in url
    assert "a-secret-of-tests" not in url


def test_what_is_kept_is_not_fetched_again(owner: Api, meta: GraphServer, bucket: Bucket) -> None:
    media_id = meta.store(PNG, "image/png")
    first = kept(owner, media_id)
    asked = len(meta.asked)
    again = kept(owner, media_id)
    assert (len(meta.asked), len(bucket.objects())) == (asked, 1)
    assert {**again, "url": 0, "url_expires_at": 0} == {**first, "url": 0, "url_expires_at": 0}


def test_a_key_gets_its_answer_again(owner: Api, meta: GraphServer, bucket: Bucket) -> None:
    media_id, key = meta.store(PNG, "image/png"), keyed()
    assert download(owner, media_id, **key).content == download(owner, media_id, **key).content


def test_of_many_who_ask_at_once_one_fetches(owner: Api, meta: GraphServer, bucket: Bucket) -> None:
    media_id, meta.delay = meta.store(PNG, "image/png"), 0.2

    def ask(_: int) -> int:
        try:
            return int(download(owner, media_id).status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(5) as threads:
        assert list(threads.map(ask, range(5))) == [200] * 5
    assert (fetched(meta), row(owner.tenant).attempts) == (1, 1)


def test_who_asks_while_another_is_at_it_holds_no_thread_for_long(
    owner: Api, meta: GraphServer, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "WAIT_SECONDS", 0.3)
    media_id = meta.store(PNG, "image/png")
    kept(owner, media_id)
    Medium.objects.using("system").update(state="pending", lease_until=Now() + media.LEASE)
    began = time.monotonic()
    said = failing(download(owner, media_id))
    assert (said["reason"], said["retryable"], time.monotonic() - began < 2) == ("in_progress", True, True)


def test_asking_oneself_spends_none_of_the_attempts_of_workers(talk: Talk, meta: GraphServer, bucket: Bucket) -> None:
    media_id = meta.store(PNG, "image/png")
    talk.customer_writes(**picture(media_id))
    for _ in range(media.MOST_ATTEMPTS):
        meta.fail(131016, 503, on=f"GET /{media_id}")
        failing(download(talk.api, media_id))
    assert (row(talk.tenant).state, row(talk.tenant).due_at is None) == ("pending", False)


def test_meta_is_asked_for_a_new_address_where_the_first_has_ended(
    owner: Api, meta: GraphServer, bucket: Bucket
) -> None:
    meta.fail(status=404, on="GET /whatsapp_business", body=b"<html>")
    media_id = meta.store(PNG, "image/png")
    kept(owner, media_id)
    assert [asked.path for asked in meta.asked].count(f"/{media_id}") == 2


def test_an_address_that_never_serves_may_serve_later(owner: Api, meta: GraphServer, bucket: Bucket) -> None:
    said = failing(download(owner, meta.store(PNG, "image/png", expired=True)))
    assert (said["reason"], said["retryable"], fetched(meta)) == ("upstream_404", True, 2)
    assert (bucket.objects(), row(owner.tenant).state) == ([], "failed")


def test_another_content_than_meta_promised_is_never_kept(owner: Api, meta: GraphServer, bucket: Bucket) -> None:
    media_id, meta.false_sha256 = meta.store(PNG, "image/png"), True
    said = failing(download(owner, media_id))
    assert (said["reason"], bucket.objects(), bucket.unfinished()) == ("wrong_sha256", [], [])
    meta.false_sha256 = False
    kept(owner, media_id)
    assert row(owner.tenant).attempts == 2


def test_a_file_that_breaks_off_is_never_kept(owner: Api, meta: GraphServer, bucket: Bucket) -> None:
    meta.lose_answer("GET /whatsapp_business")
    said = failing(download(owner, meta.store(PNG, "image/png")))
    assert (said["reason"], said["retryable"], bucket.objects()) == ("connection_lost", True, [])


def test_a_file_too_large_for_its_kind_is_not_read(talk: Talk, meta: GraphServer, bucket: Bucket) -> None:
    sticker = meta.store(bytes(1024 * 1024 + 1), "image/webp")
    talk.customer_writes(type="sticker", sticker={"id": sticker, "mime_type": "image/webp"})
    said = failing(download(talk.api, sticker))
    assert (said["reason"], said["retryable"], fetched(meta)) == ("media_too_large", False, 0)


def test_the_token_is_brought_to_no_host_but_metas(owner: Api, meta: GraphServer, bucket: Bucket) -> None:
    with RawServer(ok(PNG)) as elsewhere:
        meta.media_host = f"127.0.0.1:{elsewhere.port}"
        said = failing(download(owner, meta.store(PNG, "image/png")))
        assert (said["reason"], elsewhere.connections) == ("foreign_media_host", 0)
    assert meta.token not in str(said)


def test_a_redirect_is_not_followed(owner: Api, meta: GraphServer, bucket: Bucket) -> None:
    with RawServer(ok(PNG)) as elsewhere:
        location = {"Location": f"{elsewhere.url}/a.png"}
        meta.fail(status=302, on="GET /whatsapp_business", body=b"", headers=location)
        assert failing(download(owner, meta.store(PNG, "image/png")))["reason"] == "upstream_302"
        assert elsewhere.connections == 0


@pytest.mark.parametrize(("code", "status", "entry"), [(190, 401, catalogue.META_UNAUTHORIZED),
                                                       (4, 400, catalogue.META_RATE_LIMIT),
                                                       (2, 503, catalogue.WHATSAPP_UNAVAILABLE)])  # fmt: skip
def test_what_meta_refuses_is_told_in_its_words(
    owner: Api, meta: GraphServer, bucket: Bucket, code: int, status: int, entry: Any
) -> None:
    media_id = meta.store(PNG, "image/png")
    meta.fail(code, status, on=media_id, details="In Meta's words.")
    said = failing(download(owner, media_id))
    assert (said["code"], said["meta"]["code"], said["meta"]["details"]) == (entry.code, code, "In Meta's words.")


def test_a_file_of_another_number_is_refused_by_meta(owner: Api, meta: GraphServer, bucket: Bucket) -> None:
    said = failing(download(owner, meta.store(PNG, "image/png", phone_number_id="999999999")))
    assert (said["code"], said["meta"]["subcode"]) == (catalogue.META_INVALID_PARAM.code, 33)


def test_a_store_that_is_away_may_be_back_later(owner: Api, meta: GraphServer, bucket: Bucket, settings: Any) -> None:
    media_id = meta.store(PNG, "image/png")
    lead_to(settings, "http://127.0.0.1:9", bucket.name)
    said = failing(download(owner, media_id))
    assert (said["reason"], said["retryable"]) == ("store_unreachable", True)
    lead_to(settings, bucket.endpoint, bucket.name)
    kept(owner, media_id)


def test_a_bucket_that_is_not_there_is_named_by_the_stores_own_code(
    owner: Api, meta: GraphServer, bucket: Bucket, settings: Any
) -> None:
    lead_to(settings, bucket.endpoint, "no-such-bucket-of-ours")
    said = failing(download(owner, meta.store(PNG, "image/png")))
    assert (said["reason"], said["retryable"]) == ("store_no_such_bucket", False)
    assert "NoSuchBucket" in said["message"]


# --- Whose it is ---


def test_a_file_that_a_message_brought_is_its_tenants_alone(talk: Talk, meta: GraphServer, bucket: Bucket) -> None:
    """Both send by the deployment's number, to which Meta would hand out either's files."""
    media_id, nobodys = meta.store(PNG, "image/png"), meta.store(PNG, "image/png")
    talk.customer_writes(**picture(media_id))
    kept(talk.api, media_id)
    asked, stranger = len(meta.asked), another_tenant()
    foreign, unknown = (failing(download(stranger, each)) for each in (media_id, nobodys))
    assert str(foreign).replace(media_id, nobodys) == str(unknown)
    assert (foreign["reason"], foreign["retryable"], len(meta.asked)) == ("unknown_medium", False, asked)


def test_who_claims_the_shared_number_without_its_token_gets_nothing(
    talk: Talk, meta: GraphServer, bucket: Bucket
) -> None:
    media_id, stranger = meta.store(PNG, "image/png"), another_tenant()
    claimed = numbers.credentials(meta, access_token="EAAGatokenthatismadeup")
    assert numbers.bind(stranger, claimed, verify=False).status_code == 201
    assert failing(download(stranger, media_id))["code"] == catalogue.META_UNAUTHORIZED.code
    assert bucket.objects() == []


def test_who_gives_its_own_account_up_gets_nothing_by_the_shared_one(
    api: Api, meta: GraphServer, bucket: Bucket
) -> None:
    media_id = meta.store(PNG, "image/png")
    claimed = numbers.credentials(meta, access_token="EAAGatokenthatismadeup")
    bound = numbers.bind(api, claimed, verify=False).json()["id"]
    failing(download(api, media_id))
    api.delete(f"/credentials/{bound}")
    assert download(api, media_id).json()["code"] == catalogue.WHATSAPP_NOT_CONFIGURED.code
    assert (fetched(meta), bucket.objects()) == (0, [])


def test_nor_does_who_has_none_for_a_message_that_its_own_app_signed(
    api: Api, meta: GraphServer, bucket: Bucket
) -> None:
    forged = {"from": "14155552671", "id": "wamid.forged", "timestamp": str(int(time.time()))}
    forged |= picture(meta.store(PNG, "image/png"))
    inbound.handle_messages(api.tenant, value_of("999999999", messages=[forged]))
    work()
    assert (fetched(meta), bucket.objects(), row(api.tenant).attempts) == (0, [], 1)


@pytest.mark.parametrize("media_id", ["..%2Fme", "a b", "1" * 101, "%C3%BC"])
def test_what_is_no_id_of_metas_is_asked_of_nobody(
    owner: Api, meta: GraphServer, bucket: Bucket, media_id: str
) -> None:
    assert download(owner, media_id).status_code in (404, 503)
    assert meta.asked == []
