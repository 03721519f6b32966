"""What makes the trail a chain, and keeps it one: `verifying.py` computes the same hashes by itself."""

from django.db import migrations

# An entry's hash is the SHA-256 of its fields as netstrings (https://cr.yp.to/proto/netstrings.txt), the hash of the
# entry before it first. It works as its owner, since the roles that write entries may not touch the head; its lock
# makes the writers of one tenant follow one another, until their commits. The time is taken under the lock.
CHAIN = """
CREATE FUNCTION hub_chain_audit_entry() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    head audit_head;
BEGIN
    SELECT * INTO head FROM audit_head WHERE tenant_id = NEW.tenant_id FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO audit_head (tenant_id, sequence, hash) VALUES (NEW.tenant_id, 0, '') ON CONFLICT DO NOTHING;
        SELECT * INTO head FROM audit_head WHERE tenant_id = NEW.tenant_id FOR UPDATE;
    END IF;
    NEW.sequence := head.sequence + 1;
    NEW.previous_hash := head.hash;
    NEW.created_at := clock_timestamp();
    SELECT encode(sha256(convert_to(string_agg(octet_length(field) || ':' || field || ',', '' ORDER BY place), 'UTF8')),
                  'hex')
    INTO NEW.hash
    FROM unnest(ARRAY[
        NEW.previous_hash, NEW.tenant_id::text, NEW.sequence::text, NEW.id::text,
        to_char(NEW.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        NEW.action, NEW.actor, NEW.about, NEW.request_id, NEW.details::text
    ]) WITH ORDINALITY AS fields(field, place);
    UPDATE audit_head SET sequence = NEW.sequence, hash = NEW.hash WHERE tenant_id = NEW.tenant_id;
    RETURN NEW;
END
$$;
CREATE TRIGGER chain BEFORE INSERT ON audit_entry FOR EACH ROW EXECUTE FUNCTION hub_chain_audit_entry();
"""
# The grants refuse it to the roles that serve and operate; this refuses it to the owner too, until he disables it.
APPEND_ONLY = """
CREATE FUNCTION hub_refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The audit trail is only added to: % of % is refused.', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION hub_refuse_audit_change();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON audit_head
    FOR EACH STATEMENT EXECUTE FUNCTION hub_refuse_audit_change();
CREATE TRIGGER one_by_one BEFORE UPDATE ON audit_head
    FOR EACH ROW WHEN (NEW.sequence <> OLD.sequence + 1 OR NEW.tenant_id <> OLD.tenant_id)
    EXECUTE FUNCTION hub_refuse_audit_change();
"""


class Migration(migrations.Migration):

    dependencies = [("audit", "0001_initial")]

    operations = [
        migrations.RunSQL(CHAIN, "DROP TRIGGER chain ON audit_entry; DROP FUNCTION hub_chain_audit_entry();"),
        migrations.RunSQL(
            APPEND_ONLY,
            """DROP TRIGGER append_only ON audit_entry; DROP TRIGGER append_only ON audit_head;
            DROP TRIGGER one_by_one ON audit_head; DROP FUNCTION hub_refuse_audit_change();""",
        ),
    ]
