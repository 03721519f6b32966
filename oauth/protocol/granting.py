"""The answer of a token endpoint, read strictly: what is no grant is none, whatever its status."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from integrationhub.core.outbound import Answer
from oauth.protocol.asking import Failed, accepted
from oauth.protocol.tokens import Tokens
from oauth.table import OAuthProvider

# Ten years: who says more means nothing by it.
LONGEST_SECONDS = 315_360_000
LONGEST_NAME, MOST_SCOPES = 255, 200
JSON_PLEASE = {"Accept": "application/json"}
_SECONDS = re.compile(r"[0-9]{1,9}(\.0+)?")


def granted(provider: OAuthProvider, answer: Answer, secrets: Iterable[str | None]) -> Tokens:
    """Raises Failed: `unreadable_answer`, `no_access_token`, `invalid_expires_in`, or what `accepted` raises."""
    said = accepted(provider, answer, secrets)
    if isinstance(said, dict) and isinstance(said.get("data"), list) and len(said["data"]) == 1:
        # Instagram's other form: https://developers.facebook.com/docs/instagram-platform/reference/access_token
        said = said["data"][0]
    if not isinstance(said, dict):
        raise Failed("unreadable_answer", may_pass=True)
    if not (access_token := text(said.get("access_token"))):
        raise Failed("no_access_token", may_pass=True)
    scopes = said["scope"] if said.get("scope") is not None else said.get("permissions")
    account_id = said.get("user_id")
    return Tokens(
        access_token=access_token,
        refresh_token=text(said.get("refresh_token")),
        id_token=text(said.get("id_token")),
        scopes=_scopes(scopes),
        expires_in=_seconds(said, "expires_in"),
        refresh_expires_in=_seconds(said, "refresh_token_expires_in"),
        account_id=_name(account_id),
    )


def text(value: Any) -> str | None:
    """A token as it is: printable ASCII in one piece (RFC 6749, appendix A.12). None for anything else."""
    return value if isinstance(value, str) and re.fullmatch(r"[\x21-\x7e]+", value) else None


def _seconds(said: Mapping[str, Any], name: str) -> int | None:
    """A number, also as text; None where it is not told. Raises Failed for what is no time that will come."""
    value = said.get(name)
    if value is None:
        return None
    if not _SECONDS.fullmatch(str(value)) or float(value) > LONGEST_SECONDS:
        raise Failed(f"invalid_{name}", may_pass=True)
    return int(float(value))


def _scopes(value: Any) -> tuple[str, ...] | None:
    """They come in a text between spaces or commas, or in a list; what can be none is left out."""
    if isinstance(value, str):
        value = re.split(r"[ ,]+", value)
    if not isinstance(value, list):
        return None
    read = (text(each) for each in value)
    return tuple(dict.fromkeys(each for each in read if each and len(each) <= LONGEST_NAME))[:MOST_SCOPES]


def _name(value: Any) -> str | None:
    """The id of an account, which some give as a number."""
    name = text(str(value)) if value and type(value) in (str, int) else None
    return name if name and len(name) <= LONGEST_NAME else None
