from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('whatsapp', '0004_media'),
    ]

    operations = [
        migrations.AddField(
            model_name='businessnumber',
            name='proven_at',
            field=models.DateTimeField(help_text="When Meta last showed the number to a token of this tenant's, of this version or before.", null=True),
        ),
        # What Meta accepts today, it has shown. Row security binds the owner too, and no tenant is named here.
        migrations.RunSQL(
            """ALTER TABLE credentials_credential NO FORCE ROW LEVEL SECURITY;
               ALTER TABLE whatsapp_businessnumber NO FORCE ROW LEVEL SECURITY;
               UPDATE whatsapp_businessnumber AS number SET proven_at = credential.updated_at
               FROM credentials_credential AS credential
               WHERE credential.id = number.credential_id AND credential.verified = 'verified';
               ALTER TABLE whatsapp_businessnumber FORCE ROW LEVEL SECURITY;
               ALTER TABLE credentials_credential FORCE ROW LEVEL SECURITY""",
            migrations.RunSQL.noop,
        ),
    ]
