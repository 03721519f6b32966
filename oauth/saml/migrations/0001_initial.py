import integrationhub.core.ids
import oauth.saml.models
from django.db import migrations, models

from integrationhub.core.row_security import TenantTable


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='SignInRequest',
            fields=[
                ('tenant_id', models.UUIDField(editable=False)),
                ('id', models.CharField(default=oauth.saml.models.new_request_id, editable=False, max_length=64, primary_key=True, serialize=False)),
                ('relay_state', models.CharField(blank=True, max_length=512)),
                ('expires_at', models.DateTimeField(db_index=True)),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='UsedAssertion',
            fields=[
                ('tenant_id', models.UUIDField(editable=False)),
                ('pk', models.CompositePrimaryKey('tenant_id', 'digest', blank=True, editable=False, primary_key=True, serialize=False)),
                ('digest', models.CharField(help_text='SHA-256 of its ID.', max_length=64)),
                ('expires_at', models.DateTimeField(db_index=True)),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='IdentityProvider',
            fields=[
                ('tenant_id', models.UUIDField(editable=False)),
                ('id', models.UUIDField(default=integrationhub.core.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('entity_id', models.CharField(max_length=1024)),
                ('sso_url', models.CharField(max_length=2048)),
                ('certificates', models.JSONField(help_text='PEM; several during a rotation.')),
                ('allow_idp_initiated', models.BooleanField(default=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('tenant_id',), name='one_identity_provider_per_tenant')],
            },
        ),
        TenantTable('saml_identityprovider'),
        TenantTable('saml_signinrequest'),
        TenantTable('saml_usedassertion'),
    ]
