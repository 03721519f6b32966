"""Forms made of JSON Schema: a field of the right kind for each member, and the API's own verdict."""

from typing import Any

import pytest
from django.http import QueryDict

from providers import registry, schema_faults
from providers.schema_forms import SchemaForm, form_class

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "host": {"type": "string", "format": "uri", "description": "where it is"},
        "token": {"type": "string", "minLength": 4, "x-secret": True},
        "port": {"type": "integer", "minimum": 1, "maximum": 65535, "title": "Port number"},
        "ratio": {"type": "number"},
        "tls": {"type": "boolean"},
        "region": {"type": "string", "enum": ["us1", "ie1"]},
        "size": {"type": "integer", "enum": [1, 2]},
        "contact": {"type": "string", "format": "email"},
        "labels": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["host", "token"],
    "additionalProperties": False,
}
FILLED = {
    "host": "https://carrier.example",
    "token": " secret with spaces ",
    "port": "443",
    "ratio": "0.5",
    "tls": "on",
    "region": "ie1",
    "size": "2",
    "contact": "ops@carrier.example",
    "labels": '["a", "b"]',
}


def filled(**over: str) -> SchemaForm:
    data = QueryDict(mutable=True)
    data.update({**FILLED, **over})
    return form_class(SCHEMA)(data)


def test_what_is_filled_in_becomes_the_object_of_the_schema() -> None:
    form = filled()
    assert form.is_valid(), form.errors
    assert form.value() == {
        "host": "https://carrier.example",
        "token": " secret with spaces ",
        "port": 443,
        "ratio": 0.5,
        "tls": True,
        "region": "ie1",
        "size": 2,
        "contact": "ops@carrier.example",
        "labels": ["a", "b"],
    }


def test_what_is_left_empty_is_left_out() -> None:
    form = filled(port="", ratio="", region="", size="", contact="", labels="")
    assert form.is_valid(), form.errors
    assert form.value().keys() == {"host", "token", "tls"}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("host", "carrier", "Wrong form: where it is."),
        ("host", "", "This field is required."),
        ("token", "abc", "Too short: at least 4 characters."),
        ("port", "70000", "Too large: 65535 or less."),
        ("port", "many", "Enter a whole number."),
        ("size", "3", "Select a valid choice. 3 is not one of the available choices."),
        ("contact", "nobody", "Wrong form: the form of email."),
        ("labels", "[1]", "Wrong type: string."),
        ("labels", "{", "Enter a valid JSON."),
    ],
)
def test_a_fault_is_said_once_and_at_its_field(name: str, value: str, said: str) -> None:
    form = filled(**{name: value})
    assert not form.is_valid()
    assert form.errors == {name: [said]}


def test_each_field_has_a_name_and_help_and_the_kind_of_input_that_fits() -> None:
    html = form_class(SCHEMA)().render()
    for label in ("Host", "Port number", "Tls"):
        assert f">{label}" in html
    assert 'id="id_host_helptext">Where it is<' in html
    kinds = {"host": "url", "token": "password", "contact": "email", "tls": "checkbox", "port": "text"}
    for name, kind in kinds.items():
        assert f'<input type="{kind}" name="{name}"' in html


def test_a_secret_is_never_sent_back() -> None:
    form = filled(port="70000")
    assert not form.is_valid()
    html = form.render()
    assert "secret with spaces" not in html
    assert "https://carrier.example" in html


@pytest.mark.parametrize("adapter", registry.all(), ids=lambda adapter: adapter.key)
def test_every_adapters_schemas_make_forms(adapter: Any) -> None:
    for schema in filter(None, (adapter.config_schema, adapter.credential_schema)):
        form = form_class(schema)
        assert list(form.base_fields) == list(schema["properties"])
        secret = {name for name, member in schema["properties"].items() if member.get("x-secret")}
        blind = {name for name, field in form.base_fields.items() if field.widget.input_type == "password"}
        assert blind == secret
        empty = form({})
        empty.is_valid()
        assert bool(empty.errors) == bool(schema_faults.faults(schema_faults.compiled(schema), {}))
