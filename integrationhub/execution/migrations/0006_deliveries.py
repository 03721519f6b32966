"""What became of messages, found by their providers' references; the row is written with the end of the execution."""

import django.db.models.functions.datetime
from django.db import migrations, models

import integrationhub.core.ids
from integrationhub.core.row_security import TenantTable

CONCLUDE = """
CREATE OR REPLACE FUNCTION hub_conclude_execution(p_tenant uuid, p jsonb) RETURNS boolean LANGUAGE plpgsql AS $$
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
    IF NOT FOUND THEN
        RETURN false;
    END IF;
{follow}    RETURN true;
END $$
"""
# Its provider may have told of it already, by the attempt that came back with its callback.
FOLLOW = """    IF (p ->> 'is_followed')::boolean THEN
        INSERT INTO execution_delivery (id, tenant_id, execution_id, provider_key, reference, status)
        VALUES ((p -> 'ended' ->> 'attempt_id')::uuid, p_tenant, (p ->> 'execution_id')::uuid, p ->> 'provider_key',
            p ->> 'reference', 'accepted')
        ON CONFLICT DO NOTHING;
    END IF;
"""


class Migration(migrations.Migration):
    dependencies = [("execution", "0005_retries")]

    operations = [
        migrations.CreateModel(
            name="Delivery",
            fields=[
                ("tenant_id", models.UUIDField(editable=False)),
                (
                    "id",
                    models.UUIDField(
                        editable=False, default=integrationhub.core.ids.new_id, help_text="That of its attempt.", primary_key=True, serialize=False
                    ),
                ),
                ("execution_id", models.UUIDField()),
                ("provider_key", models.CharField(max_length=64)),
                ("reference", models.CharField(max_length=500)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("accepted", "Accepted"),
                            ("sent", "Sent"),
                            ("failed", "Failed"),
                            ("delivered", "Delivered"),
                            ("read", "Read"),
                        ],
                        default="accepted",
                        max_length=10,
                    ),
                ),
                (
                    "timeline",
                    models.JSONField(db_default=[], default=list, help_text="What was told of it, as it came."),
                ),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant_id", "provider_key", "reference"), name="delivery_of_reference"
                    )
                ],
                "indexes": [models.Index(fields=["execution_id"], name="delivery_of_execution")],
            },
        ),
        TenantTable("execution_delivery"),
        migrations.RunSQL(CONCLUDE.format(follow=FOLLOW), CONCLUDE.format(follow="")),
    ]
