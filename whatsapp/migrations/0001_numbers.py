import django.db.models.deletion
from django.db import migrations, models

from integrationhub.core.row_security import TenantTable


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('credentials', '0004_data_keys'),
    ]

    operations = [
        migrations.CreateModel(
            name='BusinessNumber',
            fields=[
                ('tenant_id', models.UUIDField(editable=False)),
                ('credential', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, serialize=False, to='credentials.credential')),
                ('phone_number_id', models.CharField(max_length=32)),
                ('waba_id', models.CharField(max_length=32)),
            ],
            options={
                'indexes': [models.Index(fields=['phone_number_id'], name='number_by_phone'), models.Index(fields=['waba_id'], name='number_by_waba')],
            },
        ),
        TenantTable('whatsapp_businessnumber'),
    ]
