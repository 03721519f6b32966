from django.db import migrations, models

# One row of a month made every execution of a tenant wait for the commit of the one before it. So the count is kept in
# parts, and a connection adds to its own. Each part may count up to its share of the quota: no part knows of another
# one's running transactions, and still all of them together never pass the quota.
PARTS = """
ALTER TABLE marketplace_usage ADD COLUMN part smallint NOT NULL DEFAULT 0;
ALTER TABLE marketplace_usage DROP CONSTRAINT marketplace_usage_pkey;
ALTER TABLE marketplace_usage ADD PRIMARY KEY (tenant_id, period, part);
"""
ONE_PART = """
ALTER TABLE marketplace_usage DROP CONSTRAINT marketplace_usage_pkey;
WITH gone AS (DELETE FROM marketplace_usage RETURNING tenant_id, period, used)
INSERT INTO marketplace_usage (tenant_id, period, part, used)
SELECT tenant_id, period, 0, sum(used) FROM gone GROUP BY tenant_id, period;
ALTER TABLE marketplace_usage DROP COLUMN part;
ALTER TABLE marketplace_usage ADD PRIMARY KEY (tenant_id, period);
"""

# Takes one unit of a month's quota (NULL: no limit) and returns how many are taken now; NULL when none is left. Within
# a part, the second of two racing requests waits for the first one's row and then reads the condition again.
RESERVE_UNIT = """
CREATE OR REPLACE FUNCTION hub_reserve_unit(p_tenant uuid, p_period date, p_quota bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    parts CONSTANT integer := 16;
    own integer := pg_backend_pid() % parts;
    units_used bigint;
    is_beyond_share boolean;
    candidate integer;
BEGIN
    SELECT coalesce(sum(used), 0), coalesce(bool_or(used > hub_share_of(p_quota, part, parts)), false)
    INTO units_used, is_beyond_share
    FROM marketplace_usage WHERE tenant_id = p_tenant AND period = p_period;
    IF is_beyond_share THEN
        -- The quota was lowered, and the shares say too much. Until the month ends, who takes a unit counts all parts and
        -- keeps the others waiting; what is left is taken from a part with room like any other.
        PERFORM FROM marketplace_usage WHERE tenant_id = p_tenant AND period = p_period ORDER BY part FOR UPDATE;
        SELECT sum(used) INTO units_used FROM marketplace_usage WHERE tenant_id = p_tenant AND period = p_period;
        IF units_used >= p_quota THEN
            RETURN NULL;
        END IF;
    END IF;
    IF hub_count_in(p_tenant, p_period, own, hub_share_of(p_quota, own, parts)) THEN
        RETURN units_used + 1;
    END IF;
    FOR candidate IN
        SELECT each FROM generate_series(0, parts - 1) AS each
        LEFT JOIN marketplace_usage ON tenant_id = p_tenant AND period = p_period AND part = each
        WHERE coalesce(used, 0) < hub_share_of(p_quota, each, parts)
        ORDER BY (each - own + parts) % parts
    LOOP
        IF hub_count_in(p_tenant, p_period, candidate, hub_share_of(p_quota, candidate, parts)) THEN
            RETURN units_used + 1;
        END IF;
    END LOOP;
    RETURN NULL;
END $$
"""
# How much of a quota a part may count. The shares of all parts add up to it, and a higher quota lowers none of them: what
# counts under the quota from before it was raised never passes the new one.
SHARE_OF = """
CREATE FUNCTION hub_share_of(p_quota bigint, p_part integer, p_parts integer) RETURNS bigint
LANGUAGE sql IMMUTABLE RETURN p_quota / p_parts + (p_part < p_quota % p_parts)::integer
"""
# Counts one in a part, unless it has its share already. A part that is seen to be full stays unlocked: an upsert would keep
# its row locked, and two who look for room in each other's parts would wait for each other for good.
COUNT_IN = """
CREATE FUNCTION hub_count_in(p_tenant uuid, p_period date, p_part integer, p_share bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    IF p_share = 0 THEN
        RETURN false;
    END IF;
    FOR turn IN 1..2 LOOP
        UPDATE marketplace_usage SET used = used + 1
        WHERE tenant_id = p_tenant AND period = p_period AND part = p_part AND (p_share IS NULL OR used < p_share);
        IF FOUND THEN
            RETURN true;
        END IF;
        -- There is no such part yet, or it is full; another request may make it at this moment.
        INSERT INTO marketplace_usage (tenant_id, period, part, used) VALUES (p_tenant, p_period, p_part, 1)
        ON CONFLICT DO NOTHING;
        IF FOUND THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN false;
END $$
"""
RESERVE_UNIT_OF_ONE_PART = """
CREATE OR REPLACE FUNCTION hub_reserve_unit(p_tenant uuid, p_period date, p_quota bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
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
    dependencies = [("marketplace", "0002_reserve_unit")]

    operations = [
        migrations.RunSQL(
            PARTS,
            ONE_PART,
            state_operations=[
                migrations.DeleteModel("Usage"),
                migrations.CreateModel(
                    name="Usage",
                    fields=[
                        ("tenant_id", models.UUIDField(editable=False)),
                        (
                            "pk",
                            models.CompositePrimaryKey(
                                "tenant_id",
                                "period",
                                "part",
                                blank=True,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("period", models.DateField()),
                        ("part", models.PositiveSmallIntegerField(default=0, db_default=0)),
                        ("used", models.BigIntegerField(default=0)),
                    ],
                    options={
                        "constraints": [
                            models.CheckConstraint(condition=models.Q(("used__gte", 0)), name="usage_is_not_negative")
                        ]
                    },
                ),
            ],
        ),
        migrations.RunSQL(SHARE_OF, "DROP FUNCTION hub_share_of(bigint, integer, integer)"),
        migrations.RunSQL(COUNT_IN, "DROP FUNCTION hub_count_in(uuid, date, integer, bigint)"),
        migrations.RunSQL(RESERVE_UNIT, RESERVE_UNIT_OF_ONE_PART),
    ]
