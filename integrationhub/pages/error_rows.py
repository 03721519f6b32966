"""The catalogue as it is shown: to programs as rows of JSON, to people grouped, searched and explained."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.conf import settings

from integrationhub.core import error_examples
from integrationhub.core.catalogue import ENTRIES, Entry
from integrationhub.pages.error_guide import GUIDE, Advice


@dataclass(frozen=True, slots=True)
class Page:
    """All that the reference says about one code."""

    entry: Entry
    advice: Advice
    example: dict[str, Any]
    curl: str


def page_of(entry: Entry, base_url: str = settings.PUBLIC_BASE_URL) -> Page:
    """The page of a code; the addresses in its commands begin with `base_url`."""
    advice = GUIDE[entry]
    return Page(
        entry=entry,
        advice=advice,
        example=error_examples.envelope(entry, path=advice.where),
        curl="\n\n".join(command.as_curl(base_url) for command in advice.commands),
    )


def docs_url(entry: Entry) -> str:
    """The page of a code, absolute."""
    return f"{settings.PUBLIC_BASE_URL}/docs/errors/{entry.code}"


def row(entry: Entry) -> dict[str, Any]:
    """One entry as `GET /errors` shows it."""
    return {
        "code": entry.code,
        "status": entry.status,
        "name": entry.name,
        "category": entry.category,
        "message": entry.message,
        "resolution": entry.resolution,
        "retryable": entry.retryable,
        "docs_url": docs_url(entry),
    }


def full_row(page: Page) -> dict[str, Any]:
    """One entry with all that its page says."""
    return {
        **row(page.entry),
        "fixed_by": [who.value for who in page.advice.fixed_by],
        "causes": [str(cause) for cause in page.advice.causes],
        "example": page.example,
        "reproduce": page.curl or None,
    }


def matching(query: str) -> list[Entry]:
    """The entries in which each word of the query occurs: in code, name, status, category, message or resolution."""
    words = query.lower().split()
    return [entry for entry in ENTRIES.values() if all(word in _text_of(entry) for word in words)]


def _text_of(entry: Entry) -> str:
    said = (entry.code, entry.name, str(entry.status), entry.category, entry.message, entry.resolution)
    return " ".join([*said, *(str(cause) for cause in GUIDE[entry].causes)]).lower()


def grouped(entries: Iterable[Entry]) -> Iterator[tuple[str, list[tuple[Entry, Advice]]]]:
    """The entries under the names of their categories, in the order of the catalogue."""
    for category, group in groupby(entries, key=lambda entry: entry.category):
        yield category, [(entry, GUIDE[entry]) for entry in group]
