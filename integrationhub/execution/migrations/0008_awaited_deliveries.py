"""Deliveries that their executions wait for."""

from django.db import migrations, models

# Ends the attempt that was accepted and begins the wait for its message. Tells how far it has come, by a callback that
# was faster; NULL where the reference is that of another message.
AWAIT = """
CREATE FUNCTION hub_await_delivery(p_tenant uuid, p jsonb) RETURNS text LANGUAGE plpgsql AS $$
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
    SET provider_key = ended.provider_key, fallback_used = ended.fallback_used, reference = ended.reference,
        result = ended.result, skipped = ended.skipped, routing = ended.routing, lease_until = NULL
    FROM jsonb_to_record(p) AS ended (
        provider_key text, fallback_used boolean, reference text, result jsonb, skipped jsonb, routing jsonb)
    WHERE id = (p ->> 'execution_id')::uuid AND tenant_id = p_tenant
      AND status = 'running' AND takes = (p ->> 'takes')::smallint;
    IF NOT FOUND THEN
        -- Taken for dead meanwhile: it is told of, and nothing is sent for it any more.
        UPDATE execution_delivery SET due_at = NULL, look_at = NULL
        WHERE id = (p -> 'ended' ->> 'attempt_id')::uuid AND tenant_id = p_tenant;
    END IF;
    RETURN come;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("execution", "0007_routing")]

    operations = [
        migrations.AddField(
            "delivery",
            "wanted",
            models.CharField(
                blank=True,
                db_default="",
                help_text="How far it has to come for its execution to have succeeded.",
                max_length=10,
            ),
        ),
        migrations.AddField(
            "delivery",
            "due_at",
            models.DateTimeField(help_text="Until then it is waited for; null: nobody waits.", null=True),
        ),
        migrations.AddField(
            "delivery",
            "look_at",
            models.DateTimeField(help_text="When it is looked at, if nothing is told before.", null=True),
        ),
        migrations.AddIndex(
            "delivery",
            models.Index(fields=["look_at"], name="delivery_due", condition=models.Q(look_at__isnull=False)),
        ),
        migrations.RunSQL(AWAIT, "DROP FUNCTION hub_await_delivery(uuid, jsonb)"),
    ]
