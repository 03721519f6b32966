"""A complete listing put in the place of what a tenant had: one statement, which writes no row that is as it was."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from integrationhub.core.ids import new_id
from templates.errors import WhatsappSyncFailed
from templates.models import SENDABLE

_NEEDED = ("id", "name", "language")

# Some sources write a status in lower case. `differing` is joined before anything is written, since ON CONFLICT locks,
# and so writes, even the rows that it leaves as they are. What a webhook told after the reading began is newer than
# what was read.
SWAP = """
WITH listed AS MATERIALIZED (
    SELECT hub_id AS id, id AS meta_id, name, language, upper(coalesce(status, '')) AS status,
        coalesce(category, '') AS category, coalesce(previous_category, '') AS previous_category,
        coalesce(parameter_format, '') AS parameter_format, coalesce(components, '[]') AS components,
        coalesce(quality_score ->> 'score', '') AS quality, coalesce(rejected_reason, '') AS rejected_reason
    FROM jsonb_to_recordset(%(listing)s::jsonb) AS listed(
        hub_id uuid, id text, name text, language text, status text, category text, previous_category text,
        parameter_format text, components jsonb, quality_score jsonb, rejected_reason text)
), differing AS MATERIALIZED (
    SELECT listed.*, held.id AS held_id, held.status AS old_status
    FROM listed LEFT JOIN templates_messagetemplate held
      ON held.tenant_id = %(tenant)s AND held.waba_id = %(waba)s AND held.meta_id = listed.meta_id
    WHERE held.id IS NULL OR (
        (held.told_at IS NULL OR held.told_at < %(begun)s)
        AND (held.name, held.language, held.status, held.category, held.previous_category, held.parameter_format,
             held.components, held.quality, held.rejected_reason)
            IS DISTINCT FROM
            (listed.name, listed.language, listed.status, listed.category, listed.previous_category,
             listed.parameter_format, listed.components, listed.quality, listed.rejected_reason))
), gone AS (
    DELETE FROM templates_messagetemplate held
    WHERE held.tenant_id = %(tenant)s
      AND (held.waba_id <> %(waba)s OR held.meta_id NOT IN (SELECT meta_id FROM listed))
    RETURNING 1
), written AS (
    INSERT INTO templates_messagetemplate (tenant_id, waba_id, id, meta_id, name, language, status, category,
        previous_category, parameter_format, components, quality, rejected_reason)
    SELECT %(tenant)s, %(waba)s, id, meta_id, name, language, status, category,
        previous_category, parameter_format, components, quality, rejected_reason
    FROM differing
    ON CONFLICT (tenant_id, waba_id, meta_id) DO UPDATE SET
        name = EXCLUDED.name, language = EXCLUDED.language, status = EXCLUDED.status, category = EXCLUDED.category,
        previous_category = EXCLUDED.previous_category, parameter_format = EXCLUDED.parameter_format,
        components = EXCLUDED.components, quality = EXCLUDED.quality, rejected_reason = EXCLUDED.rejected_reason,
        updated_at = now()
    RETURNING 1
)
SELECT (SELECT count(*) FROM listed), (SELECT count(*) FROM written),
       (SELECT count(*) FROM differing WHERE held_id IS NULL), (SELECT count(*) FROM gone),
       (SELECT coalesce(jsonb_agg(jsonb_build_array(name, language, old_status, status) ORDER BY name, language), '[]')
        FROM differing WHERE old_status <> status)
"""


# A listing of thousands is some megabytes, which PostgreSQL would else write to disk twice; until the transaction ends.
ROOM = "SET LOCAL work_mem = '64MB'"


@dataclass(frozen=True, slots=True)
class Swapped:
    """What became of a listing. `moves` are the changes of a status: name, language, from, to."""

    added: int
    changed: int
    removed: int
    unchanged: int
    moves: list[list[str]]


def swap(*, tenant_id: UUID, waba_id: str, listing: Iterable[Mapping[str, Any]], begun_at: datetime) -> Swapped:
    """Make the tenant's templates those of `listing`, inside the caller's `tenant_scope`.

    Raises WhatsappSyncFailed for a template that does not say which one it is.
    """
    with connection.cursor() as cursor:
        cursor.execute(ROOM)
        cursor.execute(
            SWAP,
            {"tenant": tenant_id, "waba": waba_id, "begun": begun_at, "listing": _document(_distinct(listing))},
        )
        listed, written, added, removed, moves = cursor.fetchone()
    moves = json.loads(moves) if isinstance(moves, str) else moves
    return Swapped(added, written - added, removed, listed - written, moves)


def _distinct(listing: Iterable[Any]) -> list[dict[str, Any]]:
    """The listed templates, each once and with an id of ours: what changes while pages are read may stand on two.

    Raises WhatsappSyncFailed.
    """
    by_id: dict[str, Mapping[str, Any]] = {}
    for template in listing:
        if not isinstance(template, Mapping) or not all(isinstance(template.get(name), str) for name in _NEEDED):
            raise WhatsappSyncFailed(
                "Meta listed a template without an id, a name or a language. What was known stays as it was.",
                reason="unreadable_answer",
            )
        by_id[template["id"]] = template
    by_name: dict[tuple[str, str], Mapping[str, Any]] = {}
    for template in by_id.values():
        key = template["name"], template["language"]
        # One that is being deleted can stand beside the one that takes its name.
        if key not in by_name or str(template.get("status")).upper() == SENDABLE:
            by_name[key] = template
    return [{**template, "hub_id": str(new_id())} for template in by_name.values()]


def _document(rows: list[dict[str, Any]]) -> str:
    """As JSON; without NULs and halves of surrogate pairs, which JSON can write and PostgreSQL does not store."""
    written = _json(rows)
    try:
        written.encode()
    except UnicodeEncodeError:
        return _json(_storable(rows))
    return _json(_storable(rows)) if r"\u0000" in written else written


def _json(rows: Any) -> str:
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        return {_storable(name): _storable(member) for name, member in value.items()}
    return [_storable(each) for each in value] if isinstance(value, list) else value
