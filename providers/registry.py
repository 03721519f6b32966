"""The adapters of this process: found once in the modules that `settings.ADAPTER_MODULES` names, then looked up by key.

A fault in any of them stops the start, in one plain sentence: a provider that is missing without a word would only be
noticed when it is needed.
"""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from types import ModuleType

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from jsonschema import Draft202012Validator, SchemaError

from integrationhub.core.outbound import Client
from providers.adapter import Adapter
from providers.errors import AdapterNotFound
from providers.intents import INTENTS

_KEY = re.compile(r"[a-z][a-z0-9_]{2,63}")
_adapters: dict[str, type[Adapter]] = {}
_instances: dict[str, Adapter] = {}
_faultless: set[type[Adapter]] = set()  # Those looked at before; to read a schema takes a millisecond.
_client = cache(Client)  # One pool of connections for all adapters.


def load() -> None:
    """Find all adapters. Raises ImproperlyConfigured, naming module and fault, and then keeps those it had."""
    found: dict[str, type[Adapter]] = {}
    for module in (module for name in settings.ADAPTER_MODULES for module in _modules(name)):
        for adapter in _adapters_in(module):
            _check(adapter)
            if adapter.key in found:
                both = f"{_name(found[adapter.key])} and {_name(adapter)}"
                raise ImproperlyConfigured(f"Two adapters have the key {adapter.key!r}: {both}. Rename one of them.")
            found[adapter.key] = adapter
    _adapters.clear()
    _instances.clear()
    _adapters.update(sorted(found.items()))


def all() -> list[type[Adapter]]:
    """The adapters in use, ordered by key. Where the sandbox is off, its adapters are as good as absent everywhere."""
    return [adapter for adapter in _adapters.values() if _is_in_use(adapter)]


def find(key: str) -> type[Adapter] | None:
    adapter = _adapters.get(key)
    return adapter if adapter and _is_in_use(adapter) else None


def get(key: str) -> type[Adapter]:
    """The adapter class of a provider key. Raises AdapterNotFound, which lists the keys that have one."""
    adapter = find(key)
    if adapter is None:
        raise AdapterNotFound(
            f"No adapter implementation exists for the provider {key[:64]!r}.",
            provider_key=key[:64],
            available_adapters=[each.key for each in all()],
        )
    return adapter


def instance(key: str) -> Adapter:
    """The one adapter object of this process, holding the pooled HTTP client. Raises AdapterNotFound."""
    adapter = get(key)
    if key not in _instances:
        # Two threads may both get here: `setdefault` keeps one object, and the other was never handed out.
        _instances.setdefault(key, adapter(_client()))
    return _instances[key]


def hidden_keys() -> list[str]:
    """Keys of adapters that this deployment has switched off; their rows are not shown."""
    return [key for key, adapter in _adapters.items() if not _is_in_use(adapter)]


def keys_for(intent: str) -> list[str]:
    """Keys of the adapters that serve an intent."""
    return [adapter.key for adapter in all() if intent in adapter.intents]


def _is_in_use(adapter: type[Adapter]) -> bool:
    return settings.SANDBOX_ENABLED or not adapter.is_sandbox


def _modules(name: str) -> Iterator[ModuleType]:
    """The module itself, or each module of a package, one level deep."""
    module = _import(name)
    if not hasattr(module, "__path__"):
        yield module
        return
    for found in pkgutil.iter_modules(module.__path__, f"{name}."):
        yield _import(found.name)


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (ImportError, SyntaxError, NameError, AttributeError, TypeError, ValueError) as error:
        raise ImproperlyConfigured(f"The adapter module {name} does not import: {error}") from error


def _adapters_in(module: ModuleType) -> list[type[Adapter]]:
    """Adapters defined in this module or, for a package, inside it; imported bases belong to another module."""
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Adapter)
        and (value.__module__ == module.__name__ or value.__module__.startswith(f"{module.__name__}."))
    ]
    if not found:
        raise ImproperlyConfigured(f"The module {module.__name__} defines no adapter. Move it out, or finish it.")
    return found


def _check(adapter: type[Adapter]) -> None:
    if adapter in _faultless:
        return
    if fault := _fault(adapter):
        raise ImproperlyConfigured(f"The adapter {_name(adapter)} {fault}")
    _faultless.add(adapter)


def _fault(adapter: type[Adapter]) -> str | None:
    if missing := [name for name in ("key", "display_name") if not getattr(adapter, name, None)]:
        return f"sets no {' and no '.join(missing)}."
    if getattr(adapter, "intents", None) is None:
        return "sets no intents."
    if not _KEY.fullmatch(adapter.key):
        return f"has the key {adapter.key!r}; a key is 3 to 64 of a-z, 0-9 and _, beginning with a letter."
    if unknown := sorted(adapter.intents - INTENTS.keys()):
        return f"serves {', '.join(unknown)}, which providers/intents.py does not know."
    if adapter.intents and adapter.execute is Adapter.execute:
        return "defines no execute()."
    if adapter.takes_webhooks() != (adapter.parse_webhook is not Adapter.parse_webhook):
        return "defines only one of verify_webhook() and parse_webhook()."
    if adapter.tells and not adapter.is_heard_of():
        return "says what it tells, and defines neither verify_webhook() nor status()."
    return _schema_fault(adapter)


def _schema_fault(adapter: type[Adapter]) -> str | None:
    for name in ("config_schema", "credential_schema"):
        schema = getattr(adapter, name)
        if schema is None and name == "credential_schema":
            continue
        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            return f"has a {name} that is not JSON Schema: {error.message}"
        if schema.get("type") != "object":
            return f"has a {name} whose type is not object."
    return None


def _name(adapter: type[Adapter]) -> str:
    return f"{adapter.__module__}.{adapter.__qualname__}"
