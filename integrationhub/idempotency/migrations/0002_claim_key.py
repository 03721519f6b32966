from django.db import migrations

# Takes a key; false when another request holds it. A claim that is a day old, or whose request died, is taken over;
# any other is left alone. `p` holds claim_id, path, key, fingerprint (hexadecimal), claimed_for, and in seconds the
# lifetime of a claim and the time after which one without an execution is abandoned.
CLAIM_KEY = """
CREATE FUNCTION hub_claim_key(p_tenant uuid, p jsonb) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO idempotency_storedanswer AS held (id, tenant_id, path, key, fingerprint, execution_id)
    VALUES ((p ->> 'claim_id')::uuid, p_tenant, p ->> 'path', p ->> 'key', decode(p ->> 'fingerprint', 'hex'),
            (p ->> 'claimed_for')::uuid)
    ON CONFLICT (tenant_id, path, key) DO UPDATE
    SET id = excluded.id, fingerprint = excluded.fingerprint, execution_id = excluded.execution_id, answer = NULL,
        created_at = now()
    WHERE held.created_at < now() - make_interval(secs => (p ->> 'lifetime')::float8)
       OR (held.answer IS NULL AND held.execution_id IS NULL
           AND held.created_at < now() - make_interval(secs => (p ->> 'abandoned_after')::float8));
    RETURN FOUND;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("idempotency", "0001_initial")]

    operations = [
        migrations.RunSQL(CLAIM_KEY, "DROP FUNCTION hub_claim_key(uuid, jsonb)"),
    ]
