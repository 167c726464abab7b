from django.db import migrations

import agencyportal.core.fields


class Migration(migrations.Migration):
    dependencies = [
        ("clients", "0008_caps"),
    ]

    operations = [
        migrations.AddField(
            model_name="usagewindow",
            name="attended",
            field=agencyportal.core.fields.QuantityField(
                help_text="What `used` was when billing last looked; null: look again.", null=True
            ),
        ),
        migrations.AddField(
            model_name="usagewindow",
            name="attention_at",
            field=agencyportal.core.fields.QuantityField(
                help_text="When `used` reaches this, billing looks (automatic top-ups). Null: never.",
                null=True,
            ),
        ),
    ]
