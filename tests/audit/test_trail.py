"""The trail: an entry stands with the change that it tells of, and the entries of a tenant are one chain."""

import threading
from itertools import pairwise
from uuid import UUID, uuid4

import pytest
import structlog
from django.db import DatabaseError, OperationalError, connection, transaction

from integrationhub.audit import trail
from integrationhub.audit.models import Entry, Head
from integrationhub.core.tenancy import TenantOwned, tenant_scope
from tests.audit.reading import at_once, said, trail_of, verify


def note(tenant: UUID, action: str = "thing.changed", **more: object) -> None:
    trail.note(tenant_id=tenant, action=action, actor="tester", **more)


def test_an_entry_tells_who_did_what_to_what(tenant: UUID) -> None:
    note(tenant, "thing.changed", about="thing:t-1", before=1, after=[2, None])
    (entry,) = trail_of(tenant)
    assert (entry.action, entry.actor, entry.about) == ("thing.changed", "tester", "thing:t-1")
    assert entry.details == {"before": 1, "after": [2, None]}
    assert (entry.sequence, entry.previous_hash, len(entry.hash)) == (1, "", 64)


def test_an_entry_of_a_task_that_was_called_without_a_request(tenant: UUID) -> None:
    with structlog.contextvars.bound_contextvars(request_id=None):
        note(tenant)
    assert [entry.request_id for entry in trail_of(tenant)] == [""]


def test_a_change_that_is_taken_back_takes_its_entry_with_it(tenant: UUID) -> None:
    note(tenant)
    with tenant_scope(tenant):
        trail.record(tenant_id=tenant, action="thing.removed", actor="tester")
        transaction.set_rollback(True)
    note(tenant)
    assert said(tenant) == [("thing.changed", "tester")] * 2
    assert verify() == (True, "1 chains, 2 sound entries, 0 broken\n")


def test_an_entry_outside_a_tenants_scope_is_refused(tenant: UUID) -> None:
    with pytest.raises(DatabaseError, match="row-level security"):
        trail.record(tenant_id=tenant, action="thing.changed", actor="tester")


def test_nobody_writes_into_another_tenants_chain(tenant: UUID) -> None:
    stranger = uuid4()
    note(stranger)
    with pytest.raises(DatabaseError, match="row-level security"), tenant_scope(tenant):
        trail.record(tenant_id=stranger, action="thing.changed", actor="tester")
    assert Head.objects.using("system").get(pk=stranger).sequence == 1


@pytest.mark.parametrize("model", [Entry, Head])
def test_nobody_reads_another_tenants_chain(model: type[TenantOwned], tenant: UUID) -> None:
    note(tenant)
    note(uuid4())
    with tenant_scope(tenant):
        assert list(model.objects.values_list("tenant_id", flat=True)) == [tenant]
    assert not model.objects.exists(), "Outside a scope there is nothing."


def test_what_looks_like_a_secret_is_hidden_and_what_cannot_be_stored_is_left_out(tenant: UUID) -> None:
    note(
        tenant, about="a\0b", auth_token="canary-1", header="Bearer canary-2-canary", odd="x\ud800", deep=[{"a": "\0"}]
    )
    (entry,) = trail_of(tenant)
    assert entry.about == "ab"
    assert entry.details == {"auth_token": "[hidden]", "header": "Bearer [hidden]", "odd": "x?", "deep": [{"a": ""}]}


@pytest.mark.parametrize("number", [0.1, 1.0, 1e22, -0.0, 10**30])
def test_a_number_is_hashed_as_the_database_writes_it(tenant: UUID, number: float) -> None:
    note(tenant, number=number, text='umlaut ü, quote ", emoji \N{HEDGEHOG}')
    assert verify()[0]


def test_what_a_writer_says_of_its_place_in_the_chain_does_not_count(tenant: UUID) -> None:
    with tenant_scope(tenant), connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO audit_entry (id, tenant_id, sequence, created_at, action, actor, about, request_id, details,
                                        previous_hash, hash)
               VALUES (%s, %s, 77, '2001-01-01', 'a.b', 'me', '', '', '{}', 'made', 'up')""",
            [uuid4(), tenant],
        )
    (entry,) = trail_of(tenant)
    assert entry.sequence == 1
    assert entry.created_at.year > 2001
    assert verify()[0]


def test_twenty_writers_of_one_tenant_make_one_chain_without_a_gap(tenant: UUID) -> None:
    def write(writer: int) -> None:
        for number in range(10):
            note(tenant, about=f"thing:{writer}.{number}")

    at_once(write, 20)
    entries = trail_of(tenant)
    assert [entry.sequence for entry in entries] == list(range(1, 201))
    assert len({entry.about for entry in entries}) == 200
    assert all(earlier.created_at <= later.created_at for earlier, later in pairwise(entries))
    assert verify("--tenant", str(tenant)) == (True, "1 chains, 200 sound entries, 0 broken\n")


def test_a_writer_waits_for_one_of_its_own_tenant_and_for_no_other(tenant: UUID) -> None:
    note(tenant)
    other = uuid4()
    written, done = threading.Event(), threading.Event()

    def hold() -> None:
        with tenant_scope(tenant):
            trail.record(tenant_id=tenant, action="thing.held", actor="tester")
            written.set()
            done.wait(10)

    def impatient(_: int) -> list[str]:
        written.wait(10)
        heard = []
        for each in (other, tenant):
            try:
                with tenant_scope(each):
                    connection.cursor().execute("SET LOCAL lock_timeout = '100ms'")
                    trail.record(tenant_id=each, action="thing.hurried", actor="tester")
                heard.append("written")
            except OperationalError as error:
                heard.append("lock timeout" if "lock timeout" in str(error) else str(error))
        done.set()
        return heard

    def act(number: int) -> list[str] | None:
        return impatient(number) if number else hold()

    assert at_once(act, 2)[1] == ["written", "lock timeout"]
    assert said(other) == [("thing.hurried", "tester")]
    assert [action for action, _ in said(tenant)] == ["thing.changed", "thing.held"]
