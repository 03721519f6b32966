from django.db import migrations, models
from django.db.models.fields.json import KeyTextTransform


class Migration(migrations.Migration):

    dependencies = [
        ('outbox', '0003_events_are_kept_ninety_days'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='outboxmessage',
            name='outbox_due',
        ),
        migrations.AddField(
            model_name='outboxmessage',
            name='execution_id',
            field=models.GeneratedField(db_persist=True, expression=KeyTextTransform('execution_id', 'arguments'), output_field=models.TextField(null=True)),
        ),
        migrations.AddIndex(
            model_name='outboxmessage',
            index=models.Index(condition=models.Q(('state', 'waiting'), models.Q(('queue', 'execute'), _negated=True)), fields=['due_at'], name='outbox_due'),
        ),
        migrations.AddIndex(
            model_name='outboxmessage',
            index=models.Index(condition=models.Q(('queue', 'execute'), ('state', 'waiting')), fields=['tenant_id', 'due_at'], name='outbox_due_of_tenant'),
        ),
        migrations.AddIndex(
            model_name='outboxmessage',
            index=models.Index(condition=models.Q(('state', 'waiting')), fields=['execution_id'], name='outbox_of_execution'),
        ),
    ]
