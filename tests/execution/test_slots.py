"""Which requests take one of their tenant's slots: all that wait for providers."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.urls import get_resolver

from integrationhub.execution.views import QuotaDoor
from integrationhub.server import executing_tenant
from integrationhub.storage.views import IpfsDoor

TENANT = "0197a0b4-0000-7000-8000-000000000001"


def asked(method: str, path: str) -> Any:
    return SimpleNamespace(method=method, path=path, headers=[("X-TENANT-ID", TENANT)])


def doors(patterns: Any, before: str = "") -> Iterator[tuple[type, str]]:
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from doors(pattern.url_patterns, route)
        elif hasattr(pattern.callback, "view_class"):
            yield pattern.callback.view_class, f"/{route}"


def test_whoever_runs_an_execution_waits_for_a_slot() -> None:
    running = [path for view, path in doors(get_resolver().url_patterns) if issubclass(view, QuotaDoor | IpfsDoor)]
    assert len(running) >= 6
    assert [path for path in running if executing_tenant(asked("POST", path)) != TENANT] == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/integrationhub/v1/executions"),
        ("POST", "/integrationhub/v1/executions/1/cancel"),
        ("POST", "/integrationhub/v1/totp/verify"),
        ("GET", "/healthz"),
    ],
)
def test_what_is_quick_waits_for_none(method: str, path: str) -> None:
    assert executing_tenant(asked(method, path)) is None


@pytest.mark.parametrize(
    "path",
    [
        *("webhook-subscriptions/1/test", "providers/twilio_sms/test", "integrations/1/test"),
        *("credentials/bind", "credentials/1/verify", "credentials/1/rotate"),
    ],
)
def test_who_tries_an_address_of_its_own_waits_for_a_slot_too(path: str) -> None:
    """Its tenant says how long that takes, up to ten seconds."""
    assert executing_tenant(asked("POST", f"/integrationhub/v1/{path}")) == TENANT
