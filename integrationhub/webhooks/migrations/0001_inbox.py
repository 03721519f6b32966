import django.db.models.functions.datetime
import integrationhub.core.ids
from django.db import migrations, models
from integrationhub.core.row_security import TenantTable

# Stores bodies, or counts that they came again; one statement and one commit for all that came at once. They are
# inserted in one order, so that of two processes with the same bodies none waits for the other in a circle.
RECEIVE = """
CREATE FUNCTION hub_receive_webhooks(p_tenant uuid, p jsonb) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    stored bigint;
BEGIN
    PERFORM set_config('app.tenant_id', p_tenant::text, true);
    INSERT INTO webhooks_post AS post (id, tenant_id, provider_key, digest, body, headers, secret, request_id, repeats,
        status, takes, lease_until)
    SELECT DISTINCT ON (told.provider_key, told.digest) told.id, p_tenant, told.provider_key,
        decode(told.digest, 'hex'), decode(told.body, 'base64'), told.headers, told.secret, told.request_id,
        count(*) OVER (PARTITION BY told.provider_key, told.digest) - 1, 'received', 0, now()
    FROM jsonb_to_recordset(p -> 'posts') AS told (
        id uuid, provider_key text, digest text, body text, headers jsonb, secret text, request_id text)
    ORDER BY told.provider_key, told.digest
    ON CONFLICT (tenant_id, provider_key, digest) DO UPDATE SET repeats = post.repeats + excluded.repeats + 1;
    GET DIAGNOSTICS stored = ROW_COUNT;
    IF (p ->> 'rings')::boolean THEN
        NOTIFY hub_outbox;
    END IF;
    RETURN stored;
END $$
"""

# Keeps a badly signed body, unless one came within the last second, and of each endpoint so many.
KEEP_REFUSED = """
CREATE FUNCTION hub_keep_refused_webhook(p_tenant uuid, p jsonb) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.tenant_id', p_tenant::text, true);
    PERFORM pg_advisory_xact_lock(hashtextextended(p_tenant::text || (p ->> 'provider_key'), 0));
    IF EXISTS (SELECT FROM webhooks_refusedpost WHERE tenant_id = p_tenant AND provider_key = p ->> 'provider_key'
               AND received_at > clock_timestamp() - interval '1 second') THEN
        RETURN false;
    END IF;
    INSERT INTO webhooks_refusedpost (id, tenant_id, provider_key, reason, explanation, headers, body, size, received_at)
    VALUES ((p ->> 'id')::uuid, p_tenant, p ->> 'provider_key', p ->> 'reason', p ->> 'explanation', p -> 'headers',
        decode(p ->> 'body', 'base64'), (p ->> 'size')::integer, clock_timestamp());
    DELETE FROM webhooks_refusedpost WHERE tenant_id = p_tenant AND id IN (
        SELECT id FROM webhooks_refusedpost WHERE tenant_id = p_tenant AND provider_key = p ->> 'provider_key'
        ORDER BY id DESC OFFSET (p ->> 'most')::integer);
    RETURN true;
END $$
"""


class Migration(migrations.Migration):

    initial = True

    # Who collects what waits writes into the outbox.
    dependencies = [("outbox", "0004_fair_shares")]

    operations = [
        migrations.CreateModel(
            name='Endpoint',
            fields=[
                ('tenant_id', models.UUIDField(editable=False)),
                ('id', models.UUIDField(default=integrationhub.core.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('provider_key', models.CharField(max_length=64)),
                ('digest', models.BinaryField()),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), help_text='Since when it has the token of now.')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('tenant_id', 'provider_key'), name='endpoint_of_provider')],
                'indexes': [models.Index(fields=['digest'], name='endpoint_of_token')],
            },
        ),
        migrations.CreateModel(
            name='Post',
            fields=[
                ('tenant_id', models.UUIDField(editable=False)),
                ('id', models.UUIDField(default=integrationhub.core.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('provider_key', models.CharField(max_length=64)),
                ('digest', models.BinaryField(help_text='SHA-256 of the body: one that comes again is the same row.')),
                ('body', models.BinaryField()),
                ('headers', models.JSONField(default=dict)),
                ('secret', models.CharField(help_text='Which secret it was signed with: current or previous.', max_length=10)),
                ('request_id', models.CharField(blank=True, max_length=128)),
                ('repeats', models.PositiveIntegerField(default=0, help_text='How often the same bytes came again.')),
                ('status', models.CharField(choices=[('received', 'Received'), ('processed', 'Processed'), ('failed', 'Failed')], default='received', max_length=10)),
                ('takes', models.PositiveSmallIntegerField(default=0, help_text='How many workers have taken it.')),
                ('lease_until', models.DateTimeField(help_text='Until then somebody else sees to it; null: it is done.', null=True)),
                ('received_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('processed_at', models.DateTimeField(null=True)),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('status', 'received')), fields=['lease_until'], name='post_due')],
                'constraints': [models.UniqueConstraint(fields=('tenant_id', 'provider_key', 'digest'), name='post_of_bytes')],
            },
        ),
        migrations.CreateModel(
            name='RefusedPost',
            fields=[
                ('tenant_id', models.UUIDField(editable=False)),
                ('id', models.UUIDField(default=integrationhub.core.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('provider_key', models.CharField(max_length=64)),
                ('reason', models.CharField(max_length=40)),
                ('explanation', models.CharField(help_text='What was given, and what was expected.', max_length=500)),
                ('headers', models.JSONField(default=dict)),
                ('body', models.BinaryField(help_text='Its first 64 KiB.')),
                ('size', models.PositiveIntegerField()),
                ('received_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'indexes': [models.Index(fields=['tenant_id', 'provider_key', 'id'], name='refused_of_endpoint')],
            },
        ),
        migrations.CreateModel(
            name='WebhookEvent',
            fields=[
                ('tenant_id', models.UUIDField(editable=False)),
                ('id', models.UUIDField(default=integrationhub.core.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('direction', models.CharField(choices=[('in', 'In'), ('out', 'Out')], default='in', max_length=3)),
                ('provider_key', models.CharField(max_length=64)),
                ('type', models.CharField(max_length=80)),
                ('key', models.BinaryField(help_text='What makes it this one event, digested.')),
                ('reference', models.CharField(blank=True, help_text="The provider's id of what it is about.", max_length=255)),
                ('payload', models.TextField(help_text="Its part of the body, in the provider's own shape.")),
                ('post_id', models.UUIDField()),
                ('is_shared', models.BooleanField(default=False, help_text='Whether it came by the address that all tenants share.')),
                ('secret', models.CharField(blank=True, max_length=10)),
                ('status', models.CharField(choices=[('received', 'Received'), ('processed', 'Processed'), ('kept', 'Kept'), ('failed', 'Failed')], default='received', max_length=10)),
                ('attempts', models.JSONField(default=list, help_text='When it was handled, and what came of it.')),
                ('due_at', models.DateTimeField(help_text='When it is handled again, if nobody has done so before.', null=True)),
                ('duplicates', models.PositiveIntegerField(default=0, help_text='How often it came again.')),
                ('replays', models.PositiveIntegerField(default=0)),
                ('occurred_at', models.DateTimeField(help_text="By the provider's clock; null: it did not say.", null=True)),
                ('received_at', models.DateTimeField()),
                ('processed_at', models.DateTimeField(null=True)),
            ],
            options={
                'indexes': [models.Index(fields=['tenant_id', 'id'], name='webhook_event_of_tenant'), models.Index(condition=models.Q(('due_at__isnull', False)), fields=['due_at'], name='webhook_event_due')],
                'constraints': [models.UniqueConstraint(fields=('tenant_id', 'provider_key', 'key'), name='event_told_once')],
            },
        ),
        TenantTable("webhooks_endpoint"),
        TenantTable("webhooks_post"),
        TenantTable("webhooks_refusedpost"),
        TenantTable("webhooks_webhookevent"),
        migrations.RunSQL(RECEIVE, "DROP FUNCTION hub_receive_webhooks(uuid, jsonb)"),
        migrations.RunSQL(KEEP_REFUSED, "DROP FUNCTION hub_keep_refused_webhook(uuid, jsonb)"),
    ]
