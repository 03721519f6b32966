"""Webhooks of all providers: what followed the address, and what an adapter has read."""

from django.db import migrations, models

RECEIVE = """
CREATE OR REPLACE FUNCTION hub_receive_webhooks(p_tenant uuid, p jsonb) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    stored bigint;
BEGIN
    PERFORM set_config('app.tenant_id', p_tenant::text, true);
    INSERT INTO webhooks_post AS post (id, tenant_id, provider_key, digest, body, {query}headers, secret, request_id,
        repeats, status, takes, lease_until)
    SELECT DISTINCT ON (told.provider_key, told.digest) told.id, p_tenant, told.provider_key,
        decode(told.digest, 'hex'), decode(told.body, 'base64'), {told_query}told.headers, told.secret, told.request_id,
        count(*) OVER (PARTITION BY told.provider_key, told.digest) - 1, 'received', 0, now()
    FROM jsonb_to_recordset(p -> 'posts') AS told (
        id uuid, provider_key text, digest text, body text, query text, headers jsonb, secret text, request_id text)
    ORDER BY told.provider_key, told.digest
    ON CONFLICT (tenant_id, provider_key, digest) DO UPDATE SET repeats = post.repeats + excluded.repeats + 1;
    GET DIAGNOSTICS stored = ROW_COUNT;
    IF (p ->> 'rings')::boolean THEN
        NOTIFY hub_outbox;
    END IF;
    RETURN stored;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0001_inbox")]

    operations = [
        migrations.AddField(
            "post", "query", models.TextField(blank=True, db_default="", help_text="What followed the address.")
        ),
        migrations.AddField(
            "webhookevent",
            "told",
            models.JSONField(
                db_default={}, default=dict, help_text="What an adapter has read from it beside the rest."
            ),
        ),
        # A process of the version before sends no query yet.
        migrations.RunSQL(
            RECEIVE.format(query="query, ", told_query="coalesce(told.query, ''), "),
            RECEIVE.format(query="", told_query=""),
        ),
    ]
