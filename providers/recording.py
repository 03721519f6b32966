"""Every change of a provider's row, kept with who made it and the values before and after; and taken back.

Each stands in the platform's audit trail too, in the same transaction.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction

from integrationhub.audit import trail
from integrationhub.core.operators import SYSTEM
from providers.models import Provider, ProviderChange, Status

MEMBERS = ("display_name", "category", "status", "summary", "base_url", "position")


@dataclass(frozen=True, slots=True)
class Author:
    """Who changes a row: an operator by name, or the subject of a token."""

    name: str
    via: ProviderChange.Via

    @property
    def actor(self) -> str:
        """The same in the audit trail."""
        return f"operator:{self.name}" if self.via == ProviderChange.Via.ADMIN else self.name


class CannotUndo(Exception):
    """A change stays, for the reason that its one argument gives as a sentence."""


def create(provider: Provider, *, by: Author, using: str | None = None) -> None:
    """Write a new row. Raises IntegrityError where its key is taken."""
    with transaction.atomic(using=using):
        provider.save(using=using, force_insert=True)
        values = {name: getattr(provider, name) for name in MEMBERS}
        _keep(provider, {}, values, by, using)


def lock(*, using: str) -> None:
    """Whoever changes several rows locks them all first, here: the end of the trail, which each change takes, is held
    to the commit, and nobody may wait for a row while it holds that. Inside the transaction of the changes."""
    # By their ids, which do not change while it waits.
    list(Provider.objects.using(using).order_by("pk").select_for_update(no_key=True).values_list("pk"))


def save(
    provider: Provider,
    members: Iterable[str] = MEMBERS,
    *,
    by: Author,
    using: str | None = None,
    undoes: ProviderChange | None = None,
) -> None:
    """Write those members of a row that differ from what is stored; nothing where none does."""
    with transaction.atomic(using=using):
        stored = Provider.objects.using(using).select_for_update(no_key=True).get(pk=provider.pk)
        changed = [name for name in members if getattr(stored, name) != getattr(provider, name)]
        if not changed:
            return
        provider.save(using=using, update_fields=[*changed, "updated_at"])
        before, after = ({name: getattr(row, name) for name in changed} for row in (stored, provider))
        _keep(provider, before, after, by, using, undoes)


def undo(change_id: UUID, *, by: Author, using: str | None = None) -> ProviderChange:
    """Put back what a change replaced, as a change of its own; returns the one undone. Raises CannotUndo."""
    with transaction.atomic(using=using):
        change = ProviderChange.objects.using(using).get(pk=change_id)
        provider = Provider.objects.using(using).select_for_update(no_key=True).get(pk=change.provider_id)
        _refuse_what_is_past(change, provider)
        for name, value in change.before.items():
            setattr(provider, name, value)
        try:
            provider.full_clean()
        except ValidationError as fault:
            raise CannotUndo(" ".join(fault.messages)) from fault
        save(provider, change.before, by=by, using=using, undoes=change)
    return change


def _refuse_what_is_past(change: ProviderChange, provider: Provider) -> None:
    if not change.before:
        raise CannotUndo("That is how the row was added. Retire the provider instead.")
    since = [name for name, value in change.after.items() if getattr(provider, name) != value]
    if since:
        said = "; ".join(f"{name} is {getattr(provider, name)!r} by now, not {change.after[name]!r}" for name in since)
        raise CannotUndo(f"It has been changed again since: {said}.")


def _keep(
    provider: Provider,
    before: dict[str, Any],
    after: dict[str, Any],
    by: Author,
    using: str | None,
    undoes: ProviderChange | None = None,
) -> None:
    ProviderChange.objects.using(using).create(
        provider_id=provider.pk, actor=by.name, via=by.via, before=before, after=after, undoes=undoes
    )
    became = "created" if not before else "retired" if after.get("status") == Status.RETIRED else "changed"
    platform, about = trail.platform(), f"provider:{provider.provider_key}"
    record = trail.record_as_system if using == SYSTEM else trail.note
    record(tenant_id=platform, action=f"provider.{became}", actor=by.actor, about=about, **after)
