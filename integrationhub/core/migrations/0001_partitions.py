from django.db import migrations

# The first 48 bits of a UUIDv7 are its milliseconds since 1970 (RFC 9562, section 5.7), so a month is a range of ids.
# SECURITY DEFINER, so that the schedule, which runs as the system role, can make the partitions of the months ahead.
# A month that the default partition already holds rows of is left to it.
FUNCTION = """
CREATE FUNCTION hub_first_id_of(month date) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM month) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

CREATE FUNCTION hub_make_partitions(parent regclass, ahead integer) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    month date := date_trunc('month', now() AT TIME ZONE 'UTC')::date;
    child text;
BEGIN
    FOR step IN 0..ahead LOOP
        child := parent::text || '_' || to_char(month, 'YYYY_MM');
        IF to_regclass(child) IS NULL THEN
            BEGIN
                EXECUTE format('CREATE TABLE %I PARTITION OF %s FOR VALUES FROM (%L) TO (%L)', child, parent,
                               hub_first_id_of(month), hub_first_id_of((month + interval '1 month')::date));
                RETURN NEXT child;
            EXCEPTION WHEN check_violation THEN
                RAISE WARNING 'The default partition of % already holds rows of %.', parent, month;
            END;
        END IF;
        month := (month + interval '1 month')::date;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION hub_make_partitions(regclass, integer) FROM PUBLIC;
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.RunSQL(FUNCTION, "DROP FUNCTION hub_make_partitions(regclass, integer); DROP FUNCTION hub_first_id_of(date);")
    ]
