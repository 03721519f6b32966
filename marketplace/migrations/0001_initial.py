import django.core.validators
import django.db.models.deletion
import integrationhub.core.ids
from django.db import migrations, models

from integrationhub.core.row_security import TenantTable


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('providers', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Tier',
            fields=[
                ('key', models.CharField(max_length=32, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=64)),
                ('monthly_quota', models.PositiveBigIntegerField(blank=True, help_text='Empty means without limit.', null=True)),
                ('requests_per_minute', models.PositiveIntegerField()),
            ],
            options={
                'ordering': ['requests_per_minute', 'key'],
            },
        ),
        migrations.CreateModel(
            name='Integration',
            fields=[
                ('id', models.UUIDField(default=integrationhub.core.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('slug', models.CharField(max_length=64, unique=True)),
                ('name', models.CharField(max_length=100)),
                ('summary', models.CharField(blank=True, max_length=300)),
                ('published', models.BooleanField(default=True)),
                ('provider', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='integrations', to='providers.provider')),
            ],
            options={
                'ordering': ['slug'],
            },
        ),
        migrations.CreateModel(
            name='Installation',
            fields=[
                ('tenant_id', models.UUIDField(editable=False)),
                ('id', models.UUIDField(default=integrationhub.core.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('priority', models.PositiveSmallIntegerField(default=100, validators=[django.core.validators.MaxValueValidator(1000)])),
                ('enabled', models.BooleanField(default=True)),
                ('config', models.JSONField(default=dict)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('integration', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='marketplace.integration')),
            ],
        ),
        migrations.CreateModel(
            name='Subscription',
            fields=[
                ('tenant_id', models.UUIDField(primary_key=True, serialize=False)),
                ('tier', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='marketplace.tier')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Usage',
            fields=[
                ('tenant_id', models.UUIDField(editable=False)),
                ('pk', models.CompositePrimaryKey('tenant_id', 'period', blank=True, editable=False, primary_key=True, serialize=False)),
                ('period', models.DateField()),
                ('used', models.BigIntegerField(default=0)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('used__gte', 0)), name='usage_is_not_negative')],
            },
        ),
        migrations.AddConstraint(
            model_name='integration',
            constraint=models.CheckConstraint(condition=models.Q(('slug__regex', '^[a-z][a-z0-9_-]{1,63}$')), name='integration_slug_is_a_slug', violation_error_message='2 to 64 of a-z, 0-9, _ and -, beginning with a letter.'),
        ),
        migrations.AddConstraint(
            model_name='installation',
            constraint=models.UniqueConstraint(fields=('tenant_id', 'integration'), name='installed_once'),
        ),
        migrations.AddConstraint(
            model_name='installation',
            constraint=models.CheckConstraint(condition=models.Q(('priority__lte', 1000)), name='priority_in_range'),
        ),
        TenantTable('marketplace_installation'),
        TenantTable('marketplace_subscription'),
        TenantTable('marketplace_usage'),
    ]
