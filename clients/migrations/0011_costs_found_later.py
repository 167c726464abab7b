import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import agencyportal.core.fields


class Migration(migrations.Migration):
    dependencies = [
        ("clients", "0010_numbers_by_year"),
    ]

    operations = [
        migrations.CreateModel(
            name="UsagePricing",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "standing",
                    models.CharField(
                        choices=[
                            ("counted", "Counted at the event's own time"),
                            ("late", "For a closed period: settles in the open one"),
                            ("unbilled", "The event is in no period"),
                        ],
                        max_length=10,
                    ),
                ),
                ("cost", agencyportal.core.fields.NanosField(help_text="In cost_currency.")),
                ("cost_currency", agencyportal.core.fields.CurrencyField()),
                (
                    "price_source",
                    models.CharField(help_text="Where the price came from.", max_length=100),
                ),
                (
                    "exchange_rate",
                    agencyportal.core.fields.NanosField(
                        help_text="From cost_currency to the client's, frozen."
                    ),
                ),
                (
                    "client_cost",
                    agencyportal.core.fields.NanosField(
                        help_text="The cost in the client's currency."
                    ),
                ),
                ("recorded_at", models.DateTimeField()),
            ],
            options={
                "ordering": ("-recorded_at", "-pk"),
            },
        ),
        migrations.AddIndex(
            model_name="usageevent",
            index=models.Index(
                condition=models.Q(("cost_flag__in", ("no_price", "no_rate"))),
                fields=["workspace", "id"],
                name="event_waiting_for_price",
            ),
        ),
        migrations.AddField(
            model_name="usagepricing",
            name="created_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="usagepricing",
            name="event",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="pricing",
                to="clients.usageevent",
            ),
        ),
        migrations.AddField(
            model_name="usagepricing",
            name="workspace",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="pricings",
                to="clients.workspace",
            ),
        ),
    ]
