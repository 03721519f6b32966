"""A tenant with a Meta app of its own: an address of its own, and signatures by its own secrets alone."""

import time
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from django.db.models.functions import Now
from django.test import Client

from credentials.models import Credential
from integrationhub.webhooks import endpoints
from integrationhub.webhooks.models import RefusedPost
from tests.audit.reading import said
from tests.make import Api, another_tenant
from tests.meta import graph_server
from tests.meta.fixtures import meta  # noqa: F401  A fixture.
from tests.webhooks.posting import SECRET, change, count, events, message, messages, post, work_off, written

NEW, OLD = "1f0e2d3c4b5a69788796a5b4c3d2e1f0", "0f1e2d3c4b5a69788796a5b4c3d2e1f1"
BODY = messages("wamid.1", phone="999")
OPEN = {"provider_key": "meta_whatsapp"}
ASKED = {"hub.mode": "subscribe", "hub.challenge": "42"}


def bind(api: Api, **more: str) -> None:
    known = {"access_token": graph_server.TOKEN, "phone_number_id": graph_server.PHONE_NUMBER_ID}
    credentials = {**known, "waba_id": graph_server.WABA_ID, **more}
    answer = api.post("/credentials/bind", {**OPEN, "credentials": credentials})
    assert answer.status_code == 201, answer.content


def opened(api: Api) -> str:
    """The path of the tenant's endpoint."""
    answer = api.as_role("organizer").post("/webhooks/endpoints", OPEN)
    assert answer.status_code == 201, answer.content
    assert answer.json()["url"].startswith("https://hub.example/webhooks/ingest/meta_whatsapp/")
    return urlsplit(answer.json()["url"]).path


@pytest.fixture
def path(api: Api, meta: Any) -> str:  # noqa: F811
    bind(api, app_secret=NEW, previous_app_secret=OLD, verify_token="the-tenants-own")
    return opened(api)


@pytest.mark.parametrize("prefix", ["", "/integrationhub/v1", "/integrationhub/v2"])
def test_what_its_app_signs_is_the_tenants_whatever_number_it_names(
    api: Api, tenant: UUID, path: str, prefix: str
) -> None:
    assert post(BODY, prefix + path, secret=NEW).status_code == 200
    assert post(messages("wamid.2"), prefix + path, secret=OLD).status_code == 200
    work_off()
    assert [(event.reference, event.secret) for event in events(tenant)] == [
        ("wamid.1", "current"),
        ("wamid.2", "previous"),
    ]
    shown = api.get(f"/webhooks/{events(tenant)[0].id}").json()
    assert shown["raw_body"].encode() == BODY


def test_neither_the_deployments_secret_nor_another_tenants_opens_it(tenant: UUID, path: str) -> None:
    answer = post(BODY, path, secret=SECRET)
    assert (answer.status_code, answer.json()["details"]["reason"]) == (401, "wrong_signature")
    assert post(BODY, path, secret=graph_server.APP_SECRET).status_code == 401
    assert RefusedPost.objects.using("system").get().tenant_id == tenant
    assert count("webhooks_post") == 0


def test_a_tenant_without_a_secret_or_a_credential_is_refused(meta: Any) -> None:  # noqa: F811
    bare, other = another_tenant(), another_tenant()
    bind(other)
    for api in (bare, other):
        answer = post(BODY, opened(api), secret=graph_server.APP_SECRET)
        assert (answer.status_code, answer.json()["details"]["reason"]) == (401, "no_secret")


def test_the_challenge_is_by_the_tenants_own_token(path: str) -> None:
    assert Client().get(path, {**ASKED, "hub.verify_token": "the-tenants-own"}).content == b"42"
    assert Client().get(path, {**ASKED, "hub.verify_token": "a-verify-token"}).status_code == 401


def test_a_token_that_has_expired_ends_no_signature(api: Api, path: str) -> None:
    """The secret of the app has no end, and what became of messages that were sent before is told after it."""
    Credential.objects.using("system").update(expires_at=Now())
    assert post(BODY, path, secret=NEW).status_code == 200
    assert Client().get(path, {**ASKED, "hub.verify_token": "the-tenants-own"}).content == b"42"


def test_after_a_rotation_the_app_may_sign_by_the_secret_before_for_a_day(api: Api, path: str) -> None:
    """As with every other provider."""
    newest = "2a0e2d3c4b5a69788796a5b4c3d2e1f2"
    bind(api, app_secret=newest, verify_token="another-of-the-tenants")
    assert [post(BODY, path, secret=each).status_code for each in (newest, NEW, OLD)] == [200] * 3
    assert Client().get(path, {**ASKED, "hub.verify_token": "another-of-the-tenants"}).content == b"42"
    day_ago = Now() - timedelta(days=1, seconds=1)
    Credential.objects.using("system").filter(status="superseded").update(updated_at=day_ago)
    assert [post(BODY, path, secret=each).status_code for each in (newest, NEW, OLD)] == [200, 401, 401]


@pytest.mark.parametrize("address", ["meta_whatsapp/nothing", "another/x", "meta_whatsapp/é"])
def test_an_address_that_nobody_has_is_not_found(address: str) -> None:
    for answer in (post(BODY, f"/webhooks/ingest/{address}"), Client().get(f"/webhooks/ingest/{address}")):
        assert (answer.status_code, answer.json()["code"]) == (404, "ERR_WEBHOOK_NOT_FOUND")
    assert count("webhooks_refusedpost") == 0


def test_a_new_address_ends_the_one_before_and_a_closed_one_is_none(api: Api, tenant: UUID, path: str) -> None:
    renewed = opened(api)
    endpoints.forget()
    assert [post(BODY, each, secret=NEW).status_code for each in (path, renewed)] == [404, 200]
    [row] = api.get("/webhooks/endpoints").json()["data"]
    assert set(row) == {"id", "provider_key", "created_at"}
    assert api.delete(f"/webhooks/endpoints/{row['id']}").status_code == 204
    endpoints.forget()
    assert post(BODY, renewed, secret=NEW).status_code == 404
    told = [action for action, _ in said(tenant) if action.startswith("endpoint")]
    assert told == ["endpoint.opened", "endpoint.opened", "endpoint.closed"]


def test_an_address_is_of_a_provider_that_sends_webhooks(api: Api) -> None:
    answer = api.post("/webhooks/endpoints", {"provider_key": "gmail_email"})
    assert answer.json()["details"]["fields"][0]["field"] == "provider_key"


def test_an_own_app_opens_no_window_of_the_number_that_tenants_share(api: Api, path: str, settings: Any) -> None:
    """The windows of that number are every tenant's, and whoever has an app signs what he likes."""
    settings.PLATFORM_TENANT_ID = ""
    settings.META_WHATSAPP_PHONE_NUMBER_ID = "999"
    now = str(int(time.time()))
    told = change(phone="999", messages=[message("wamid.forged", timestamp=now)])
    assert post(written(told), path, secret=NEW).status_code == 200
    work_off()
    assert [event.status for event in events(api.tenant)] == ["kept"]
    assert another_tenant().get("/whatsapp/window/+16505551234").json()["open"] is False


def test_who_holds_the_deployments_number_is_believed_of_it(api: Api, path: str, settings: Any) -> None:
    told = change(phone=graph_server.PHONE_NUMBER_ID, messages=[message("wamid.1", timestamp=str(int(time.time())))])
    assert post(written(told), path, secret=NEW).status_code == 200
    work_off()
    assert [event.status for event in events(api.tenant)] == ["processed"]
    assert another_tenant().get("/whatsapp/window/+16505551234").json()["open"] is True
