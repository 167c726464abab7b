from django.db import migrations, models

import agencyportal.core.fields


class Migration(migrations.Migration):
    dependencies = [
        ("clients", "0013_agency_language"),
    ]

    operations = [
        migrations.AddField(
            model_name="usagewindow",
            name="covered",
            field=agencyportal.core.fields.QuantityField(
                help_text="While `used` comes to no more, none of it is charged; null: not worked out.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="usagewindow",
            name="covered_since",
            field=models.DateTimeField(
                help_text="`covered` counts on no usage from before this instant changing.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="usagewindow",
            name="covered_until",
            field=models.DateTimeField(
                help_text="`covered` is about usage before this instant. Null: work it out again.",
                null=True,
            ),
        ),
    ]
