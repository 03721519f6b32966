import integrationhub.core.ids
from django.db import migrations, models

from integrationhub.core.row_security import TenantTable


class Migration(migrations.Migration):

    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name='SharedPin',
            fields=[
                ('tenant_id', models.UUIDField(editable=False)),
                ('id', models.UUIDField(default=integrationhub.core.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('cid', models.CharField(help_text='In the spelling of version 1, whatever it was asked for by.', max_length=200)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'indexes': [models.Index(fields=['cid'], name='shared_pin_by_cid')],
                'constraints': [models.UniqueConstraint(fields=('tenant_id', 'cid'), name='shared_pin_once')],
            },
        ),
        TenantTable('storage_sharedpin'),
    ]
