"""Addresses of the flow: where providers send people back to, and where we send them then."""

import re
from collections.abc import Collection
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from django.conf import settings

from integrationhub.core.errors import InvalidRequest

LONGEST = 500
# Browsers read a backslash as a slash and drop tabs and line ends.
_NEVER = re.compile(r"[\x00-\x20\x7f\\]|%(?:5c|2f|0[0-9a-f]|1[0-9a-f]|7f)", re.IGNORECASE)


def redirect_uri(provider_key: str) -> str:
    """The callback of a provider: what its app must list, what is shown, and what is sent."""
    return f"{settings.PUBLIC_BASE_URL}/oauth/callback/{quote(provider_key, safe='')}"


def connect_url(token: str) -> str:
    return f"{settings.PUBLIC_BASE_URL}/connect/{token}"


def chosen_redirect_uri(provider_key: str, asked: str | None, registered: Collection[str]) -> str:
    """Ours, or one that the tenant registered, by exact string (RFC 9700, section 2.1). Raises InvalidRequest."""
    own = redirect_uri(provider_key)
    if asked is None or asked == own or asked in registered:
        return asked or own
    raise _fault("redirect_uri", "not_registered", "the hub's own callback, or one of the client's redirect_uris")


def safe_return_to(asked: str | None, origins: Collection[str]) -> str:
    """Where a person goes once all is done: a path of the hub's host, or a URL of an origin that the tenant listed.

    Raises InvalidRequest for anything else, and for what a browser might read as something else.
    """
    if not asked:
        return ""
    if len(asked) <= LONGEST and asked.isascii() and _is_plain(asked):
        parts = _split(asked)
        if parts and not parts[0] and asked.startswith("/") and not asked.startswith("//"):
            return asked
        if parts and parts[0] in origins:
            return asked
    raise _fault("return_to", "not_allowed", "a path that begins with one '/', or a URL of the client's return_origins")


def _is_plain(url: str) -> bool:
    """Nothing that a browser reads as something else; in a query, percent-encoding is data."""
    path, _, query = url.partition("?")
    return not _NEVER.search(path) and not re.search(r"[\x00-\x20\x7f\\]", query)


def known_origin(asked: str | None, origins: Collection[str]) -> str:
    """The origin of a page that opens the link, by exact string; empty where none is told. Raises InvalidRequest."""
    if not asked or asked in origins:
        return asked or ""
    raise _fault("opener_origin", "not_allowed", "one of the client's return_origins")


def host(url: str) -> str:
    """As a person reads it; empty for a path of the hub's own."""
    return urlsplit(url).netloc


def with_outcome(return_to: str, **outcome: str) -> str:
    """The address with what came of it in its query."""
    parts = urlsplit(return_to)
    query = "&".join(filter(None, [parts.query, urlencode(outcome)]))
    return urlunsplit(parts._replace(query=query))


def _split(url: str) -> tuple[str, str] | None:
    """Origin (empty for a path) and rest."""
    try:
        parts = urlsplit(url)
        if "@" in parts.netloc or (parts.port is not None and not parts.netloc):
            return None
    except ValueError:
        return None
    return (f"{parts.scheme}://{parts.netloc}" if parts.scheme or parts.netloc else ""), parts.path


def _fault(field: str, reason: str, expected: str) -> InvalidRequest:
    return InvalidRequest(
        f"'{field}' must be {expected}.",
        reason="invalid_fields",
        fields=[{"field": field, "reason": reason, "expected": expected}],
    )
