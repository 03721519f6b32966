"""What `execution/ledger.py` commits before and after a provider is called: each one statement.

They are in PL/pgSQL, since a connection keeps the plans of what such a function does.
"""

from django.db import migrations

# Claims the key (if `p` has one), reserves the unit (if `p` names a month for it) and writes the execution and, for a
# run that begins now, its first attempt. Tells 'key_taken' or 'quota_exceeded', and then has stored nothing.
OPEN = """
CREATE FUNCTION hub_open_execution(p_tenant uuid, p jsonb)
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
        SELECT coalesce(max(used), 0) INTO units_used FROM marketplace_usage
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

# Writes how an attempt ended; nothing where there was none.
END_ATTEMPT = """
CREATE FUNCTION hub_end_attempt(p_tenant uuid, p jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE execution_attempt
    SET outcome = ended.outcome, outcome_class = ended.outcome_class, reason = ended.reason, code = ended.code,
        message = ended.message, upstream_status = ended.upstream_status, retryable = ended.retryable,
        latency_ms = ended.latency_ms
    FROM jsonb_to_record(p) AS ended (
        attempt_id uuid, outcome text, outcome_class text, reason text, code text, message text,
        upstream_status smallint, retryable boolean, latency_ms integer)
    WHERE execution_attempt.id = (p ->> 'attempt_id')::uuid AND tenant_id = p_tenant;
END $$
"""

# Ends one attempt and begins the next, if the execution is still held by this run: its row is locked and its lease
# renewed before the attempt is written, so that a worker that stalled beyond its lease is told NULL and sends nothing.
BEGIN_ATTEMPT = """
CREATE FUNCTION hub_begin_attempt(p_tenant uuid, p jsonb) RETURNS timestamptz LANGUAGE plpgsql AS $$
DECLARE
    begun_at timestamptz;
BEGIN
    PERFORM set_config('app.tenant_id', p_tenant::text, true);
    PERFORM hub_end_attempt(p_tenant, nullif(p -> 'ended', 'null'));
    UPDATE execution_execution
    SET lease_until = greatest(lease_until, now() + make_interval(secs => (p ->> 'lease_seconds')::float8))
    WHERE id = (p ->> 'execution_id')::uuid AND tenant_id = p_tenant AND status = 'running'
      AND takes = (p ->> 'takes')::smallint;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    INSERT INTO execution_attempt (id, tenant_id, execution_id, sequence, provider_key, outcome, outcome_class, reason,
        code, message, retryable)
    VALUES ((p ->> 'attempt_id')::uuid, p_tenant, (p ->> 'execution_id')::uuid, (p ->> 'sequence')::smallint,
        p ->> 'provider_key', 'started', '', '', '', '', false)
    ON CONFLICT (id) DO NOTHING;
    -- Told twice, when the answer to the first time was lost on its way: the attempt stands already.
    SELECT started_at INTO begun_at FROM execution_attempt WHERE id = (p ->> 'attempt_id')::uuid;
    RETURN begun_at;
END $$
"""

# Ends the last attempt and the execution; false when it is no longer this run's to end. One that was taken for dead
# while its last call was still out is told the truth when the call returns.
CONCLUDE = """
CREATE FUNCTION hub_conclude_execution(p_tenant uuid, p jsonb) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.tenant_id', p_tenant::text, true);
    PERFORM hub_end_attempt(p_tenant, nullif(p -> 'ended', 'null'));
    UPDATE execution_execution
    SET status = ended.status, provider_key = ended.provider_key, fallback_used = ended.fallback_used,
        reference = ended.reference, result = ended.result, skipped = ended.skipped, error_code = ended.error_code,
        error_message = ended.error_message, error_details = ended.error_details, sealed_payload = NULL,
        lease_until = NULL, finished_at = now(), duration_ms = ended.duration_ms
    FROM jsonb_to_record(p) AS ended (
        status text, provider_key text, fallback_used boolean, reference text, result jsonb, skipped jsonb,
        error_code text, error_message text, error_details jsonb, duration_ms integer)
    WHERE id = (p ->> 'execution_id')::uuid AND tenant_id = p_tenant
      AND execution_execution.status IN ('running', 'unknown') AND takes = (p ->> 'takes')::smallint;
    RETURN FOUND;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [
        ("execution", "0002_dead_letters"),
        ("idempotency", "0002_claim_key"),
        ("marketplace", "0002_reserve_unit"),
    ]

    operations = [
        migrations.RunSQL(OPEN, "DROP FUNCTION hub_open_execution(uuid, jsonb)"),
        migrations.RunSQL(END_ATTEMPT, "DROP FUNCTION hub_end_attempt(uuid, jsonb)"),
        migrations.RunSQL(BEGIN_ATTEMPT, "DROP FUNCTION hub_begin_attempt(uuid, jsonb)"),
        migrations.RunSQL(CONCLUDE, "DROP FUNCTION hub_conclude_execution(uuid, jsonb)"),
    ]
