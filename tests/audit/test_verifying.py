"""Whoever disables the triggers can still not change the trail unseen."""

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from integrationhub.audit import trail, verifying
from integrationhub.audit.models import Entry, Head
from tests.audit.reading import tampering, trail_of, verify


@pytest.fixture(autouse=True)
def five_entries(tenant: UUID) -> None:
    for number in range(1, 6):
        trail.note(tenant_id=tenant, action="thing.changed", actor="tester", about=f"thing:{number}", number=number)


def broken(tenant: UUID) -> str:
    """What is said of the tenant's chain, among a whole one."""
    trail.note(tenant_id=uuid4(), action="thing.changed", actor="tester")
    is_whole, text = verify()
    first, last = text.splitlines()
    assert not is_whole
    assert last.endswith("1 broken")
    return first.removeprefix(f"BROKEN {tenant}: ")


def test_a_whole_trail_verifies_with_counts(tenant: UUID) -> None:
    trail.note(tenant_id=uuid4(), action="thing.changed", actor="tester")
    assert verify() == (True, "2 chains, 6 sound entries, 0 broken\n")
    assert verify("--tenant", str(tenant)) == (True, "1 chains, 5 sound entries, 0 broken\n")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("actor", "'somebody else'"),
        ("action", "'thing.kept'"),
        ("about", "'thing:9'"),
        ("request_id", "'another-request'"),
        ("details", "'{\"number\": 9}'"),
        ("created_at", "created_at + interval '1 microsecond'"),
        ("id", "gen_random_uuid()"),
        ("hash", "repeat('0', 64)"),
    ],
)
def test_a_changed_field_is_found(tenant: UUID, column: str, value: str) -> None:
    with tampering() as owner:
        owner.execute(f"UPDATE audit_entry SET {column} = {value} WHERE sequence = 3")
    assert broken(tenant) == f"entry 3 ({trail_of(tenant)[2].id}) was changed"


def test_an_entry_that_was_given_to_another_tenant_is_found(tenant: UUID) -> None:
    stranger = uuid4()
    with tampering() as owner:
        owner.execute("UPDATE audit_entry SET tenant_id = %s WHERE sequence = 5", [stranger])
    text = verify()[1]
    assert f"BROKEN {tenant}: entry 5 is missing at the end" in text
    assert f"BROKEN {stranger}: entry 1 to 4 is missing" in text


def test_an_entry_deleted_from_the_middle_is_missed(tenant: UUID) -> None:
    with tampering() as owner:
        owner.execute("DELETE FROM audit_entry WHERE sequence = 3")
    assert broken(tenant) == "entry 3 is missing"


def test_an_entry_deleted_from_the_middle_is_missed_after_the_others_moved_up(tenant: UUID) -> None:
    with tampering() as owner:
        owner.execute("DELETE FROM audit_entry WHERE sequence = 3")
        owner.execute("UPDATE audit_entry SET sequence = 3 WHERE sequence = 4")
    assert "does not follow the one before it" in broken(tenant)


def test_a_tail_that_was_cut_off_is_missed(tenant: UUID) -> None:
    with tampering() as owner:
        owner.execute("DELETE FROM audit_entry WHERE sequence > 3")
    assert broken(tenant) == "entry 4 to 5 is missing at the end"


def test_two_entries_that_changed_places_are_found(tenant: UUID) -> None:
    with tampering() as owner:
        owner.execute("UPDATE audit_entry SET sequence = 99 WHERE sequence = 2")
        owner.execute("UPDATE audit_entry SET sequence = 2 WHERE sequence = 3")
        owner.execute("UPDATE audit_entry SET sequence = 3 WHERE sequence = 99")
    assert broken(tenant).startswith(f"entry 2 ({trail_of(tenant)[1].id}) does not follow the one before it: swapped")


def forge(tenant: UUID, sequence: int, previous: str, **over: Any) -> Entry:
    """An entry with a hash as good as the real ones."""
    like = trail_of(tenant)[0]
    made = Entry(
        tenant_id=tenant,
        sequence=sequence,
        previous_hash=previous,
        created_at=like.created_at,
        **{"action": "thing.forged", "actor": "tester", **over},
    )
    made.said = "{}"  # type: ignore[attr-defined]
    made.hash = verifying.digest(made)
    return made


def insert(entry: Entry) -> None:
    with tampering():
        entry.save(force_insert=True, using="owner")


def test_an_entry_put_in_between_is_found(tenant: UUID) -> None:
    with tampering() as owner:
        for number in (5, 4, 3):
            owner.execute("UPDATE audit_entry SET sequence = sequence + 1 WHERE sequence = %s", [number])
    insert(forge(tenant, 3, trail_of(tenant)[1].hash))
    assert broken(tenant).startswith("entry 4")


def test_an_entry_put_behind_the_end_is_found(tenant: UUID) -> None:
    insert(forge(tenant, 6, trail_of(tenant)[-1].hash))
    assert broken(tenant) == "entry 6 stands behind the head"


def test_a_last_entry_that_was_replaced_by_a_good_one_is_found(tenant: UUID) -> None:
    *_, fourth, _ = trail_of(tenant)
    with tampering() as owner:
        owner.execute("DELETE FROM audit_entry WHERE sequence = 5")
    insert(forge(tenant, 5, fourth.hash))
    assert broken(tenant) == "entry 5 is not the one that the head names"


def test_a_head_that_was_removed_is_missed(tenant: UUID) -> None:
    with tampering() as owner:
        owner.execute("DELETE FROM audit_head WHERE tenant_id = %s", [tenant])
    assert broken(tenant) == "the head is missing"


def test_a_chain_that_was_wiped_is_missed_by_its_head(tenant: UUID) -> None:
    with tampering() as owner:
        owner.execute("DELETE FROM audit_entry")
    assert broken(tenant) == "entry 1 to 5 is missing at the end"


def kept_heads(path: Path) -> str:
    is_whole, text = verify("--heads")
    assert is_whole
    path.write_text("".join(line + "\n" for line in text.splitlines() if "sound entries" not in line))
    return path.as_posix()


def test_heads_that_were_kept_elsewhere_show_a_tail_that_was_cut_together_with_its_head(
    tenant: UUID, tmp_path: Path
) -> None:
    heads = kept_heads(tmp_path / "heads")
    trail.note(tenant_id=tenant, action="thing.changed", actor="tester")
    assert verify("--against", heads)[0], "what was added since is no fault"
    third = trail_of(tenant)[2]
    with tampering() as owner:
        owner.execute("DELETE FROM audit_entry WHERE sequence > 3")
        owner.execute("UPDATE audit_head SET sequence = 3, hash = %s", [third.hash])
    assert verify() == (True, "1 chains, 3 sound entries, 0 broken\n"), "the chain alone cannot tell"
    assert f"BROKEN {tenant}: entry 5 was noted down and is missing" in verify("--against", heads)[1]


def test_heads_that_were_kept_elsewhere_show_a_trail_that_was_written_anew(tenant: UUID, tmp_path: Path) -> None:
    heads = kept_heads(tmp_path / "heads")
    with tampering() as owner:
        owner.execute("DELETE FROM audit_entry")
        owner.execute("DELETE FROM audit_head")
    assert f"BROKEN {tenant}: entry 5 was noted down and is missing" in verify("--against", heads)[1]
    for number in range(1, 6):
        trail.note(tenant_id=tenant, action="thing.changed", actor="innocent", about=f"thing:{number}")
    assert verify()[0]
    assert f"BROKEN {tenant}: entry 5 is not the one that was noted down" in verify("--against", heads)[1]


def test_a_chain_longer_than_a_batch_is_walked_in_batches(tenant: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "BATCH", 2)
    assert verify()[0]
    with tampering() as owner:
        owner.execute("UPDATE audit_entry SET actor = 'x' WHERE sequence = 5")
    assert "entry 5" in broken(tenant)


def test_the_head_names_the_last_entry(tenant: UUID) -> None:
    assert str(Head.objects.using("system").get(pk=tenant)) == f"{tenant} 5 {trail_of(tenant)[-1].hash}"
