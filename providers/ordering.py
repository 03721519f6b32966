"""The operators' order of the providers, changed one step at a time."""

from uuid import UUID

from django.db import transaction

from providers import recording
from providers.models import Provider
from providers.recording import Author


def move(provider_id: UUID, steps: int, *, by: Author, using: str) -> bool:
    """Put a provider so many places further down the list (up, below zero); False at its end.

    The list is numbered through while it is at it: equal positions could not be told apart.
    """
    with transaction.atomic(using=using):
        recording.lock(using=using)
        rows = list(Provider.objects.using(using))
        place = next((at for at, row in enumerate(rows) if row.pk == provider_id), -1)
        if place < 0 or not 0 <= place + steps < len(rows):
            return False
        rows.insert(place + steps, rows.pop(place))
        for position, row in enumerate(rows):
            if row.position != position:
                row.position = position
                recording.save(row, ["position"], by=by, using=using)
        return True
