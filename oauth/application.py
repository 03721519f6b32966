"""What a tenant has registered at a provider: its own client id and secret, bound as a credential."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

# Any account of Microsoft's: of any company or school, and private ones.
EVERY_DIRECTORY = "common"


@dataclass(frozen=True, slots=True)
class Application:
    """`scopes` are asked for in place of the provider's usual ones; `redirect_uris` may be named besides the hub's own,
    and `return_origins` are where a browser may be sent in the end.

    Microsoft's has a `directory` (`common`, `organizations`, `consumers` or an id); Apple's signs with a key (PEM)
    instead of having a secret.
    """

    client_id: str
    client_secret: str = field(default="", repr=False)
    scopes: tuple[str, ...] = ()
    redirect_uris: tuple[str, ...] = ()
    return_origins: tuple[str, ...] = ()
    directory: str = EVERY_DIRECTORY
    team_id: str = ""
    key_id: str = ""
    private_key: str = field(default="", repr=False)

    @classmethod
    def read(cls, secrets: Mapping[str, Any]) -> "Application":
        """Of an opened credential, whose members an adapter's schema has checked."""
        known: dict[str, Any] = {member.name: secrets[member.name] for member in fields(cls) if member.name in secrets}
        lists = {name: tuple(value) for name, value in known.items() if isinstance(value, list)}
        return cls(**{**known, **lists})

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no text may repeat."""
        return tuple(filter(None, (self.client_secret, self.private_key)))
