"""Migration operation that walls a tenant-owned table off by PostgreSQL's row-level security."""

from django.db.migrations.operations import RunSQL

# FORCE binds the table's owner too. An unset or empty setting reads as NULL, which equals nothing: no tenant, no rows.
POLICY = """
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON {table}
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
"""
NO_POLICY = """
DROP POLICY tenant_isolation ON {table};
ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY;
ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;
"""


class TenantTable(RunSQL):
    """`TenantTable("credentials_credential")`, the last operation of the migration that makes the table."""

    def __init__(self, table: str) -> None:
        super().__init__(POLICY.format(table=table), NO_POLICY.format(table=table))
        self.table = table

    def deconstruct(self) -> tuple[str, list[str], dict[str, str]]:
        return type(self).__name__, [self.table], {}
