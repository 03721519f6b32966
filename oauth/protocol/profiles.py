"""Whose account it is, told in the same words for all providers."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from integrationhub.core.deadline import Deadline
from oauth.application import Application
from oauth.errors import OAuthProfileFetchFailed
from oauth.protocol import raw_profiles
from oauth.protocol.asking import Failed, accepted, ask
from oauth.protocol.proving import proof
from oauth.protocol.tokens import Tokens
from oauth.table import OAuthProvider, ProfileSource
from oauth.table_schema import PROFILE_MEMBERS

LONGEST_TEXT = 500
LONGEST_ID = 255
LONGEST_URL = 2000
_LONGEST_USER_FIELD = 4096


@dataclass(frozen=True, slots=True)
class Profile:
    """None says that the provider does not tell. `email` proves nothing unless `email_verified` is true; `id` is what
    names the account. `raw` is the provider's own answer without tokens, at most 32 KiB as JSON."""

    id: str
    email: str | None = None
    email_verified: bool | None = None
    name: str | None = None
    given_name: str | None = None
    family_name: str | None = None
    avatar_url: str | None = None
    locale: str | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def profile(
    provider: OAuthProvider,
    application: Application,
    tokens: Tokens,
    *,
    claims: Mapping[str, Any] | None = None,
    user_field: str | None = None,
    is_posted: bool = False,
    deadline: Deadline,
) -> Profile:
    """Of the account that the access token is for.

    Apple has no endpoint for it: its profile is made of the verified `claims` of an id_token and of `user_field`, the
    JSON that the very first callback brings. `is_posted` says that a caller, not an exchange of ours, brought the
    token: Facebook is then asked whether it was made for this application. Raises OAuthProfileFetchFailed
    (`apple_requires_id_token` where Apple's claims are missing).
    """
    try:
        if url := provider.profile.url:
            said = _fetched(provider, url, application, tokens, is_posted, deadline)
        else:
            said = _claimed(provider, claims, user_field)
        return _normalised(provider.profile, said, [*application.secrets, *tokens.secrets])
    except Failed as failure:
        raise OAuthProfileFetchFailed(
            failure.told_of(provider.display_name),
            retryable=failure.may_pass,
            provider=provider.key,
            **failure.details,
        ) from None


def _claimed(provider: OAuthProvider, claims: Mapping[str, Any] | None, user_field: str | None) -> Mapping[str, Any]:
    if claims is None:
        raise Failed(f"{provider.key}_requires_id_token")
    # Whoever sends the callback writes this: it names nobody, and no e-mail is taken from it.
    return {**claims, "user": _read_user(user_field)}


def _read_user(user_field: str | None) -> Any:
    """https://developer.apple.com/documentation/signinwithapple/configuring-your-webpage-for-sign-in-with-apple"""
    if not user_field or len(user_field) > _LONGEST_USER_FIELD:
        return None
    try:
        return json.loads(user_field)
    except (ValueError, RecursionError):
        return None


def _fetched(
    provider: OAuthProvider, url: str, application: Application, tokens: Tokens, is_posted: bool, deadline: Deadline
) -> Mapping[str, Any]:
    source = provider.profile
    if is_posted and source.inspect_url:
        _check_made_for(provider, source.inspect_url, application, tokens, deadline)
    granted = tokens.scopes if tokens.scopes is not None else application.scopes
    url += "".join(f",{asked}" for scope, asked in source.scope_fields.items() if scope in granted)
    said = _ask(provider, url, application, tokens, deadline)
    if not isinstance(said, dict):
        raise Failed("unreadable_answer", may_pass=True)
    said = said.get(source.root) if source.root else said
    if not isinstance(said, dict):
        raise Failed("unreadable_answer", may_pass=True)
    return {**said, **_primary_email(provider, source.emails_url, application, tokens, deadline)}


def _ask(provider: OAuthProvider, url: str, application: Application, tokens: Tokens, deadline: Deadline) -> Any:
    source, token = provider.profile, tokens.access_token
    headers = {"Accept": "application/json", **source.headers}
    params = {}
    if source.auth == "bearer":
        headers["Authorization"] = f"Bearer {token}"
    else:
        params["access_token"] = token
    if source.is_proven:
        params["appsecret_proof"] = proof(application, token)
    answer = ask("GET", url, deadline=deadline, headers=headers, params=params)
    return accepted(provider, answer, [*application.secrets, token, *params.values()], asks_by_token=True)


def _check_made_for(
    provider: OAuthProvider, url: str, application: Application, tokens: Tokens, deadline: Deadline
) -> None:
    """A token that was made for another application proves nothing: whoever runs that one may have sent it.

    https://developers.facebook.com/docs/facebook-login/guides/access-tokens/debugging
    """
    own = f"{application.client_id}|{application.client_secret}"
    params = {"input_token": tokens.access_token, "access_token": own}
    answer = ask("GET", url, deadline=deadline, params=params, headers={"Accept": "application/json"})
    said = accepted(provider, answer, [*application.secrets, tokens.access_token, own])
    data = said.get("data") if isinstance(said, dict) else None
    if not isinstance(data, dict) or data.get("is_valid") is not True:
        raise Failed("token_not_valid")
    if str(data.get("app_id")) != application.client_id:
        raise Failed("token_of_another_application")


def _primary_email(
    provider: OAuthProvider, url: str | None, application: Application, tokens: Tokens, deadline: Deadline
) -> dict[str, Any]:
    """GitHub tells it, and whether it is verified, at an address of its own, which needs the scope `user:email`."""
    if url is None:
        return {}
    try:
        listed = _ask(provider, url, application, tokens, deadline)
    except Failed as failure:
        if (failure.said or {}).get("status") in (403, 404):
            return {}
        raise
    for row in listed if isinstance(listed, list) else []:
        if isinstance(row, dict) and row.get("primary") is True:
            return {"email": row.get("email"), "email_verified": row.get("verified")}
    return {}


def _normalised(source: ProfileSource, said: Mapping[str, Any], secrets: list[str]) -> Profile:
    found = {name: _found(source, said, name) for name in PROFILE_MEMBERS}
    account_id = found.pop("id")
    if not account_id or len(account_id) > LONGEST_ID:
        raise Failed("no_account_id")
    if "name" not in source.members:
        found["name"] = " ".join(filter(None, (found["given_name"], found["family_name"]))) or None
    found["avatar_url"] = _address(found["avatar_url"])
    raw = raw_profiles.kept(said, secrets)
    return Profile(id=account_id, email_verified=_is_verified(source, said, found["email"]), raw=raw, **found)


def _found(source: ProfileSource, said: Mapping[str, Any], name: str) -> str | None:
    longest = LONGEST_URL if name == "avatar_url" else LONGEST_TEXT
    values = (_text(_at(said, path), longest) for path in source.members.get(name, ()))
    return next(filter(None, values), None)


def _at(said: Any, path: str) -> Any:
    for name in path.split("."):
        said = said.get(name) if isinstance(said, Mapping) else None
    return said


def _text(value: Any, longest: int) -> str | None:
    """A line of text or a number as text; LinkedIn's locale is an object. None for anything else, and for nothing."""
    if isinstance(value, Mapping) and isinstance(value.get("language"), str):
        value = "_".join(part for part in (value["language"], value.get("country")) if isinstance(part, str))
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    return raw_profiles.storable("".join(letter for letter in str(value) if letter.isprintable())).strip()[:longest]


def _address(value: str | None) -> str | None:
    """Pages show it: of no other scheme, and not cut."""
    is_whole = value is not None and value.startswith(("https://", "http://")) and len(value) < LONGEST_URL
    return value if is_whole else None


def _is_verified(source: ProfileSource, said: Mapping[str, Any], email: str | None) -> bool | None:
    if source.email_verified == "never":
        return False
    if source.email_verified == "when_present":
        return True if email else None
    if source.email_verified == "unknown":
        return None
    # Apple and LinkedIn may say it as text.
    return {"true": True, "false": False}.get(str(said.get("email_verified")).lower())
