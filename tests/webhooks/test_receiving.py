"""The door: the challenge, what is answered, and how much is read."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.test import Client

from integrationhub.webhooks import forgetting
from integrationhub.webhooks.models import KEPT, NOBODY, Post
from tests.webhooks.posting import ROOT, WABA, change, count, message, messages, post, status, work_off, written

ASKED = {"hub.mode": "subscribe", "hub.verify_token": "the-verify-token", "hub.challenge": "1158201444"}
ADDRESSES = [ROOT, "/integrationhub/v1/whatsapp/webhook", "/integrationhub/v2/whatsapp/webhook"]


def ask(path: str = ROOT, **over: str) -> Any:
    return Client().get(path, ASKED | {f"hub.{name}": value for name, value in over.items()})


@pytest.mark.parametrize("path", ADDRESSES)
def test_the_challenge_is_echoed_bare(path: str) -> None:
    answer = ask(path)
    assert (answer.status_code, answer.content, answer["Content-Type"]) == (200, b"1158201444", "text/plain")
    assert answer["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("over", [{"verify_token": "another"}, {"verify_token": ""}, {"mode": "unsubscribe"}])
def test_whoever_does_not_know_the_token_is_refused(over: dict[str, str]) -> None:
    answer = ask(**over)
    assert (answer.status_code, answer.json()["details"]["reason"]) == (401, "wrong_verify_token")
    assert answer.json()["code"] == "ERR_INTEGRATION_HUB_INVALID_SIGNATURE"


def test_without_a_verify_token_nobody_is_let_in(settings: Any) -> None:
    settings.META_WEBHOOK_VERIFY_TOKEN = ""
    assert ask(verify_token="").json()["details"]["reason"] == "no_verify_token"


@pytest.mark.parametrize("challenge", ["", "<script>", "a b", "x" * 129, "é", "1\n"])
def test_nothing_else_is_echoed(challenge: str) -> None:
    answer = ask(challenge=challenge)
    assert (answer.status_code, answer.json()["details"]["fields"][0]["field"]) == (400, "hub.challenge")


@pytest.mark.parametrize("path", ADDRESSES)
def test_a_webhook_is_stored_before_it_is_answered(path: str) -> None:
    answer = post(messages("wamid.1"), path)
    assert (answer.status_code, answer.content) == (200, b"")
    stored = Post.objects.using("system").get()
    assert (stored.tenant_id, stored.status, bytes(stored.body)) == (NOBODY, "received", messages("wamid.1"))


def test_the_same_bytes_again_are_the_same_row() -> None:
    for _ in range(3):
        assert post(messages("wamid.1")).status_code == 200
    assert Post.objects.using("system").get().repeats == 2


def test_a_query_that_meta_has_not_signed_makes_no_other_row_of_it() -> None:
    for query in ("", "?again=1", "?again=2"):
        assert post(messages("wamid.1"), f"{ROOT}{query}").status_code == 200
    assert Post.objects.using("system").get().repeats == 2


def test_three_megabytes_of_a_thousand_changes_are_taken() -> None:
    body = written(*(change(messages=[message(f"wamid.{number}", "x" * 2900)]) for number in range(1000)))
    assert len(body) > 2.8 * 1024 * 1024
    assert post(body).status_code == 200
    work_off()
    assert count("webhooks_webhookevent") == 1000


def test_more_than_four_mebibytes_are_refused() -> None:
    answer = post(b"x" * (4 * 1024 * 1024 + 1))
    assert (answer.status_code, answer.json()["details"]["reason"]) == (413, "body_too_large")
    assert count("webhooks_post") == 0


def test_a_failure_to_store_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider must send it again."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("ALTER TABLE webhooks_post ADD CONSTRAINT full_disk CHECK (repeats < 0) NOT VALID")
        try:
            answer = post(messages("wamid.1"))
        finally:
            cursor.execute("ALTER TABLE webhooks_post DROP CONSTRAINT full_disk")
    assert (answer.status_code, answer.json()["code"]) == (500, "ERR_UNEXPECTED")


@pytest.mark.parametrize("path", [ROOT, "/webhooks/ingest/meta_whatsapp/x", "/webhooks/nothing"])
def test_errors_at_the_root_are_in_the_envelope_too(path: str) -> None:
    answer = Client().put(path, b"{}", content_type="application/json")
    assert answer.status_code in (404, 405)
    assert answer.json()["code"] == "ERR_INTEGRATION_HUB_SVC_INVALID_REQUEST"
    assert "Set-Cookie" not in answer


def test_headers_are_kept_without_what_proxies_put_into_them() -> None:
    post(messages("wamid.1"), **{"X-Gateway-Secret": "of-the-gateway", "User-Agent": "facebookexternalua"})
    kept = Post.objects.using("system").get().headers
    assert (kept["X-Gateway-Secret"], kept["User-Agent"]) == ("[hidden]", "facebookexternalua")
    assert len(kept["X-Hub-Signature-256"]) == 18


def test_webhooks_are_forgotten_after_thirty_days(monkeypatch: pytest.MonkeyPatch) -> None:
    post(written(change(statuses=[status("wamid.1")]), waba=WABA))
    work_off()
    forgetting.forget_old()
    assert (count("webhooks_post"), count("webhooks_webhookevent")) == (1, 1)
    monkeypatch.setattr(forgetting, "KEPT", -timedelta(days=1))
    forgetting.forget_old()
    assert (count("webhooks_post"), count("webhooks_webhookevent")) == (0, 0)
    assert timedelta(days=30) <= KEPT
