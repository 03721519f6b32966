"""Only what the app's secret has signed, byte for byte, is let in."""

import json
import re
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client

from integrationhub.audit import refusals
from integrationhub.audit.trail import platform
from integrationhub.webhooks import receiving, signatures
from integrationhub.webhooks.models import NOBODY, Post, RefusedPost
from tests.audit.reading import trail_of
from tests.webhooks.posting import OLD_SECRET, ROOT, SECRET, count, messages, post, signature, work_off

BODY = messages("wamid.1")
GOOD = signature(BODY)


def assert_refused(answer: Any, reason: str) -> None:
    told = answer.json()
    assert (answer.status_code, told["code"]) == (401, "ERR_INTEGRATION_HUB_INVALID_SIGNATURE")
    assert (told["details"]["provider"], told["details"]["reason"]) == ("meta_whatsapp", reason)
    assert "meta_whatsapp" in told["message"]
    assert count("webhooks_post") == 0


@pytest.mark.parametrize(
    "body",
    [
        b'{"text": "Gr\xc3\xbc\xc3\x9fe \xf0\x9f\x91\x8b @"}',
        b'{"text": "Gr\\u00fc\\u00dfe \\ud83d\\udc4b \\u0040", "url": "https:\\/\\/a.example"}',
        b'{"trailing": "newline"}\n',
        b"",
        b"\xff\x00 no JSON at all",
    ],
    ids=["raw UTF-8", "escaped", "newline", "empty", "bytes"],
)
def test_the_bytes_are_signed_whatever_they_say(body: bytes) -> None:
    assert post(body).status_code == 200
    assert bytes(Post.objects.using("system").get().body) == body


def test_the_known_value_of_the_protocol() -> None:
    header = "sha256=0329a06b62cd16b33eb6792be8c60b158d89a2ee3a876fce9a881ebb488c0914"
    assert signatures.judge(b"test", header, ["secret"]).secret == "current"


def test_the_same_json_written_anew_is_refused() -> None:
    assert_refused(post(json.dumps(json.loads(BODY), separators=(",", ":")).encode(), **{"X-Hub-Signature-256": GOOD}),
                   "wrong_signature")  # fmt: skip


def test_during_a_rotation_both_secrets_serve_and_it_is_told_which() -> None:
    assert post(BODY).status_code == 200
    assert post(messages("wamid.2"), secret=OLD_SECRET).status_code == 200
    assert sorted(Post.objects.using("system").values_list("secret", flat=True)) == ["current", "previous"]


@pytest.mark.parametrize("page", ["post", "webhookevent"])
def test_operators_read_by_which_secret_a_signature_was_valid(operator: Client, page: str) -> None:
    post(messages("wamid.1"))
    post(messages("wamid.2"), secret=OLD_SECRET)
    work_off()
    shown = operator.get(f"/admin/webhooks/{page}/").content.decode()
    for verdict in ("valid, by the secret in use", "valid, by the secret that is rotated out"):
        assert verdict in shown


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (None, "missing_signature"),
        ("", "missing_signature"),
        ("sha1=" + GOOD[7:47], "malformed_signature"),
        ("sha1=" + GOOD[7:], "malformed_signature"),
        (GOOD[7:], "malformed_signature"),
        (GOOD[:-1], "malformed_signature"),
        (GOOD[:20], "malformed_signature"),
        (GOOD + "\n", "malformed_signature"),
        (GOOD[:7] + GOOD[7:].upper(), "malformed_signature"),
        (GOOD.upper(), "malformed_signature"),
        (f"{GOOD},{GOOD}", "malformed_signature"),
        (GOOD + "ü", "malformed_signature"),
        (GOOD[:-1] + ("0" if GOOD[-1] != "0" else "1"), "wrong_signature"),
        (signature(BODY, "another-secret"), "wrong_signature"),
        (signature(BODY, ""), "wrong_signature"),
    ],
)
def test_any_other_header_is_refused(given: str | None, reason: str) -> None:
    assert_refused(post(BODY, **{"X-Hub-Signature-256": given}), reason)


@pytest.mark.parametrize("known", [[], [""], ["", ""]])
def test_without_a_secret_everything_is_refused(settings: Any, known: list[str]) -> None:
    settings.META_WEBHOOK_APP_SECRETS = known
    assert_refused(post(BODY, secret=""), "no_secret")


def test_it_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both secrets are compared, whichever fits, and by the function that takes as long for any difference."""
    seen = []
    monkeypatch.setattr(signatures.hmac, "compare_digest", lambda a, b: seen.append((a, b)) or a == b)
    assert signatures.judge(BODY, GOOD, [SECRET, OLD_SECRET]).secret == "current"
    assert len(seen) == 2


def test_a_refused_body_is_kept_apart_and_never_processed() -> None:
    post(BODY, secret="another-secret")
    refused = RefusedPost.objects.using("system").get()
    assert (refused.tenant_id, refused.reason, bytes(refused.body), refused.size) == (
        NOBODY,
        "wrong_signature",
        BODY,
        len(BODY),
    )
    assert refused.headers["X-Hub-Signature-256"] == signature(BODY, "another-secret")[:15] + "..."
    assert signature(BODY)[7:15] in refused.explanation
    assert signature(BODY)[7:] not in refused.explanation
    assert work_off() == 0
    assert (count("webhooks_webhookevent"), count("webhooks_post")) == (0, 0)


def test_what_the_secret_gives_is_told_to_operators_alone() -> None:
    """Else whoever asks could try guesses of the secret on it."""
    assert signature(BODY)[7:15] not in post(BODY, secret="another-secret").content.decode()


def test_of_a_flood_one_a_second_is_kept_by_all_processes_together(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as one_process:  # Its second lasts, and the database's begins anew below.
        one_process.setattr(receiving._refused_lately, "_seconds", 60)
        for _ in range(5):
            post(BODY, secret="another-secret")
            assert RefusedPost.objects.using("system").update(received_at="2026-01-01T00:00:00Z") == 1
    receiving.forget()  # Another process.
    RefusedPost.objects.using("system").update(received_at=Now())
    post(BODY, secret="another-secret")
    assert count("webhooks_refusedpost") == 1


def test_the_last_fifty_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "REFUSED_KEPT", 2)
    for number in range(4):
        receiving.forget()
        RefusedPost.objects.using("system").update(received_at="2026-01-01T00:00:00Z")
        post(messages(f"wamid.{number}"), secret="another-secret")
    kept = RefusedPost.objects.using("system").order_by("id")
    assert [wamid for each in kept for wamid in re.findall(rb"wamid\.\d", bytes(each.body))] == [b"wamid.2", b"wamid.3"]


def test_of_a_long_one_the_beginning_is_kept() -> None:
    post(b"x" * 100_000, secret="another-secret")
    refused = RefusedPost.objects.using("system").get()
    assert (len(refused.body), refused.size) == (64 * 1024, 100_000)


def test_the_trail_tells_of_it() -> None:
    refusals.windows.forget()
    post(BODY, secret="another-secret")
    [entry] = trail_of(platform(), "denied.signature")
    assert (entry.actor, entry.details["reason"]) == ("unknown", "wrong_signature")
    assert entry.about == f"POST {ROOT[1:]}"
