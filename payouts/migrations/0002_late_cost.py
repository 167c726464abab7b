import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0006_late_usage"),
        ("payouts", "0001_earnings_and_payouts"),
    ]

    operations = [
        migrations.AddField(
            model_name="earning",
            name="late_settlement",
            field=models.ForeignKey(
                blank=True,
                help_text="The late usage of a closed period that cost it.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="earnings",
                to="billing.latesettlement",
            ),
        ),
    ]
