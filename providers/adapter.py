"""The contract between the hub and a provider: one class, one call, one receipt or one of four errors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import UUID

from integrationhub.core.deadline import Deadline
from integrationhub.core.outbound import Client

JSONObject = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """What an adapter is given: one intent for one tenant, with the tenant's own configuration and secrets.

    `base_url` is empty unless an operator has set another address than the adapter's own.
    """

    tenant_id: UUID
    intent: str
    payload: JSONObject
    deadline: Deadline
    config: JSONObject = field(default_factory=dict)
    base_url: str = ""
    secrets: JSONObject = field(default_factory=dict, repr=False)
    attempt_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """The provider accepted. `reference` is its own id for what it did; `result` is what the intent returns."""

    reference: str
    result: JSONObject = field(default_factory=dict)


class Adapter:
    """Translates intents into one provider's API.

    A subclass sets `key` and `intents` and writes `execute`; the rest has defaults. Schemas are JSON Schema objects;
    a property with `"x-secret": true` is write-only wherever it is shown. `credential_schema = None` says that the
    provider needs no credential.
    """

    key: ClassVar[str]
    display_name: ClassVar[str]
    summary: ClassVar[str] = ""
    intents: ClassVar[frozenset[str]]
    config_schema: ClassVar[JSONObject] = {"type": "object", "properties": {}, "additionalProperties": False}
    credential_schema: ClassVar[JSONObject | None] = None
    docs_url: ClassVar[str] = ""
    is_sandbox: ClassVar[bool] = False

    def __init__(self, http: Client) -> None:
        self.http = http

    def preflight(self, call: Call) -> None:
        """Refuse, by raising `Stop`, what can be refused before anything is stored, counted or sent."""

    def check(self, secrets: JSONObject, deadline: Deadline) -> bool:
        """Make one authenticated call that changes nothing. Raises a `ProviderError` when it does not pass.

        True says that the provider accepted these secrets; False, the default, that it offers no such call.
        """
        return False

    def execute(self, call: Call) -> Receipt:
        """Act once. Raises exactly one of `Retry`, `Next`, `Ambiguous`, `Stop` when it does not work."""
        raise TypeError(f"The adapter {type(self).__name__} defines no execute().")
