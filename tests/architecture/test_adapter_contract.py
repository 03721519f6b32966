"""Every adapter of the registry, whoever wrote it, keeps the contract of `providers/adapter.py`."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

import pytest
from jsonschema import Draft202012Validator

from integrationhub.core.deadline import Deadline
from providers import registry
from providers.adapter import Adapter, Call
from providers.intents import CATEGORIES, INTENTS

ADAPTERS = registry.all()
EACH = pytest.mark.parametrize("adapter", ADAPTERS, ids=[adapter.key for adapter in ADAPTERS])
SECRET_NAMES = re.compile(r"secret|token|password|private|api_key|access_key")


def members(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, member in schema.get("properties", {}).items():
        yield name, member
        yield from members(member)


@EACH
def test_it_names_itself_for_people_and_machines(adapter: type[Adapter]) -> None:
    assert re.fullmatch("[a-z][a-z0-9_]{2,63}", adapter.key)
    assert 0 < len(adapter.display_name) <= 100
    assert len(adapter.summary) <= 300
    assert adapter.docs_url == "" or adapter.docs_url.startswith("https://")


@EACH
def test_it_serves_known_intents(adapter: type[Adapter]) -> None:
    assert adapter.intents
    assert adapter.intents <= INTENTS.keys()
    assert {INTENTS[name].category for name in adapter.intents} <= set(CATEGORIES)


@EACH
def test_its_schemas_are_closed_objects_that_json_can_carry(adapter: type[Adapter]) -> None:
    for schema in filter(None, (adapter.config_schema, adapter.credential_schema)):
        Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
        assert schema["additionalProperties"] is False
        assert json.loads(json.dumps(schema)) == schema


@EACH
def test_every_member_that_sounds_secret_is_marked_so(adapter: type[Adapter]) -> None:
    for schema in filter(None, (adapter.config_schema, adapter.credential_schema)):
        open_ones = [
            name for name, member in members(schema) if SECRET_NAMES.search(name) and not member.get("x-secret")
        ]
        assert open_ones == []


@EACH
def test_a_secret_is_never_part_of_the_configuration(adapter: type[Adapter]) -> None:
    assert [name for name, member in members(adapter.config_schema) if member.get("x-secret")] == []


@EACH
def test_one_instance_serves_all_threads_and_shows_nothing(adapter: type[Adapter]) -> None:
    instance = registry.instance(adapter.key)
    assert vars(instance).keys() == {"http"}, "what an adapter keeps would be shared between tenants"
    assert "object at" in repr(instance)


@EACH
def test_the_preflight_of_a_good_example_refuses_nothing(adapter: type[Adapter]) -> None:
    for name in sorted(adapter.intents):
        registry.instance(adapter.key).preflight(Call(uuid4(), name, INTENTS[name].example, Deadline.after(5)))


def test_a_call_does_not_show_its_secrets() -> None:
    call = Call(uuid4(), "message.send.sms", {}, Deadline.after(1), secrets={"auth_token": "hunter2"})
    assert "hunter2" not in repr(call)
