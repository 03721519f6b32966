"""Which versions of the API there are, and what a deprecated one tells its callers."""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.utils.http import http_date

from integrationhub.core.errors import ApiVersionSunset, UnsupportedApiVersion


def supported() -> list[str]:
    """The versions that answer, in the order of the settings."""
    return [name for name, row in settings.API_VERSIONS.items() if row["status"] != "sunset"]


def check(version: str) -> None:
    """Raise UnsupportedApiVersion or ApiVersionSunset where the version does not answer."""
    row = settings.API_VERSIONS.get(version)
    if row is None:
        raise UnsupportedApiVersion(
            f"API version '{version[:50]}' is not supported; this hub answers {_listed()}.",
            supported_versions=supported(),
        )
    if row["status"] == "sunset":
        raise ApiVersionSunset(
            f"API version '{version}' was switched off on {row['sunset_at']}; use {_listed()}.",
            supported_versions=supported(),
            migration_guide=settings.MIGRATION_GUIDE_URL,
            deprecated_at=row["deprecated_at"],
            sunset_at=row["sunset_at"],
        )


def _listed() -> str:
    return " or ".join(f"'{name}'" for name in supported())


def headers(version: str) -> dict[str, str]:
    """`Deprecation` (RFC 9745), `Sunset` (RFC 8594) and `Link` of a version that has such dates; else none."""
    row: dict[str, Any] = settings.API_VERSIONS.get(version, {})
    if "deprecated_at" not in row:
        return {}
    guide = settings.MIGRATION_GUIDE_URL
    found = {
        "Deprecation": f"@{_epoch(row['deprecated_at'])}",
        "Link": f'<{guide}>; rel="deprecation"; type="text/html"',
    }
    if "sunset_at" in row:
        found["Sunset"] = http_date(_epoch(row["sunset_at"]))
        found["Link"] += f', <{guide}>; rel="sunset"; type="text/html"'
    return found


def _epoch(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())
