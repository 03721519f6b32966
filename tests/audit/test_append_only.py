"""Two walls keep entries as they were written: the grants, and triggers for whoever the grants do not bind."""

from uuid import UUID

import pytest
from django.db import DatabaseError, connections

from integrationhub.audit import trail
from integrationhub.core.tenancy import tenant_scope
from tests.audit.reading import trail_of, verify

CHANGES = [
    "UPDATE audit_entry SET actor = 'nobody'",
    "DELETE FROM audit_entry",
    "TRUNCATE audit_entry",
    "UPDATE audit_head SET sequence = 0, hash = ''",
    "DELETE FROM audit_head",
    "TRUNCATE audit_head",
]


@pytest.fixture(autouse=True)
def entry(tenant: UUID) -> None:
    trail.note(tenant_id=tenant, action="thing.changed", actor="tester")


@pytest.mark.parametrize("statement", [*CHANGES, "INSERT INTO audit_head SELECT gen_random_uuid(), 1, ''"])
@pytest.mark.parametrize("role", ["default", "system"])
def test_the_roles_of_the_hub_have_no_right_to(role: str, statement: str, tenant: UUID) -> None:
    with pytest.raises(DatabaseError, match="permission denied"), tenant_scope(tenant):
        connections[role].cursor().execute(statement)
    assert len(trail_of(tenant)) == 1


@pytest.mark.parametrize("statement", CHANGES)
def test_triggers_refuse_it_to_the_owner_too(statement: str, tenant: UUID) -> None:
    with pytest.raises(DatabaseError, match="audit trail is only added to"):
        connections["owner"].cursor().execute(statement)
    assert verify()[0]


def test_triggers_refuse_it_to_a_role_that_was_granted_too_much(tenant: UUID) -> None:
    with connections["owner"].cursor() as owner:
        role = connections["default"].settings_dict["USER"]
        owner.execute(f'GRANT ALL ON audit_entry TO "{role}"')
        try:
            with pytest.raises(DatabaseError, match="audit trail is only added to"), tenant_scope(tenant):
                connections["default"].cursor().execute("DELETE FROM audit_entry")
        finally:
            owner.execute(f'REVOKE ALL ON audit_entry FROM "{role}"')
            owner.execute(f'GRANT SELECT, INSERT ON audit_entry TO "{role}"')


def test_an_owner_that_is_bound_by_row_level_security_chains_as_well(tenant: UUID) -> None:
    """Where three roles were handed out, the owner is no superuser, and the trigger works with its rights."""
    with connections["owner"].cursor() as owner:
        owner.execute("CREATE ROLE plain_owner")
        owner.execute("GRANT ALL ON audit_head TO plain_owner")
        owner.execute("ALTER FUNCTION hub_chain_audit_entry() OWNER TO plain_owner")
        try:
            trail.note(tenant_id=tenant, action="thing.changed", actor="tester")
            trail.record_as_system(tenant_id=tenant, action="thing.changed", actor="operator:o")
        finally:
            owner.execute("REASSIGN OWNED BY plain_owner TO CURRENT_USER")
            owner.execute("DROP OWNED BY plain_owner")
            owner.execute("DROP ROLE plain_owner")
    assert verify() == (True, "1 chains, 3 sound entries, 0 broken\n")
