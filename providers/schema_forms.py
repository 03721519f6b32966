"""A form made of a JSON Schema: what it asks for is what the schema names, and what it refuses is what the API refuses.

Text, whole and other numbers, switches and choices have fields of their own; anything else is typed as JSON. A property
with `x-secret` is typed blind and never sent back to the page.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from unfold import widgets

from providers import schema_faults

_WRITE_ONLY = {"autocomplete": "new-password", "spellcheck": "false"}
_INPUTS = {"email": "email", "uri": "url", "e164": "tel"}


class SchemaForm(forms.Form):
    """Validated by the very validator of the API; `value()` is the object that it was filled in to be."""

    schema: ClassVar[Mapping[str, Any]]
    template_name = "providers/schema_form.html"

    def clean(self) -> dict[str, Any]:
        for fault in schema_faults.faults(schema_faults.compiled(self.schema), self.value()):
            field = fault["field"].split(".")[0].split("[")[0]
            if field not in self.errors:
                sentence = f"{fault['reason'].replace('_', ' ').capitalize()}: {fault['expected']}."
                self.add_error(field if field in self.fields else None, sentence)
        return self.cleaned_data

    def value(self) -> dict[str, Any]:
        """What was filled in; a field that was left empty is not there."""
        return {
            name: self.cleaned_data[name]
            for name in self.schema.get("properties", {})
            if self.cleaned_data.get(name) not in (None, "")
        }


def form_class(schema: Mapping[str, Any]) -> type[SchemaForm]:
    """The form of an object's schema, its fields in the order of its properties."""
    required = schema.get("required", [])
    fields = {name: _field(name, member, name in required) for name, member in schema.get("properties", {}).items()}
    return type("FormOfSchema", (SchemaForm,), {"schema": schema, **fields})


def _field(name: str, member: Mapping[str, Any], is_required: bool) -> forms.Field:
    said = member.get("description", "")
    common = {
        "label": member.get("title") or name.replace("_", " ").capitalize(),
        "help_text": said[:1].upper() + said[1:],
        "required": is_required,
    }
    if member.get("x-secret"):
        widget = widgets.UnfoldAdminPasswordWidget(attrs=_WRITE_ONLY, render_value=False)
        return _of_type(member, common, widget)
    if "enum" in member:
        choices = [("", "-"), *((str(value), str(value)) for value in member["enum"])]
        named = {str(value): value for value in member["enum"]}
        return forms.TypedChoiceField(
            choices=choices, coerce=named.__getitem__, widget=widgets.UnfoldAdminSelectWidget(), **common
        )
    if member.get("type") == "boolean":
        return forms.BooleanField(widget=widgets.UnfoldBooleanSwitchWidget(), **{**common, "required": False})
    widget = widgets.UnfoldAdminTextInputWidget()
    widget.input_type = _INPUTS.get(member.get("format", ""), "text")
    return _of_type(member, common, widget)


def _of_type(member: Mapping[str, Any], common: dict[str, Any], widget: forms.Widget) -> forms.Field:
    """Secrets too are of a type."""
    kind = member.get("type", "string")
    if kind == "string":
        # As the API takes it: white space in a secret is part of it.
        return forms.CharField(strip=False, widget=widget, **common)
    if kind in ("integer", "number"):
        return (forms.IntegerField if kind == "integer" else forms.FloatField)(widget=widget, **common)
    return forms.JSONField(widget=widget, **common)
