from django.db import migrations, models

# As before, and for a retry: the payload of the execution that is sent once more is taken from it, so that of two
# retries one comes first. Tells 'retried_already' where there is none, and then has stored nothing.
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
        created_at timestamptz, attempt_id uuid, provider_key text, claim_id uuid,
        retry_of uuid);
    IF order_.claim_id IS NOT NULL AND NOT hub_claim_key(p_tenant, p) THEN
        told := 'key_taken';
        RETURN NEXT;
        RETURN;
    END IF;
    IF order_.retry_of IS NOT NULL THEN
        PERFORM FROM execution_execution
        WHERE id = order_.retry_of AND tenant_id = p_tenant AND sealed_payload IS NOT NULL AND finished_at IS NOT NULL
        FOR UPDATE;
        IF NOT FOUND THEN
            DELETE FROM idempotency_storedanswer WHERE id = order_.claim_id AND tenant_id = p_tenant;
            told := 'retried_already';
            RETURN NEXT;
            RETURN;
        END IF;
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
        error_message, error_details, lease_until, created_at, takes, retry_of)
    VALUES (order_.id, p_tenant, order_.request_id, order_.subject, order_.category, order_.intent, order_.mode,
        order_.status, order_.options, decode(order_.sealed_payload, 'base64'), order_.quota_period, '', false, '',
        '{}', order_.skipped, '', '', '{}', now() + make_interval(secs => order_.lease_seconds), order_.created_at, 0,
        order_.retry_of);
    IF order_.retry_of IS NOT NULL THEN
        UPDATE execution_execution SET sealed_payload = NULL WHERE id = order_.retry_of AND tenant_id = p_tenant;
    END IF;
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
    dependencies = [("execution", "0004_usage_in_parts")]

    operations = [
        migrations.AddField(
            model_name="execution",
            name="retry_of",
            field=models.UUIDField(help_text="The execution that this one sent once more.", null=True),
        ),
        migrations.AlterField(
            model_name="execution",
            name="sealed_payload",
            field=models.BinaryField(
                help_text="Of one that waits; of one that did not succeed for a week, unless it has been retried.",
                null=True,
            ),
        ),
        migrations.AddIndex(
            model_name="execution",
            index=models.Index(
                condition=models.Q(("finished_at__isnull", False), ("sealed_payload__isnull", False)),
                fields=["finished_at"],
                name="execution_payload_kept",
            ),
        ),
        migrations.AddIndex(
            model_name="execution",
            index=models.Index(
                condition=models.Q(("retry_of__isnull", False)), fields=["retry_of"], name="execution_retried"
            ),
        ),
        migrations.RunSQL(OPEN, migrations.RunSQL.noop),
    ]
