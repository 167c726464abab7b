from django.db import migrations, models

import agencyportal.core.fields


class Migration(migrations.Migration):
    dependencies = [
        ("clients", "0003_window_capacity"),
    ]

    operations = [
        migrations.AddField(
            model_name="usagewindow",
            name="available_since",
            field=models.DateTimeField(
                help_text="`available` counts on no usage from before this instant changing.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="usagewindow",
            name="watched",
            field=agencyportal.core.fields.QuantityField(
                help_text="What `used` was when alerts were last looked at; null: look again.",
                null=True,
            ),
        ),
    ]
