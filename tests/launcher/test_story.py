from typing import Any

import pytest

from integrationhub.launcher.story import fell_back, tree, what_next

UP = {
    "base_url": "http://127.0.0.1:8000",
    "tenant_id": "01975b9e-3c4d-7aaa-8bbb-0123456789ab",
    "tokens": {"user": "a.user.token"},
    "admin": {"username": "admin", "password": "made-up"},
}


def answer(**over: Any) -> dict[str, Any]:
    first = {"sequence": 1, "provider_key": "sandbox_primary", "outcome": "failed", "reason": "upstream_503"}
    second = {"sequence": 2, "provider_key": "sandbox_secondary", "outcome": "succeeded", "reason": None}
    return {
        "status": "succeeded",
        "fallback_used": True,
        "provider_key": "sandbox_secondary",
        "duration_ms": 31,
        "attempts": [first | {"upstream_status": 503, "latency_ms": 12}, second | {"latency_ms": 9}],
    } | over


def test_the_tree_shows_each_attempt_and_what_it_led_to() -> None:
    assert tree(answer(), colour=False).splitlines() == [
        "message.send.sms -> +15005550503   delivered by fallback in 31 ms",
        "├─ 1 sandbox_primary    failed     503 upstream_503        12 ms   -> next provider",
        "└─ 2 sandbox_secondary  succeeded                           9 ms",
    ]


def test_colour_is_for_terminals_only() -> None:
    assert "\033[" not in tree(answer(), colour=False) + what_next(UP, colour=False)
    assert "\033[32msucceeded" in tree(answer(), colour=True)


def test_an_error_is_told_with_its_way_out() -> None:
    error = {"code": "ERR_X", "message": "No provider is installed", "resolution": "Install one."}
    assert tree(error, colour=False).endswith("ERR_X: No provider is installed\nInstall one.")


def test_what_to_paste_names_the_token_and_the_tenant() -> None:
    told = what_next(UP, colour=False)
    assert "Authorization: Bearer a.user.token" in told
    assert f"x-tenant-id: {UP['tenant_id']}" in told
    assert "http://127.0.0.1:8000/docs/api" in told


def test_the_promise_is_a_delivery_by_the_second_provider() -> None:
    assert fell_back(answer())


@pytest.mark.parametrize(
    "over", [{"fallback_used": False}, {"provider_key": "sandbox_primary"}, {"attempts": []}, {"fallback_used": None}]
)
def test_anything_else_breaks_the_promise(over: dict[str, Any]) -> None:
    assert not fell_back(answer(**over))
