"""Operators and the API change providers at once: rows are locked before the end of the platform's trail is."""

from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError
from django.test import Client

from integrationhub.audit import trail
from providers import recording
from providers.models import Provider, ProviderChange
from tests.credentials.test_rotating import in_a_thread
from tests.database import locked, waiting
from tests.environment import PLATFORM_TENANT
from tests.launcher.running import eventually

LIST = "/admin/providers/provider/"
PLATFORM = UUID(PLATFORM_TENANT)


def turned_round() -> dict[str, Any]:
    """What the browser sends when the rows were dragged into the opposite order."""
    rows = list(Provider.objects.all())
    form: dict[str, Any] = {"_save": "Save", "form-TOTAL_FORMS": len(rows), "form-INITIAL_FORMS": len(rows)}
    for at, row in enumerate(rows):
        form |= {f"form-{at}-id": str(row.pk), f"form-{at}-position": len(rows) - at}
    return form


def all_disabled() -> dict[str, Any]:
    ids = [str(pk) for pk in Provider.objects.values_list("pk", flat=True)]
    return {"action": "disable", "confirmed": "yes", "_selected_action": ids}


@pytest.mark.parametrize("form", [all_disabled, turned_round])
def test_whoever_waits_for_a_row_does_not_hold_the_end_of_the_trail(operator: Client, form: Any) -> None:
    """The API's PATCH holds its row when it comes to the trail."""
    trail.note(tenant_id=PLATFORM, action="thing.changed", actor="tester")
    *_, last = Provider.objects.all()
    sent = form()
    with locked("providers_provider", last.pk) as cursor:
        change = in_a_thread(lambda: operator.post(LIST, sent))
        eventually(lambda: waiting(cursor) == 1, seconds=5, what="the operator waits for the row")
        cursor.execute("SELECT FROM audit_head WHERE tenant_id = %s FOR UPDATE NOWAIT", [PLATFORM])
    assert change.result().status_code == 302
    assert ProviderChange.objects.using("system").count() >= 2


def test_an_order_that_fails_in_the_middle_is_not_saved_in_part(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, saved = list(Provider.objects.values_list("pk", "position")), recording.save
    left = [None, None]

    def breaking(*args: Any, **kwargs: Any) -> None:
        if not left:
            raise DatabaseError
        left.pop()
        saved(*args, **kwargs)

    monkeypatch.setattr(recording, "save", breaking)
    operator.raise_request_exception = False
    assert operator.post(LIST, turned_round()).status_code >= 500
    assert (left, list(Provider.objects.values_list("pk", "position"))) == ([], before)
