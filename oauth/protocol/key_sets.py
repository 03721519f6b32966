"""The keys with which providers sign id_tokens, by the address of the set."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from integrationhub.core.signing_keys import KeySet, usable
from oauth.protocol.asking import client

_ALGORITHMS = {"RSA": "RS256", "EC": "ES256"}


@dataclass(frozen=True, slots=True)
class ProviderKey:
    """`algorithm` is the one that it signs by; `issuer` is whose tokens it signs, where the set says so."""

    key: Any = field(repr=False)
    algorithm: str
    issuer: str = ""


class ProviderKeys(KeySet[ProviderKey]):
    lifetime_seconds = 300.0

    def read(self, document: Any) -> Mapping[str | None, ProviderKey]:
        return {
            row.get("kid"): ProviderKey(key, _ALGORITHMS[row["kty"]], str(row.get("issuer", "")))
            for row, key in usable(document, _ALGORITHMS)
        }


@lru_cache(maxsize=64)
def key_set(url: str) -> ProviderKeys:
    return ProviderKeys(url, client())
