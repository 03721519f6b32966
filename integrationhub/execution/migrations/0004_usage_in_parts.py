from django.db import migrations

# As before, but for what it tells of a sandbox run, which takes no unit: how many are taken in all parts of the month.
OPEN = """
CREATE OR REPLACE FUNCTION hub_open_execution(p_tenant uuid, p jsonb)
RETURNS TABLE (told text, units_used bigint, begun_at timestamptz) LANGUAGE plpgsql AS $$
DECLARE
    order_ record;
BEGIN
    -- First, so that who waits for a locked table holds no row that others wait for.
    LOCK TABLE ONLY execution_execution IN ROW EXCLUSIVE MODE;
    PERFORM set_config('app.tenant_id', p_tenant::text, true);
    SELECT * INTO order_ FROM jsonb_to_record(p) AS o (
        id uuid, request_id text, subject text, category text, intent text, mode text, status text, options jsonb,
        sealed_payload text, quota_period date, period date, quota bigint, skipped jsonb, lease_seconds float8,
        created_at timestamptz, attempt_id uuid, provider_key text, claim_id uuid);
    IF order_.claim_id IS NOT NULL AND NOT hub_claim_key(p_tenant, p) THEN
        told := 'key_taken';
        RETURN NEXT;
        RETURN;
    END IF;
    IF order_.quota_period IS NULL THEN
        SELECT coalesce(sum(used), 0) INTO units_used FROM marketplace_usage
        WHERE tenant_id = p_tenant AND period = order_.period;
    ELSE
        units_used := hub_reserve_unit(p_tenant, order_.quota_period, order_.quota);
    END IF;
    IF units_used IS NULL THEN
        DELETE FROM idempotency_storedanswer WHERE id = order_.claim_id AND tenant_id = p_tenant;
        told := 'quota_exceeded';
        RETURN NEXT;
        RETURN;
    END IF;
    INSERT INTO execution_execution (id, tenant_id, request_id, subject, category, intent, mode, status, options,
        sealed_payload, quota_period, provider_key, fallback_used, reference, result, skipped, error_code,
        error_message, error_details, lease_until, created_at, takes)
    VALUES (order_.id, p_tenant, order_.request_id, order_.subject, order_.category, order_.intent, order_.mode,
        order_.status, order_.options, decode(order_.sealed_payload, 'base64'), order_.quota_period, '', false, '',
        '{}', order_.skipped, '', '', '{}', now() + make_interval(secs => order_.lease_seconds), order_.created_at, 0);
    IF order_.attempt_id IS NOT NULL THEN
        INSERT INTO execution_attempt (id, tenant_id, execution_id, sequence, provider_key, outcome, outcome_class,
            reason, code, message, retryable)
        VALUES (order_.attempt_id, p_tenant, order_.id, 1, order_.provider_key, 'started', '', '', '', '', false)
        RETURNING started_at INTO begun_at;
    END IF;
    told := 'opened';
    RETURN NEXT;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("execution", "0003_ledger"), ("marketplace", "0003_usage_in_parts")]

    # Back: what 0003 made differs in that one word, and parts are one again by then.
    operations = [migrations.RunSQL(OPEN, migrations.RunSQL.noop)]
