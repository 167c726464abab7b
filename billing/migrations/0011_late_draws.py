import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0010_purchases_that_start_later"),
    ]

    operations = [
        migrations.AddField(
            model_name="lategrantuse",
            name="after",
            field=models.ForeignKey(
                blank=True,
                help_text="Of credit: the last close that saw the grant; the next one opens with less.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.grantuse",
            ),
        ),
    ]
