"""Which hosts an adapter may dial, and which it would: a client that looks up no name tells, and nothing leaves."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from integrationhub.core.errors import HubError
from integrationhub.core.outbound import Client
from providers.adapter import NAMED_BY_TENANT, Adapter, Call


def may_dial(adapter: type[Adapter], call: Call, host: str) -> bool:
    """Whether the host is that of the operator's address, else of the adapter's own; one of `allowed_hosts` (`*.x.com`
    is every host below x.com); or one that the tenant names, where that is for the tenant to say."""
    if host == urlsplit(call.base_url or adapter.base_url).hostname or host in adapter.allowed_hosts:
        return True
    if any(host.endswith(each[1:]) for each in adapter.allowed_hosts if each.startswith("*.")):
        return True
    is_tenants = adapter.has_own_address or NAMED_BY_TENANT in adapter.allowed_hosts
    return is_tenants and any(_names(text, host) for text in _texts([call.secrets, call.config, call.payload]))


def dialled(adapter: type[Adapter], call: Call) -> tuple[list[str], HubError | None]:
    """The hosts of a call's action (without an intent: of the check) up to the first that it cannot do without, and how
    it ended. What an adapter raises beside its contract goes through."""
    hosts: list[str] = []

    def resolve(host: str, _: float) -> list[str]:
        hosts.append(host)
        raise OSError

    instance = adapter(Client(resolve=resolve))
    try:
        if call.intent:
            instance.execute(call)
        else:
            instance.check(call)
    except HubError as error:
        return hosts, error
    return hosts, None


def _names(text: str, host: str) -> bool:
    """A bucket or an account may stand before the host that is named."""
    named = urlsplit(text).hostname if "//" in text else text.partition(":")[0]
    return bool(named) and (host == named or host.endswith(f".{named}"))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
