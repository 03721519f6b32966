"""Which columns hold values that the vault has sealed, so that what goes through all of them finds them by itself."""

from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import models


class SealedField(models.BinaryField):
    """What `vault().seal` or `vault().keep` returned, for the place (tenant, table, row, `place`, which is this
    column's name if nothing else is said).

    `rows` is SQL for the rows that may hold a value, where an index can tell them from a mass of others; `is_kept` says
    that it was `keep`. A model with a member `key_id` is told the name of the key there.
    """

    def __init__(
        self, *args: Any, rows: str = "true", is_kept: bool = False, place: str | None = None, **kwargs: Any
    ) -> None:
        self.rows, self.is_kept, self.place = rows, is_kept, place
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        """As migrations know it: bytes."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.BinaryField", args, kwargs


@dataclass(frozen=True, slots=True)
class Column:
    table: str
    name: str
    rows: str
    is_kept: bool
    place: str
    has_key_id: bool


def columns() -> list[Column]:
    """Every sealed column of the installation."""
    return [
        Column(
            model._meta.db_table,
            str(field.column),
            field.rows,
            field.is_kept,
            field.place or str(field.column),
            has_key_id=any(other.name == "key_id" for other in model._meta.local_fields),
        )
        for model in apps.get_models()
        for field in model._meta.local_fields
        if isinstance(field, SealedField)
    ]
