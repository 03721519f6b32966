"""Probes: `/healthz` asks nobody, `/readyz` asks the database and answers in time whatever happens to it."""

import time
from typing import Any

import pytest
from django.conf import settings as configured
from django.db import connections
from django.test import Client

from integrationhub.core import health
from tests.core.envelopes import assert_envelope
from tests.core.proxies import Proxy


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Point the application's connection at another port."""
    health._probes.cache_clear()
    database = connections["default"].settings_dict
    yield lambda port: monkeypatch.setitem(database, "PORT", str(port))
    health._probes.cache_clear()


def test_health_asks_nobody(client: Client, moved: Any) -> None:
    moved(1)
    assert client.get("/healthz").json() == {"status": "ok"}


def test_ready_when_the_database_answers(client: Client) -> None:
    response = client.get("/readyz")
    assert (response.status_code, response.json()) == (200, {"status": "ok", "checks": {"database": "ok"}})


def test_not_ready_when_the_database_refuses(client: Client, moved: Any) -> None:
    moved(1)
    response = client.get("/readyz")
    assert (response.status_code, response.json()["checks"]) == (503, {"database": "unreachable"})
    assert response.headers["Retry-After"] == "1"


def test_not_ready_within_two_seconds_when_the_database_hangs(client: Client, moved: Any) -> None:
    real = configured.DATABASES["default"]
    with Proxy((real["HOST"], int(real["PORT"] or 5432)), mode="hang") as proxy:
        moved(proxy.port)
        started = time.monotonic()
        responses = [client.get("/readyz"), client.get("/readyz")]
        assert time.monotonic() - started < 6
    assert [response.json()["checks"]["database"] for response in responses] == ["timeout", "timeout"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_are_read_only(client: Client, path: str) -> None:
    assert_envelope(client.post(path), 405, "method_not_allowed")
    assert client.head(path).status_code == 200
