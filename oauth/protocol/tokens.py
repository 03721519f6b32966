"""What a provider grants."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Tokens:
    """`scopes` are those that were granted, None where the answer does not say (then they are what was asked for);
    `expires_in` and `refresh_expires_in` are seconds from the answer on; `account_id` is the provider's id of whose
    account it is, where the token answer names it; `client_id` is whom they were given to, where that is known. No text
    made of this shows a token."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    id_token: str | None = field(default=None, repr=False)
    scopes: tuple[str, ...] | None = None
    expires_in: int | None = None
    refresh_expires_in: int | None = None
    account_id: str | None = None
    client_id: str | None = field(default=None, compare=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no text may repeat."""
        return tuple(filter(None, (self.access_token, self.refresh_token, self.id_token)))
