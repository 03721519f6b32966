"""What `/metrics` tells of the hub as a whole, read at the moment when it is asked: the same whichever process answers.

Each query ends at a fixed number of rows, by an index. Labels are words of closed sets, and keys of adapters.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

from django.conf import settings
from django.db import Error, connections, transaction
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from integrationhub.core import valkey_client
from integrationhub.core.ids import earliest_id
from integrationhub.core.operators import SYSTEM
from integrationhub.execution import circuits
from integrationhub.outbox.models import State
from providers import registry

# The longest pause between two scrapes that misses nothing.
RECENT = timedelta(minutes=5)
MOST_ROWS = 50_000
STATEMENT_TIMEOUT = "2s"

OUTBOX = """
SELECT queue, state, count(*), extract(epoch FROM now() - min(created_at))::float
FROM (SELECT queue, state, created_at FROM outbox_outboxmessage ORDER BY id LIMIT %(most)s) looked_at
GROUP BY queue, state
"""
# In the order of the leases, which is that of the index of what is not over.
UNDER_WAY = """
SELECT CASE WHEN send_at > now() THEN 'scheduled' ELSE status END AS standing, count(*),
    extract(epoch FROM now() - least(now(), min(greatest(created_at, send_at))))::float
FROM (
    SELECT status, created_at, (options ->> 'send_at')::timestamptz AS send_at
    FROM execution_execution WHERE status IN ('queued', 'running') ORDER BY lease_until LIMIT %(most)s
) looked_at
GROUP BY standing
"""
DEAD = """
SELECT count(*) FROM (
    SELECT FROM execution_execution WHERE dead_at IS NOT NULL AND sealed_payload IS NOT NULL LIMIT %(most)s
) looked_at
"""
EXECUTIONS = """
SELECT intent, mode, status, count(*)
FROM (SELECT intent, mode, status FROM execution_execution WHERE id >= %(since)s ORDER BY id DESC LIMIT %(most)s) newest
GROUP BY intent, mode, status
"""
ATTEMPTS = """
SELECT provider_key, outcome, outcome_class, count(*)
FROM (
    SELECT provider_key, outcome, outcome_class FROM execution_attempt
    WHERE id >= %(since)s ORDER BY id DESC LIMIT %(most)s
) newest
GROUP BY provider_key, outcome, outcome_class
"""
# Events on their way to tenants: the age is that of what could have been sent by now.
TOLD = """
SELECT count(*), coalesce(extract(epoch FROM now() - min(due_at) FILTER (WHERE due_at <= now())), 0)::float8
FROM (SELECT due_at FROM telling_delivery WHERE status = 'pending' LIMIT %(most)s) looked_at
"""
TOLD_LATELY = """
SELECT status, count(*)
FROM (SELECT status FROM telling_delivery WHERE id >= %(since)s ORDER BY id DESC LIMIT %(most)s) newest
GROUP BY status
"""
TOLD_NOTHING = """
SELECT disabled_reason, count(*) FROM telling_subscription WHERE disabled_reason <> '' GROUP BY disabled_reason
"""
Rows = Sequence[tuple[Any, ...]]
Values = Mapping[tuple[str, ...], float]


class Figures(Collector):
    def collect(self) -> Iterator[GaugeMetricFamily]:
        """What cannot be read now is left out, and `hub_part_up` says so."""
        try:
            found = _read(OUTBOX, UNDER_WAY, DEAD, EXECUTIONS, ATTEMPTS)
            told = _read(TOLD, TOLD_LATELY, TOLD_NOTHING)
        except Error:
            found = []
        else:
            yield from _shown(*found)
            yield from _shown_of_told(*told)
        yield _circuits()
        parts: Values = {("database",): bool(found), ("redis",): not valkey_client.presence.is_away}
        yield _gauge("hub_part_up", "Whether what this process asked for these figures answered.", ["part"], parts)


def _read(*queries: str) -> list[Rows]:
    """The rows of each query. Raises Django's database errors, after two seconds for one that takes longer."""
    values: dict[str, Any] = {"most": MOST_ROWS, "since": earliest_id(datetime.now(UTC) - RECENT)}
    found = []
    with transaction.atomic(using=SYSTEM), connections[SYSTEM].cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [STATEMENT_TIMEOUT])
        for query in queries:
            cursor.execute(query, values)
            found.append(cursor.fetchall())
    return found


def _shown(outbox: Rows, under_way: Rows, dead: Rows, executions: Rows, attempts: Rows) -> Iterator[GaugeMetricFamily]:
    queues = list(product(settings.CELERY_TASK_QUEUES, State.values))
    statuses = [("scheduled",), ("queued",), ("running",)]
    yield from _counts_and_ages("hub_outbox_messages", "Messages in the outbox.", ["queue", "state"], queues, outbox)
    yield from _counts_and_ages(
        "hub_executions_under_way", "Executions that are not over.", ["status"], statuses, under_way
    )
    yield _gauge("hub_executions_dead", "Dead letters that can be redriven.", [], {(): dead[0][0]})
    yield _gauge(
        "hub_executions_recent",
        "Executions accepted within five minutes, by how they stand.",
        ["intent", "mode", "status"],
        _by_labels(executions),
    )
    yield _gauge(
        "hub_attempts_recent",
        "Attempts begun within five minutes; the class is empty but for failures.",
        ["provider_key", "outcome", "class"],
        _by_labels(attempts),
    )


def _shown_of_told(waiting: Rows, lately: Rows, disabled: Rows) -> Iterator[GaugeMetricFamily]:
    yield from _counts_and_ages(
        "hub_webhook_deliveries_pending", "Events that are to be sent to tenants.", [], [], waiting
    )
    yield _gauge(
        "hub_webhook_deliveries_recent",
        "Events for tenants of the last five minutes, by how they stand.",
        ["status"],
        _by_labels(lately),
    )
    yield _gauge(
        "hub_webhook_subscriptions_disabled",
        "Subscriptions that are told nothing, and why.",
        ["reason"],
        _by_labels(disabled),
    )


def _counts_and_ages(
    name: str, help_text: str, labels: Sequence[str], known: Sequence[tuple[str, ...]], rows: Rows
) -> Iterator[GaugeMetricFamily]:
    """Two gauges: how many there are, and the age in seconds of the oldest; 0 where there is none."""
    found = {row[:-2]: row[-2:] for row in rows}
    counts = dict.fromkeys(known, 0) | {key: count for key, (count, _) in found.items()}
    ages = dict.fromkeys(known, 0.0) | {key: age for key, (_, age) in found.items()}
    yield _gauge(name, help_text, labels, counts)
    yield _gauge(f"{name}_oldest_seconds", "Age of the oldest of them.", labels, ages)


def _circuits() -> GaugeMetricFamily:
    keys = [adapter.key for adapter in registry.all()]
    standings = circuits.standings([(None, key) for key in keys])
    is_open: Values = {(key,): standing.state != "closed" for key, standing in zip(keys, standings, strict=True)}
    return _gauge("hub_circuit_open", "1 while the circuit of all tenants is not closed.", ["provider_key"], is_open)


def _by_labels(rows: Rows) -> Values:
    return {row[:-1]: row[-1] for row in rows}


def _gauge(name: str, help_text: str, labels: Sequence[str], values: Values) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, help_text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family
