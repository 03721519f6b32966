import django.db.models.functions.datetime
import integrationhub.core.ids
from django.db import migrations, models

# What was sealed before there were answer keys does not open any more; the rows would end within a day anyhow. Row security
# binds the owner too, and no tenant is named here.
FORGET_OLD_ANSWERS = r"""
ALTER TABLE idempotency_storedanswer NO FORCE ROW LEVEL SECURITY;
DELETE FROM idempotency_storedanswer WHERE substring(answer from 1 for 1) <> '\x01';
ALTER TABLE idempotency_storedanswer FORCE ROW LEVEL SECURITY
"""


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
        migrations.RunSQL(FORGET_OLD_ANSWERS, migrations.RunSQL.noop),
    ]
