"""How a provider has done lately: of its attempts for one tenant, or for all of them, and how its circuits stand.

An attempt's id is made of its time, so a window is a range of ids. No index is kept for this: a tenant's attempts are
found through its executions, those of all tenants by their ids; both looks end at a fixed number of rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connections

from integrationhub.core.ids import earliest_id
from integrationhub.core.operators import SYSTEM
from integrationhub.core.representation import moment
from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution import circuits
from integrationhub.execution.circuits import Standing
from providers import finding

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# The newest rows of the day that are looked at: executions of one tenant, or attempts of all of them.
MOST_EXECUTIONS, MOST_ATTEMPTS = 20_000, 50_000

_OF_TENANT = """
    scanned AS MATERIALIZED (
        SELECT id FROM execution_execution WHERE tenant_id = %(tenant_id)s AND id >= %(day)s
        ORDER BY id DESC LIMIT %(most)s
    ),
    recent AS MATERIALIZED (
        SELECT attempt.* FROM scanned JOIN execution_attempt attempt ON attempt.execution_id = scanned.id
        WHERE attempt.tenant_id = %(tenant_id)s AND attempt.id >= %(day)s AND attempt.provider_key = ANY(%(keys)s)
    )"""
_OF_ALL_TENANTS = """
    scanned AS MATERIALIZED (
        SELECT * FROM execution_attempt WHERE id >= %(day)s ORDER BY id DESC LIMIT %(most)s
    ),
    recent AS MATERIALIZED (SELECT * FROM scanned WHERE provider_key = ANY(%(keys)s))"""
# Nothing was sent then: the tenant's credential did not open, or its vault was away.
_OF_PROVIDER = "reason <> 'credential_unusable'"
_FAILED = f"outcome IN ('failed', 'unknown') AND {_OF_PROVIDER}"
_WINDOW = f"""
    count(*) FILTER (WHERE id >= %({{0}})s),
    count(*) FILTER (WHERE id >= %({{0}})s AND outcome = 'succeeded'),
    count(*) FILTER (WHERE id >= %({{0}})s AND {_FAILED} AND outcome_class <> 'stop'),
    count(*) FILTER (WHERE id >= %({{0}})s AND outcome_class = 'stop'),
    count(DISTINCT execution_id) FILTER (WHERE id >= %({{0}})s),
    percentile_disc(0.95) WITHIN GROUP (ORDER BY latency_ms) FILTER (WHERE id >= %({{0}})s AND {_OF_PROVIDER})"""
_COUNTED = f"""
SELECT provider_key, {_WINDOW.format("hour")}, {_WINDOW.format("day")},
    (array_agg(id ORDER BY id DESC) FILTER (WHERE {_FAILED}))[1]
FROM recent GROUP BY provider_key"""  # noqa: S608  Put together of our own text alone.
_SUCCESSES = """
SELECT count(*) FROM (
    SELECT FROM (
        SELECT id FROM execution_execution WHERE tenant_id = %(tenant_id)s AND id >= %(accepted)s
        ORDER BY id DESC LIMIT %(looked_at)s
    ) scanned JOIN execution_attempt attempt ON attempt.execution_id = scanned.id
    WHERE attempt.tenant_id = %(tenant_id)s AND attempt.id >= %(since)s AND attempt.provider_key = %(key)s
      AND attempt.outcome = 'succeeded'
    LIMIT %(most)s
) found
"""
_QUERY = """
WITH {source}, counted ({columns}) AS ({counted})
SELECT wanted.key, (SELECT count(*) FROM scanned) >= %(most)s, counted.*,
    latest.code, latest.reason, latest.upstream_status, latest.started_at
FROM unnest(%(keys)s::text[]) AS wanted (key)
LEFT JOIN counted ON counted.provider_key = wanted.key LEFT JOIN recent latest ON latest.id = counted.last_error
"""


@dataclass(frozen=True, slots=True)
class Window:
    """What the attempts of a span of time came to. `refused` is what was wrong with the recipient or the content: it
    says nothing of the provider and counts on neither side; nor does a credential that did not open."""

    attempts: int = 0
    succeeded: int = 0
    failed: int = 0
    refused: int = 0
    executions: int = 0
    p95_latency_ms: int | None = None

    @property
    def success_rate(self) -> float | None:
        """Between 0 and 1; None while nothing has come of any attempt."""
        known = self.succeeded + self.failed
        return round(self.succeeded / known, 4) if known else None


@dataclass(frozen=True, slots=True)
class LastError:
    code: str
    reason: str
    upstream_status: int | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Health:
    """`is_sampled`: there was more than the newest rows that were looked at."""

    last_hour: Window = Window()
    last_day: Window = Window()
    last_error: LastError | None = None
    is_sampled: bool = False


def of_tenant(*, tenant_id: UUID, provider_key: str) -> Health:
    """By the attempts that were made for this tenant."""
    with tenant_scope(tenant_id):
        found = _counted(DEFAULT_DB_ALIAS, _OF_TENANT, [provider_key], most=MOST_EXECUTIONS, tenant_id=tenant_id)
    return found[provider_key]


def of_all_tenants(provider_keys: Sequence[str]) -> Mapping[str, Health]:
    """Of each of these providers, by one query of the `system` role."""
    return _counted(SYSTEM, _OF_ALL_TENANTS, list(provider_keys), most=MOST_ATTEMPTS)


def successes(tenant_id: UUID, provider_key: str, since: datetime, most: int) -> int:
    """How many of a tenant's calls have succeeded there since, as far as `most`: by its newest executions of an hour,
    since a queued one may have waited."""
    bounds: dict[str, Any] = {
        "accepted": earliest_id(since - HOUR),
        "since": earliest_id(since),
        "looked_at": MOST_EXECUTIONS,
    }
    with tenant_scope(tenant_id), connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(_SUCCESSES, {**bounds, "tenant_id": tenant_id, "key": provider_key, "most": most})
        return int(cursor.fetchone()[0])


def report(*, tenant_id: UUID, provider_key: str, of_all: bool) -> dict[str, Any]:
    """What `GET /providers/{key}/health` answers. Raises ProviderNotFound."""
    provider = finding.get(provider_key)
    if of_all:
        health = of_all_tenants([provider_key])[provider_key]
    else:
        health = of_tenant(tenant_id=tenant_id, provider_key=provider_key)
    own, shared = circuits.standings([(tenant_id, provider_key), (None, provider_key)])
    return {
        "provider_key": provider_key,
        "status": provider.status,
        "scope": "all_tenants" if of_all else "tenant",
        "last_hour": _shown_window(health.last_hour),
        "last_day": _shown_window(health.last_day),
        "is_sampled": health.is_sampled,
        "circuit": {"tenant": _shown_circuit(own), "all_tenants": _shown_circuit(shared)},
        "last_error": _shown_error(health.last_error),
    }


def _counted(using: str, source: str, keys: list[str], **parameters: Any) -> Mapping[str, Health]:
    now = datetime.now(UTC)
    values = {**parameters, "keys": keys, "hour": earliest_id(now - HOUR), "day": earliest_id(now - DAY)}
    columns = ", ".join(["provider_key", *(f"c{number}" for number in range(12)), "last_error"])
    with connections[using].cursor() as cursor:
        cursor.execute(_QUERY.format(source=source, counted=_COUNTED, columns=columns), values)
        return {row[0]: _read(row[1:]) for row in cursor.fetchall()}


def _read(row: Sequence[Any]) -> Health:
    is_sampled, key, hour, day, last_error, *error = row[0], row[1], row[2:8], row[8:14], row[14], *row[15:]
    if key is None:  # Not among the rows that were looked at.
        return Health(is_sampled=is_sampled)
    return Health(Window(*hour), Window(*day), LastError(*error) if last_error else None, is_sampled)


def _shown_window(window: Window) -> dict[str, Any]:
    return {
        "attempts": window.attempts,
        "succeeded": window.succeeded,
        "failed": window.failed,
        "refused": window.refused,
        "success_rate": window.success_rate,
        "p95_latency_ms": window.p95_latency_ms,
    }


def _shown_circuit(standing: Standing) -> dict[str, Any]:
    return {"state": standing.state, "reason": standing.reason, "retry_after_seconds": standing.seconds}


def _shown_error(error: LastError | None) -> dict[str, Any] | None:
    if error is None:
        return None
    return {
        "code": error.code or None,
        "reason": error.reason or None,
        "upstream_status": error.upstream_status,
        "at": moment(error.at),
    }
