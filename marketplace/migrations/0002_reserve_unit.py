from django.db import migrations

# Takes one unit of a month's quota (NULL: no limit); NULL when there is none left. One statement decides for racing
# requests: the second waits for the first one's row and then reads the condition again.
RESERVE_UNIT = """
CREATE FUNCTION hub_reserve_unit(p_tenant uuid, p_period date, p_quota bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    units_used bigint;
BEGIN
    INSERT INTO marketplace_usage (tenant_id, period, used)
    SELECT p_tenant, p_period, 1 WHERE p_quota IS NULL OR p_quota > 0
    ON CONFLICT (tenant_id, period) DO UPDATE SET used = marketplace_usage.used + 1
    WHERE p_quota IS NULL OR marketplace_usage.used < p_quota
    RETURNING used INTO units_used;
    RETURN units_used;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("marketplace", "0001_initial")]

    operations = [
        migrations.RunSQL(RESERVE_UNIT, "DROP FUNCTION hub_reserve_unit(uuid, date, bigint)"),
    ]
