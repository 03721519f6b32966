"""An execution that was taken for dead in mid-call, and whose provider accepted after all, waits for its delivery."""

from django.db import migrations

# As in 0008, but for the states that the execution may be in: as `hub_conclude_execution` has it, one that is `unknown`
# meanwhile is told the truth too. It runs again then, as if nobody had given it up.
AWAIT = """
CREATE OR REPLACE FUNCTION hub_await_delivery(p_tenant uuid, p jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    come text;
BEGIN
    PERFORM set_config('app.tenant_id', p_tenant::text, true);
    INSERT INTO execution_delivery (id, tenant_id, execution_id, provider_key, reference, status)
    VALUES ((p -> 'ended' ->> 'attempt_id')::uuid, p_tenant, (p ->> 'execution_id')::uuid, p ->> 'provider_key',
        p ->> 'reference', 'accepted')
    ON CONFLICT DO NOTHING;
    UPDATE execution_delivery
    SET wanted = p ->> 'wanted', due_at = now() + make_interval(secs => (p ->> 'wait_seconds')::float8),
        look_at = now() + make_interval(secs => (p ->> 'look_seconds')::float8)
    WHERE id = (p -> 'ended' ->> 'attempt_id')::uuid AND tenant_id = p_tenant
    RETURNING status INTO come;
    IF come IS NULL THEN
        RETURN NULL;
    END IF;
    PERFORM hub_end_attempt(p_tenant, p -> 'ended');
    UPDATE execution_execution
    SET {revived}provider_key = ended.provider_key, fallback_used = ended.fallback_used, reference = ended.reference,
        result = ended.result, skipped = ended.skipped, routing = ended.routing, lease_until = NULL
    FROM jsonb_to_record(p) AS ended (
        provider_key text, fallback_used boolean, reference text, result jsonb, skipped jsonb, routing jsonb)
    WHERE id = (p ->> 'execution_id')::uuid AND tenant_id = p_tenant
      AND status {states} AND takes = (p ->> 'takes')::smallint;
    IF NOT FOUND THEN
        -- Taken for dead meanwhile: it is told of, and nothing is sent for it any more.
        UPDATE execution_delivery SET due_at = NULL, look_at = NULL
        WHERE id = (p -> 'ended' ->> 'attempt_id')::uuid AND tenant_id = p_tenant;
    END IF;
    RETURN come;
END $$
"""
NOW = {
    "states": "IN ('running', 'unknown')",
    "revived": """status = 'running', error_code = '', error_message = '', error_details = '{}', finished_at = NULL,
        """,
}
BEFORE = {"states": "= 'running'", "revived": ""}


class Migration(migrations.Migration):
    dependencies = [("execution", "0008_awaited_deliveries")]

    operations = [migrations.RunSQL(AWAIT.format(**NOW), AWAIT.format(**BEFORE))]
