"""Events become deliveries in the transaction that writes them: nothing can be lost on a way that there is not.

Two triggers write the events that are too many to be written for nobody: of executions and of WhatsApp messages, in the
statement that changes their row, if a subscription of their tenant asks for them. To all others they cost one look
into an index.
"""

from django.db import migrations

# As `new_id` in Python: version 7 (RFC 9562, section 5.7), with the microseconds in what follows the milliseconds, so
# that what happens to one thing sorts as it happened.
NEW_ID = """
CREATE FUNCTION hub_new_id() RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT (lpad(to_hex(at.us / 1000), 12, '0') || '7' || lpad(to_hex(at.us % 1000 * 4096 / 1000), 3, '0')
            || right(replace(gen_random_uuid()::text, '-', ''), 16))::uuid
    FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS us) AS at
$$
"""

# The forms in which a subscription can name a kind of event.
FORMS = """
CREATE FUNCTION hub_forms_of(p_kind text) RETURNS varchar[] LANGUAGE sql IMMUTABLE AS $$
    SELECT ARRAY['*', p_kind, split_part(p_kind, '.', 1) || '.*']::varchar[]
$$
"""

IS_WANTED = """
CREATE FUNCTION hub_is_wanted(p_tenant uuid, p_kind text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM telling_subscription
                   WHERE tenant_id = p_tenant AND event_types && hub_forms_of(p_kind))
$$
"""

# A delivery for each subscription that asks for it. What it is about is its key: the first of these that it names.
FAN_OUT = """
CREATE FUNCTION hub_fan_out_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO telling_delivery (id, tenant_id, subscription_id, event_id, type, key, status, tries, due_at, attempts,
        replays, occurred_at)
    SELECT hub_new_id(), event.tenant_id, subscription.id, event.id, event.kind,
        left(coalesce(event.data ->> 'execution_id', event.data ->> 'message_id', event.data ->> 'connection_id',
            event.data ->> 'credential_id', event.data ->> 'provider_key', event.data ->> 'name', event.kind), 255),
        CASE WHEN subscription.is_enabled THEN 'pending' ELSE 'skipped' END, 0,
        CASE WHEN subscription.is_enabled THEN now() END, '[]', 0, event.created_at
    FROM new_events AS event JOIN telling_subscription AS subscription
      ON subscription.tenant_id = event.tenant_id AND subscription.event_types && hub_forms_of(event.kind)
    WHERE event.kind <> 'webhook_subscription.test'
    ORDER BY event.id;
    RETURN NULL;
END $$;
CREATE TRIGGER fan_out AFTER INSERT ON outbox_event REFERENCING NEW TABLE AS new_events
    FOR EACH STATEMENT EXECUTE FUNCTION hub_fan_out_events();
"""

TELL_EXECUTION = """
CREATE FUNCTION hub_tell_execution() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM telling_subscription WHERE tenant_id = NEW.tenant_id) THEN
        RETURN NULL;
    END IF;
    INSERT INTO outbox_event (id, tenant_id, kind, data)
    SELECT hub_new_id(), NEW.tenant_id, told.kind, jsonb_build_object(
        'execution_id', NEW.id, 'status', NEW.status, 'mode', NEW.mode, 'category', NEW.category,
        'intent', NEW.intent, 'provider_key', NEW.provider_key, 'fallback_used', NEW.fallback_used,
        'reference', NEW.reference, 'error_code', NEW.error_code, 'request_id', NEW.request_id,
        'duration_ms', NEW.duration_ms,
        'created_at', to_char(NEW.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
    FROM (VALUES ('execution.' || NEW.status, true),
                 ('execution.fell_back', NEW.status = 'succeeded' AND NEW.fallback_used)) AS told (kind, has_happened)
    WHERE told.has_happened AND hub_is_wanted(NEW.tenant_id, told.kind);
    RETURN NULL;
END $$;
CREATE TRIGGER tell AFTER UPDATE OF status ON execution_execution FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status AND NEW.status IN ('succeeded', 'failed', 'unknown', 'cancelled'))
    EXECUTE FUNCTION hub_tell_execution();
"""

TELL_MESSAGE = """
CREATE FUNCTION hub_tell_message() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT hub_is_wanted(NEW.tenant_id, 'message.' || NEW.status) THEN
        RETURN NULL;
    END IF;
    INSERT INTO outbox_event (id, tenant_id, kind, data)
    SELECT hub_new_id(), NEW.tenant_id, 'message.' || NEW.status, jsonb_build_object(
        'message_id', NEW.id, 'provider_key', 'meta_whatsapp', 'reference', NEW.meta_id,
        'execution_id', (SELECT execution_id FROM execution_attempt
                         WHERE id = NEW.attempt_id AND tenant_id = NEW.tenant_id),
        'status', NEW.status, 'recipient', NEW.recipient,
        'at', NEW.timeline -> NEW.status, 'reason', CASE WHEN NEW.status = 'failed' THEN NEW.error ->> 'code' END,
        'code', CASE WHEN NEW.status = 'failed' THEN NEW.error #>> '{details,meta,code}' END);
    RETURN NULL;
END $$;
CREATE TRIGGER tell AFTER UPDATE OF status ON whatsapp_delivery FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status AND NEW.status <> 'unknown')
    EXECUTE FUNCTION hub_tell_message();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("telling", "0001_subscriptions"),
        ("outbox", "0004_fair_shares"),
        ("execution", "0004_usage_in_parts"),
        ("whatsapp", "0004_media"),
    ]

    operations = [
        migrations.RunSQL(NEW_ID, "DROP FUNCTION hub_new_id()"),
        migrations.RunSQL(FORMS, "DROP FUNCTION hub_forms_of(text)"),
        migrations.RunSQL(IS_WANTED, "DROP FUNCTION hub_is_wanted(uuid, text)"),
        migrations.RunSQL(FAN_OUT, "DROP TRIGGER fan_out ON outbox_event; DROP FUNCTION hub_fan_out_events();"),
        migrations.RunSQL(TELL_EXECUTION, "DROP TRIGGER tell ON execution_execution; DROP FUNCTION hub_tell_execution();"),
        migrations.RunSQL(TELL_MESSAGE, "DROP TRIGGER tell ON whatsapp_delivery; DROP FUNCTION hub_tell_message();"),
    ]
