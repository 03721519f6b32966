"""Whose account it is, told in the same words for all providers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from integrationhub.core.deadline import Deadline
from oauth.application import Application
from oauth.protocol.tokens import Tokens
from oauth.table import OAuthProvider


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
    raise NotImplementedError
