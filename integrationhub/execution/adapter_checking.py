"""What can be said of an adapter without a provider: its declarations, and what its examples would have it dial.

The rest of the contract needs a provider that misbehaves: tests/architecture/test_adapter_contract.py.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from jsonschema import Draft202012Validator, SchemaError

from integrationhub.core.deadline import Deadline
from integrationhub.core.errors import HubError
from oauth import table
from providers import base_urls, hosts, registry, schema_faults
from providers.adapter import CONNECTION_ID, Adapter, Call
from providers.errors import Ambiguous
from providers.intents import INTENTS

_KEY = re.compile("[a-z][a-z0-9_]{2,63}")
_SOUNDS_SECRET = re.compile("secret|token|password|private|api_key|access_key")
_HOST = re.compile(r"\*|(\*\.)?([a-z0-9-]{1,63}\.)+[a-z]{2,63}")
SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One part of the contract: what is wrong with it, if anything, and what else there is to say."""

    name: str
    faults: tuple[str, ...]
    words: str = ""


def examine(adapter: type[Adapter]) -> list[Finding]:
    """Sends nothing, and looks up no name."""
    findings = [Finding(name, tuple(look(adapter))) for name, look in _LOOKS.items()]
    return [*findings, _hosts(adapter)]


def example_of(schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """An object of the first example of each member that has any."""
    members = (schema or {}).get("properties", {})
    return {name: member["examples"][0] for name, member in members.items() if member.get("examples")}


def example_call(adapter: type[Adapter], intent: str = "") -> Call:
    """An intent's example for this adapter; without an intent, the check of a credential."""
    token = {"access_token": "an-example-of-an-access-token"}
    return Call(
        uuid4(),
        intent,
        INTENTS[intent].example if intent else {},
        Deadline.after(SECONDS),
        config=example_of(adapter.config_schema) if intent else {},
        secrets=token if adapter.connection_provider else example_of(adapter.credential_schema),
        attempt_id=uuid4(),
    )


def actions(adapter: type[Adapter]) -> list[str]:
    """What it does over the network: its intents, and its check ("")."""
    return [*sorted(adapter.intents), *([""] if adapter.check is not Adapter.check else [])]


def _names(adapter: type[Adapter]) -> Iterator[str]:
    if not _KEY.fullmatch(adapter.key):
        yield f"key is to match {_KEY.pattern}"
    if not 0 < len(adapter.display_name) <= 100:
        yield "display_name is to have 1 to 100 characters"
    if len(adapter.summary) > 300:
        yield "summary is to have 300 characters at most"


def _documents(adapter: type[Adapter]) -> Iterator[str]:
    if not adapter.is_sandbox and not adapter.docs_url.startswith("https://"):
        yield "docs_url is to name, by https, the page that it was written from"


def _intents(adapter: type[Adapter]) -> Iterator[str]:
    if not adapter.intents and not adapter.credential_schema:
        yield "it serves nothing and binds nothing"
    yield from (f"{name} is no intent of the hub" for name in sorted(adapter.intents - INTENTS.keys()))


def _schemas(adapter: type[Adapter]) -> Iterator[str]:
    for name, schema in _schemas_of(adapter):
        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            yield f"{name}: {error.message}"
            continue
        if schema.get("type") != "object" or schema.get("additionalProperties") is not False:
            yield f"{name} is to be of type object, with additionalProperties false"
        if json.loads(json.dumps(schema)) != schema:
            yield f"{name} is not what JSON makes of it"


def _secrets(adapter: type[Adapter]) -> Iterator[str]:
    for name, schema in _schemas_of(adapter):
        for member, described in _members(schema):
            is_marked = described.get("x-secret")
            if _SOUNDS_SECRET.search(member) and not is_marked and "const" not in described:
                yield f'{name}.{member} sounds secret and has no "x-secret": true'
            if is_marked and name == "config_schema":
                yield f"config_schema.{member} is a secret, which belongs in the credential"


def _examples(adapter: type[Adapter]) -> Iterator[str]:
    for name, schema in _schemas_of(adapter):
        for fault in schema_faults.faults(schema_faults.compiled(schema), example_of(schema), at=name):
            yield f"{fault['field']}: the examples do not fit ({fault['reason']})"


def _login(adapter: type[Adapter]) -> Iterator[str]:
    known = adapter.config_schema.get("properties", {})
    if not adapter.connection_provider:
        if adapter.connection_scopes or "connection_id" in known:
            yield "connection_scopes and connection_id are for those that name a connection_provider"
        return
    if adapter.connection_provider not in table.providers():
        yield f"{adapter.connection_provider!r} is no OAuth provider of this hub"
    if adapter.credential_schema is not None:
        yield "it takes a credential and a connection: nobody would know which one acts"
    if not adapter.connection_scopes:
        yield "connection_scopes is empty"
    if known.get("connection_id") != CONNECTION_ID:
        yield "config_schema lacks connection_id (CONNECTION_ID)"


def _addresses(adapter: type[Adapter]) -> Iterator[str]:
    if adapter.base_url and (words := base_urls.fault(adapter.base_url)):
        yield f"base_url: {words}"
    yield from (
        f"allowed_hosts: {host!r} is no host" for host in sorted(adapter.allowed_hosts) if not _HOST.match(host)
    )


def _preflight(adapter: type[Adapter]) -> Iterator[str]:
    for intent in sorted(adapter.intents):
        try:
            registry.instance(adapter.key).preflight(example_call(adapter, intent))
        except HubError:
            continue  # What it may find wrong with an example depends on the tenant.
        except Exception as fault:  # noqa: BLE001  Foreign code ends here.
            yield f"{intent}: preflight raised {type(fault).__name__}"


def _hosts(adapter: type[Adapter]) -> Finding:
    faults, told = [], []
    for intent in [] if adapter.is_sandbox else actions(adapter):
        call, action = example_call(adapter, intent), intent or "check"
        try:
            found, error = hosts.dialled(adapter, call)
        except Exception as fault:  # noqa: BLE001  Foreign code ends here; what it says may hold a secret.
            faults.append(f"{action} raised {type(fault).__name__}, which is none of the four errors")
            continue
        faults += [
            f"{action} dials {host}, which is not declared" for host in found if not hosts.may_dial(adapter, call, host)
        ]
        if found and (error is None or isinstance(error, Ambiguous)):
            faults.append(f"{action} says that it may have acted, and its provider has no address")
        if error and any(str(secret) in f"{error.message} {error.details}" for secret in call.secrets.values()):
            faults.append(f"{action} tells a secret in its error")
        told.append(f"{action} dials {', '.join(dict.fromkeys(found)) or 'nobody with this example'}")
    return Finding("hosts", tuple(faults), "; ".join(told))


def _schemas_of(adapter: type[Adapter]) -> list[tuple[str, Mapping[str, Any]]]:
    both = {"config_schema": adapter.config_schema, "credential_schema": adapter.credential_schema}
    return [(name, schema) for name, schema in both.items() if schema]


def _members(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, member in schema.get("properties", {}).items():
        yield name, member
        yield from _members(member)


_LOOKS: dict[str, Callable[[type[Adapter]], Iterator[str]]] = {
    "names": _names,
    "documents": _documents,
    "intents": _intents,
    "schemas": _schemas,
    "secrets": _secrets,
    "examples": _examples,
    "login": _login,
    "addresses": _addresses,
    "preflight": _preflight,
}
