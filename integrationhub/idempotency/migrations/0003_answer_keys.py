import django.db.models.functions.datetime
import integrationhub.core.ids
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('idempotency', '0002_claim_key'),
    ]

    operations = [
        migrations.CreateModel(
            name='AnswerKey',
            fields=[
                ('id', models.UUIDField(default=integrationhub.core.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('wrapped', models.BinaryField()),
                ('kek_id', models.CharField(max_length=64)),
                ('first_kek_id', models.CharField(help_text='Which key-encryption key it was made under.', max_length=64)),
                ('is_current', models.BooleanField(default=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('retired_at', models.DateTimeField(null=True)),
            ],
            options={
                'constraints': [models.UniqueConstraint(condition=models.Q(('is_current', True)), fields=('is_current',), name='one_current_answer_key')],
            },
        ),
    ]
