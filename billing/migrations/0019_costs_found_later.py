import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0018_upgrades"),
        ("clients", "0011_costs_found_later"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="lateentry",
            name="late_event_once",
        ),
        migrations.AddField(
            model_name="lateentry",
            name="pricing",
            field=models.OneToOneField(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="late_entry",
                to="clients.usagepricing",
            ),
        ),
        migrations.AddConstraint(
            model_name="lateentry",
            constraint=models.UniqueConstraint(
                condition=models.Q(("correction", None), ("pricing", None)),
                fields=("event",),
                name="late_event_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="lateentry",
            constraint=models.CheckConstraint(
                condition=models.Q(("correction", None), ("pricing", None), _connector="OR"),
                name="late_entry_of_one",
            ),
        ),
    ]
