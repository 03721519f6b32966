"""`/metrics`: who may read it, what it says of the hub, and what it never says."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import Error, connections
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from integrationhub.core import request_times, valkey_client
from integrationhub.core.representation import moment
from integrationhub.execution import figures
from integrationhub.execution.models import Execution
from integrationhub.outbox.models import OutboxMessage
from providers import registry
from tests.core.envelopes import assert_envelope
from tests.execution.conftest import ProviderServer
from tests.make import LATER, Api, sms

TOKEN = "a-token-of-some-length-for-prometheus-4711"
NUMBER = "+14155552671"
# https://www.postgresql.org/docs/current/errcodes-appendix.html
QUERY_CANCELLED = "57014"
Labels = frozenset[tuple[str, str]]


@pytest.fixture(autouse=True)
def _token(settings: Settings) -> None:
    settings.METRICS_TOKEN = TOKEN


def scrape(method: str = "GET", path: str = "/metrics", **headers: str) -> Any:
    return Client().generic(method, path, headers={"Authorization": f"Bearer {TOKEN}", **headers})


def samples(name: str) -> dict[Labels, float]:
    """The values of one metric, as Prometheus's own parser reads them."""
    families = text_string_to_metric_families(scrape().content.decode())
    found = [sample for family in families for sample in family.samples if sample.name == name]
    assert found, f"There is no {name}."
    return {frozenset(sample.labels.items()): sample.value for sample in found}


def sample(name: str, **labels: str) -> float:
    return samples(name)[frozenset(labels.items())]


@contextmanager
def locked(table: str) -> Iterator[None]:
    """Nobody reads this table meanwhile."""
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"]) as connection:
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


@pytest.mark.parametrize(
    "given",
    ["", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN, "Bearer \u00fc"],
)
def test_without_the_token_nothing_is_there(given: str) -> None:
    refused, unknown = (scrape(path=path, Authorization=given) for path in ("/metrics", "/nowhere"))
    body, other = assert_envelope(refused, 404, "unknown_path"), unknown.json()
    own = {"path", "timestamp", "requestId"}
    assert {name: body[name] for name in body.keys() - own} == {name: other[name] for name in other.keys() - own}


def test_where_no_token_is_set_it_is_closed_to_everybody(settings: Settings) -> None:
    settings.METRICS_TOKEN = ""
    for given in ("", "Bearer", "Bearer ", f"Bearer {TOKEN}"):
        assert_envelope(scrape(Authorization=given), 404, "unknown_path")


def test_it_can_only_be_read() -> None:
    assert_envelope(scrape("POST"), 405, "method_not_allowed")
    assert_envelope(scrape("POST", Authorization=""), 404, "unknown_path")
    assert (scrape("HEAD").status_code, scrape("HEAD").content) == (200, b"")


def test_it_is_the_text_format_of_prometheus_and_kept_by_no_cache() -> None:
    answer = scrape()
    assert answer["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer["Cache-Control"] == "no-store"


def test_executions_and_attempts_are_told_by_what_became_of_them(live: Api, server: ProviderServer) -> None:
    live.post("/execute", sms(NUMBER))
    server.status = 400
    live.post("/execute", sms(NUMBER))
    for status in ("succeeded", "failed"):
        labels = {"intent": "message.send.sms", "mode": "live", "status": status}
        assert sample("hub_executions_recent", **labels) == 1
    of_provider = {"provider_key": "loopback_sms"}
    assert sample("hub_attempts_recent", **of_provider, outcome="succeeded", **{"class": ""}) == 1
    assert sample("hub_attempts_recent", **of_provider, outcome="failed", **{"class": "stop"}) == 1


def test_what_is_queued_is_told_with_its_age(live: Api) -> None:
    queued, waiting = {"status": "queued"}, {"queue": "execute", "state": "waiting"}
    assert (sample("hub_executions_under_way", **queued), sample("hub_outbox_messages", **waiting)) == (0, 0)
    live.post("/execute", sms(NUMBER), headers=LATER)
    assert (sample("hub_executions_under_way", **queued), sample("hub_outbox_messages", **waiting)) == (1, 1)
    assert 0 <= sample("hub_executions_under_way_oldest_seconds", **queued) < 60
    assert 0 <= sample("hub_outbox_messages_oldest_seconds", **waiting) < 60
    assert sample("hub_outbox_messages_oldest_seconds", queue="maint", state="dead") == 0


def test_what_waits_for_its_time_is_told_apart_and_has_no_age_until_then(live: Api) -> None:
    for ahead in (timedelta(hours=1), timedelta(hours=-1)):
        live.post("/execute", sms(NUMBER, send_at=moment(datetime.now(UTC) + ahead)))
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE execution_execution SET created_at = created_at - interval '3 days'")
    for status, oldest in (("scheduled", 0), ("queued", 3600)):
        assert sample("hub_executions_under_way", status=status) == 1
        assert abs(sample("hub_executions_under_way_oldest_seconds", status=status) - oldest) < 60
    assert sample("hub_outbox_messages", queue="execute", state="scheduled") == 1


def test_dead_letters_are_told_as_long_as_they_can_be_redriven(tenant: UUID) -> None:
    known = {"tenant_id": tenant, "request_id": "r", "category": "messaging", "intent": "message.send.sms"}
    known |= {"mode": "live", "status": "failed", "dead_at": "2026-01-01T00:00:00Z"}
    Execution.objects.using("system").create(**known, sealed_payload=b"sealed")
    Execution.objects.using("system").create(**known)
    OutboxMessage.objects.using("system").create(tenant_id=tenant, task="t", queue="maint", arguments={}, state="dead")
    assert sample("hub_executions_dead") == 1
    assert sample("hub_outbox_messages", queue="maint", state="dead") == 1


def test_an_open_circuit_is_told(live: Api, server: ProviderServer) -> None:
    assert sample("hub_circuit_open", provider_key="loopback_sms") == 0
    server.status = 500
    for _ in range(5):
        live.post("/execute", sms(NUMBER))
    assert sample("hub_circuit_open", provider_key="loopback_sms") == 1
    assert sample("hub_circuit_open", provider_key="twilio_sms") == 0


def test_requests_are_counted_by_route_and_never_by_what_stands_in_it(api: Api) -> None:
    route = {"route": "/executions/{execution_id}", "method": "GET", "status": "4xx"}
    before = samples("hub_http_request_seconds_count").get(frozenset(route.items()), 0)
    for version in ("v1", "v2"):
        api.get(f"/executions/{uuid4()}", version=version)
    assert sample("hub_http_request_seconds_count", **route) == before + 2
    assert sample("hub_http_request_seconds_bucket", **route, le="+Inf") == before + 2


def test_what_callers_make_up_makes_no_label(api: Api) -> None:
    scrape()
    before = samples("hub_http_request_seconds_count").keys()
    for method, path in (("BREW", "/metrics"), ("GET", f"/{uuid4()}"), ("GET", "/docs/errors/MADE_UP"), ("X", "/x")):
        scrape(method, path)
    api.request(f"A{uuid4().hex}", "/nothing")
    new = samples("hub_http_request_seconds_count").keys() - before
    words = {value for labels in new for _, value in labels}
    assert words <= {"/metrics", "/docs", request_times.OTHER, "GET", "4xx", "2xx"}


def test_each_value_of_a_label_is_of_a_closed_set(live: Api, server: ProviderServer, tenant: UUID) -> None:
    server.status = 500
    body = sms(NUMBER)
    body["payload"]["text"] = "words of a customer"
    live.post("/execute", body, headers={"x-request-id": "an-id-of-a-caller"})
    text = scrape().content.decode()
    assert 'provider_key="loopback_sms"' in text
    for never in (str(tenant), tenant.hex, NUMBER, NUMBER[1:], "words of", "an-id-of-a-caller", server.url, TOKEN):
        assert never not in text


def test_every_provider_that_it_names_has_an_adapter(live: Api) -> None:
    live.post("/execute", sms(NUMBER))
    keys = {adapter.key for adapter in registry.all()}
    for name in ("hub_circuit_open", "hub_attempts_recent"):
        assert {dict(labels)["provider_key"] for labels in samples(name)} <= keys


def test_a_database_that_does_not_answer_in_time_is_told_by_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sample("hub_part_up", part="database") == 1
    monkeypatch.setattr(figures, "STATEMENT_TIMEOUT", "100ms")
    read, ends = figures._read, []

    def noting_its_end(*queries: str) -> Any:
        try:
            return read(*queries)
        except Error as error:
            ends.append(getattr(error.__cause__, "sqlstate", None))
            raise

    monkeypatch.setattr(figures, "_read", noting_its_end)
    with locked("outbox_outboxmessage"):
        text = scrape().content.decode()
    assert ends == [QUERY_CANCELLED]  # The role waits longer for a statement, and a lock has a code of its own.
    assert 'hub_part_up{part="database"} 0.0' in text
    assert "hub_outbox_messages" not in text
    assert "hub_http_request_seconds_count" in text


def test_a_redis_that_is_away_is_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sample("hub_part_up", part="redis") == 1
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    valkey_client.forget()
    monkeypatch.setattr(valkey_client, "presence", valkey_client.Presence(failures=1))
    assert sample("hub_part_up", part="redis") == 0
    assert sample("hub_part_up", part="database") == 1
    valkey_client.forget()
