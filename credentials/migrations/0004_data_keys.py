import integrationhub.core.ids
from django.db import migrations, models

from integrationhub.core.row_security import TenantTable


class Migration(migrations.Migration):

    dependencies = [
        ('credentials', '0003_versions_on_trial'),
    ]

    operations = [
        migrations.AddField(
            model_name='tenantkey',
            name='first_kek_id',
            field=models.CharField(db_default='', help_text='Which key-encryption key it was made under.', max_length=64),
        ),
        migrations.AddField(
            model_name='tenantkey',
            name='retired_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='tenantkey',
            name='unused_since',
            field=models.DateTimeField(help_text='No row has named it since then.', null=True),
        ),
        # Row security binds the owner too, and no tenant is named here.
        migrations.RunSQL(
            """ALTER TABLE credentials_tenantkey NO FORCE ROW LEVEL SECURITY;
               UPDATE credentials_tenantkey SET first_kek_id = kek_id;
               ALTER TABLE credentials_tenantkey FORCE ROW LEVEL SECURITY""",
            migrations.RunSQL.noop,
        ),
        migrations.RemoveConstraint(model_name='tenantkey', name='one_key_per_tenant'),
        migrations.AddConstraint(
            model_name='tenantkey',
            constraint=models.UniqueConstraint(
                condition=models.Q(('retired_at__isnull', True)), fields=('tenant_id',), name='one_current_key_per_tenant'
            ),
        ),
        migrations.AddIndex(
            model_name='tenantkey',
            index=models.Index(fields=['tenant_id'], name='key_of_tenant'),
        ),
        migrations.CreateModel(
            name='Leftover',
            fields=[
                ('tenant_id', models.UUIDField(editable=False)),
                ('id', models.UUIDField(default=integrationhub.core.ids.new_id, editable=False, help_text='The id under which the vault keeps it.', primary_key=True, serialize=False)),
                ('due_at', models.DateTimeField(db_index=True)),
            ],
            options={'abstract': False},
        ),
        TenantTable('credentials_leftover'),
    ]
