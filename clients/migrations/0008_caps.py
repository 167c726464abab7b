import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import agencyportal.core.fields


class Migration(migrations.Migration):
    dependencies = [
        ("clients", "0007_usage_corrections"),
    ]

    operations = [
        migrations.CreateModel(
            name="CapBalance",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "level",
                    models.PositiveSmallIntegerField(
                        choices=[(1, "Workspace"), (2, "Client"), (3, "Agency")]
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("units", "Units"),
                            ("cost", "Routed cost"),
                            ("spend", "Overage and top-ups"),
                        ],
                        max_length=5,
                    ),
                ),
                (
                    "rank",
                    models.PositiveSmallIntegerField(
                        editable=False, help_text="Of the kind, to lock by."
                    ),
                ),
                (
                    "currency",
                    agencyportal.core.fields.CurrencyField(
                        blank=True, default="", help_text="Of money; empty for units."
                    ),
                ),
                ("month", models.DateField(help_text="Its first day.")),
                ("units_used", agencyportal.core.fields.QuantityField(default=0)),
                ("units_held", agencyportal.core.fields.QuantityField(default=0)),
                ("cost_used", agencyportal.core.fields.NanosField(default=0)),
                ("cost_held", agencyportal.core.fields.NanosField(default=0)),
                ("spend_used", agencyportal.core.fields.MoneyField(default=0)),
                ("spend_held", agencyportal.core.fields.MoneyField(default=0)),
                (
                    "key",
                    models.CharField(
                        help_text="Whose, what and when, once.", max_length=120, unique=True
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                (
                    "agency",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="clients.agency",
                    ),
                ),
                (
                    "client",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="clients.client",
                    ),
                ),
                (
                    "unit",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="clients.usageunit",
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="clients.workspace",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["agency", "client", "month"], name="cap_balance_by_month")
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("cost_held__gte", 0), ("units_held__gte", 0), ("units_used__gte", 0)
                        ),
                        name="cap_balance_not_negative",
                    )
                ],
            },
        ),
    ]
