"""A message whose provider does not tell by itself what becomes of it is looked at after a while."""

from django.db import migrations

# As in 0007, and says when; a process of the release before does not tell it.
CONCLUDE = """
CREATE OR REPLACE FUNCTION hub_conclude_execution(p_tenant uuid, p jsonb) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.tenant_id', p_tenant::text, true);
    PERFORM hub_end_attempt(p_tenant, nullif(p -> 'ended', 'null'));
    UPDATE execution_execution
    SET status = ended.status, provider_key = ended.provider_key, fallback_used = ended.fallback_used,
        reference = ended.reference, result = ended.result, skipped = ended.skipped, error_code = ended.error_code,
        error_message = ended.error_message, error_details = ended.error_details, sealed_payload = NULL,
        lease_until = NULL, finished_at = now(), duration_ms = ended.duration_ms,
        routing = coalesce(ended.routing, execution_execution.routing)
    FROM jsonb_to_record(p) AS ended (
        status text, provider_key text, fallback_used boolean, reference text, result jsonb, skipped jsonb,
        error_code text, error_message text, error_details jsonb, duration_ms integer, routing jsonb)
    WHERE id = (p ->> 'execution_id')::uuid AND tenant_id = p_tenant
      AND execution_execution.status IN ('running', 'unknown') AND takes = (p ->> 'takes')::smallint;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF (p ->> 'is_followed')::boolean THEN
        INSERT INTO execution_delivery (id, tenant_id, execution_id, provider_key, reference, status{column})
        VALUES ((p -> 'ended' ->> 'attempt_id')::uuid, p_tenant, (p ->> 'execution_id')::uuid, p ->> 'provider_key',
            p ->> 'reference', 'accepted'{value})
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN true;
END $$
"""
NOW = {"column": ", look_at", "value": ", now() + make_interval(secs => (p ->> 'look_seconds')::float8)"}
BEFORE = {"column": "", "value": ""}
# The release before would ring for these for ever. Row security binds the owner too, and no tenant is named here.
FORGET = """;
ALTER TABLE execution_delivery NO FORCE ROW LEVEL SECURITY;
UPDATE execution_delivery SET look_at = NULL WHERE due_at IS NULL;
ALTER TABLE execution_delivery FORCE ROW LEVEL SECURITY
"""


class Migration(migrations.Migration):
    dependencies = [("execution", "0009_awaited_though_unknown")]

    operations = [migrations.RunSQL(CONCLUDE.format(**NOW), CONCLUDE.format(**BEFORE) + FORGET)]
