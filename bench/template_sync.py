"""What a sync of WhatsApp templates costs beside the plainest way to store the same pages.

`python -m bench.template_sync`, with the settings of a hub (`DATABASE_URL`, ...), writes its report on stdout; it makes
a tenant of its own and leaves nothing of it. Both sides take turns on the same table, as the same role, behind the same
row-level security; each side's pages are in memory already, so that only the storing is timed.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any
from uuid import UUID, uuid4

import django
from django.apps import apps
from django.db import connection

if not apps.ready:
    django.setup()

from integrationhub.core.tenancy import tenant_scope
from templates.swapping import swap

PAGE = 200
ROUNDS = 5
GOAL = 1.5
RAW = """
INSERT INTO templates_messagetemplate (tenant_id, waba_id, id, meta_id, name, language, status, category,
    previous_category, parameter_format, components, quality, rejected_reason)
SELECT %(tenant)s, 'waba', gen_random_uuid(), id, name, language, status, category, '', parameter_format, components,
    quality_score ->> 'score', ''
FROM jsonb_to_recordset(%(page)s::jsonb) AS listed(
    id text, name text, language text, status text, category text, parameter_format text, components jsonb,
    quality_score jsonb)
ON CONFLICT (tenant_id, waba_id, meta_id) DO UPDATE SET
    name = EXCLUDED.name, language = EXCLUDED.language, status = EXCLUDED.status, category = EXCLUDED.category,
    parameter_format = EXCLUDED.parameter_format, components = EXCLUDED.components, quality = EXCLUDED.quality
"""
# Where each row lies and which transactions wrote or locked it.
VERSIONS = "SELECT meta_id, ctid::text, xmin::text, xmax::text FROM templates_messagetemplate ORDER BY meta_id"


@dataclass(frozen=True)
class Figures:
    """Seconds of each round, and how many rows a sync without news wrote or locked."""

    count: int
    raw: list[float]
    swap: list[float]
    unchanged: list[float]
    rows_touched: int

    @property
    def ratio(self) -> float:
        return median(ours / theirs for ours, theirs in zip(self.swap, self.raw, strict=True))


def measure(count: int, rounds: int = ROUNDS) -> Figures:
    """Both sides, `rounds` times in turn, each from an empty table of the tenant."""
    tenant, listing = uuid4(), listed(count)
    pages = [listing[begin : begin + PAGE] for begin in range(0, count, PAGE)]
    figures = Figures(count, [], [], [], 0)
    touched = 0

    def raw() -> None:
        with tenant_scope(tenant), connection.cursor() as cursor:
            for page in pages:
                cursor.execute(RAW, {"tenant": tenant, "page": json.dumps(page)})

    def ours() -> None:
        with tenant_scope(tenant):
            swap(tenant_id=tenant, waba_id="waba", listing=listing, begun_at=datetime.now(UTC))

    for number in range(rounds):
        sides: list[tuple[list[float], Callable[[], None]]] = [(figures.raw, raw), (figures.swap, ours)]
        for seconds, act in sides[:: 1 if number % 2 else -1]:
            empty(tenant)
            seconds.append(timed(act))
        ours()
        before = versions(tenant)
        figures.unchanged.append(timed(ours))
        touched += sum(was != now for was, now in zip(before, versions(tenant), strict=True))
    empty(tenant)
    return Figures(count, figures.raw, figures.swap, figures.unchanged, touched)


def listed(count: int) -> list[dict[str, Any]]:
    """Templates of an ordinary size: a header, a body with three variables, a footer and two buttons."""
    return [
        {
            "id": str(10**15 + number),
            "name": f"order_update_{number // 4}",
            "language": ("en", "en_US", "de", "pt_BR")[number % 4],
            "status": "APPROVED",
            "category": "UTILITY",
            "parameter_format": "POSITIONAL",
            "quality_score": {"score": "GREEN", "date": 1724857232},
            "components": [
                {"type": "HEADER", "format": "TEXT", "text": "Order {{1}}", "example": {"header_text": ["A-1042"]}},
                {
                    "type": "BODY",
                    "text": f"Hello {{{{1}}}}, your order {{{{2}}}} leaves depot {number} on {{{{3}}}}. "
                    + "Thank you. " * 20,
                    "example": {"body_text": [["Ada", "A-1042", "Monday"]]},
                },
                {"type": "FOOTER", "text": "Reply STOP to opt out"},
                {
                    "type": "BUTTONS",
                    "buttons": [
                        {"type": "URL", "text": "Track", "url": "https://shop.example/orders/{{1}}", "example": ["1"]},
                        {"type": "QUICK_REPLY", "text": "Thanks"},
                    ],
                },
            ],
        }
        for number in range(count)
    ]


def timed(act: Callable[[], None]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def empty(tenant: UUID) -> None:
    _in_scope(tenant, "DELETE FROM templates_messagetemplate")


def versions(tenant: UUID) -> Sequence[tuple[Any, ...]]:
    return _in_scope(tenant, VERSIONS)


def _in_scope(tenant: UUID, statement: str) -> list[tuple[Any, ...]]:
    with tenant_scope(tenant), connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def report(figures: Figures) -> str:
    """A table in Markdown: medians, with their spread."""
    rows = (("one raw upsert per page", figures.raw), ("sync", figures.swap), ("sync, no news", figures.unchanged))
    lines = [f"| {figures.count} templates | median s | least | most |", "|---|---|---|---|"]
    lines += [f"| {what} | {median(of):.3f} | {min(of):.3f} | {max(of):.3f} |" for what, of in rows]
    met = "met" if figures.ratio <= GOAL and not figures.rows_touched else "missed"
    return "\n".join(
        [
            *lines,
            "",
            f"sync : raw = {figures.ratio:.2f} (goal: at most {GOAL}); rows touched without news: "
            f"{figures.rows_touched} (goal: 0). The goals are {met}.",
            "",
        ]
    )


if __name__ == "__main__":
    sys.stdout.write(report(measure(5000)))
