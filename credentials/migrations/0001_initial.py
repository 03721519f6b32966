import integrationhub.core.ids
from django.db import migrations, models

from integrationhub.core.row_security import TenantTable


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Credential',
            fields=[
                ('tenant_id', models.UUIDField(editable=False)),
                ('id', models.UUIDField(default=integrationhub.core.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('provider_key', models.CharField(max_length=64)),
                ('sealed', models.BinaryField(default=bytes)),
                ('key_id', models.CharField(blank=True, max_length=64)),
                ('last4', models.CharField(blank=True, max_length=4)),
                ('fingerprint', models.CharField(max_length=32)),
                ('version', models.PositiveIntegerField()),
                ('verified', models.CharField(choices=[('verified', 'Verified'), ('failed', 'Failed'), ('unchecked', 'Unchecked'), ('not_supported', 'Not Supported')], max_length=16)),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
                ('status', models.CharField(choices=[('active', 'Active'), ('superseded', 'Superseded'), ('revoked', 'Revoked')], default='active', max_length=16)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
            options={
                'indexes': [models.Index(fields=['tenant_id', '-id'], name='credential_of_tenant')],
                'constraints': [models.UniqueConstraint(fields=('tenant_id', 'provider_key', 'version'), name='credential_version_once'), models.UniqueConstraint(condition=models.Q(('status', 'active')), fields=('tenant_id', 'provider_key'), name='one_active_credential_per_provider')],
            },
        ),
        migrations.CreateModel(
            name='TenantKey',
            fields=[
                ('tenant_id', models.UUIDField(editable=False)),
                ('id', models.UUIDField(default=integrationhub.core.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('wrapped', models.BinaryField()),
                ('kek_id', models.CharField(max_length=64)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('tenant_id',), name='one_key_per_tenant')],
            },
        ),
        TenantTable('credentials_credential'),
        TenantTable('credentials_tenantkey'),
    ]
