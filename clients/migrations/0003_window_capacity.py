from django.db import migrations, models

import agencyportal.core.fields


class Migration(migrations.Migration):
    dependencies = [
        ("clients", "0002_unit_templates"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="usagewindow",
            name="window_used_not_negative",
        ),
        migrations.AddField(
            model_name="usagewindow",
            name="available",
            field=agencyportal.core.fields.QuantityField(
                help_text="Most that used and reserved may come to; null: no limit, or not worked out yet.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="usagewindow",
            name="available_until",
            field=models.DateTimeField(
                help_text="When to work `available` out again: a grant begins or ends. Null: now.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="usagewindow",
            name="reserved",
            field=agencyportal.core.fields.QuantityField(
                default=0, help_text="Held by open reservations."
            ),
        ),
        migrations.AddConstraint(
            model_name="usagewindow",
            constraint=models.CheckConstraint(
                condition=models.Q(("reserved__gte", 0), ("used__gte", 0)),
                name="window_used_not_negative",
            ),
        ),
    ]
