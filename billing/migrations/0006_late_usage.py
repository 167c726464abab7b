import django.db.models.deletion
import django.db.models.expressions
import django.utils.timezone
from django.db import migrations, models

import agencyportal.core.fields


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0005_subscription_changes"),
        ("clients", "0007_usage_corrections"),
    ]

    operations = [
        migrations.CreateModel(
            name="LateSettlement",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "number",
                    models.PositiveIntegerField(help_text="1 is the first of its period and unit."),
                ),
                ("settled_at", models.DateTimeField()),
                (
                    "quantity",
                    agencyportal.core.fields.QuantityField(
                        help_text="Added to what the period used; below 0: taken away."
                    ),
                ),
                (
                    "from_period",
                    agencyportal.core.fields.QuantityField(
                        help_text="Of it, from what the period left unused."
                    ),
                ),
                (
                    "from_grants",
                    agencyportal.core.fields.QuantityField(
                        help_text="Of it, from credit that goes on."
                    ),
                ),
                (
                    "overage",
                    agencyportal.core.fields.QuantityField(
                        help_text="The rest, rated as the period's overage."
                    ),
                ),
                (
                    "overage_amount",
                    agencyportal.core.fields.MoneyField(
                        help_text="What it adds to the price of the period's overage."
                    ),
                ),
                (
                    "minimum_amount",
                    agencyportal.core.fields.MoneyField(
                        help_text="What it adds to the minimum of the period, if any."
                    ),
                ),
                ("currency", agencyportal.core.fields.CurrencyField()),
                (
                    "platform_cost",
                    agencyportal.core.fields.NanosField(
                        help_text="Routed cost paid by the platform, client's currency."
                    ),
                ),
                (
                    "agency_cost",
                    agencyportal.core.fields.NanosField(
                        help_text="Model cost paid by the agency, client's currency."
                    ),
                ),
                (
                    "buckets",
                    models.JSONField(
                        default=dict,
                        help_text="By quarter hour of the closed period, what its usage changed by.",
                    ),
                ),
                ("details", models.JSONField(default=dict, help_text="How the price came about.")),
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
                    "charge",
                    models.ForeignKey(
                        blank=True,
                        help_text="Written when the open period closes.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="late_settlements",
                        to="billing.charge",
                    ),
                ),
                (
                    "client",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="clients.client",
                    ),
                ),
                (
                    "period",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="late_settlements",
                        to="billing.billingperiod",
                    ),
                ),
                (
                    "settled_in",
                    models.ForeignKey(
                        blank=True,
                        help_text="The first period that was open then; with none, the client has left.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="settled_late",
                        to="billing.billingperiod",
                    ),
                ),
                (
                    "unit",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="clients.usageunit",
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="late_settlements",
                        to="clients.workspace",
                    ),
                ),
            ],
            options={
                "ordering": ("-settled_at", "-pk"),
            },
        ),
        migrations.CreateModel(
            name="LateGrantUse",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("period", "What the closed period left"),
                            ("credit", "Credit that goes on"),
                        ],
                        max_length=10,
                    ),
                ),
                ("quantity", agencyportal.core.fields.QuantityField()),
                (
                    "grant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="late_uses",
                        to="billing.creditgrant",
                    ),
                ),
                (
                    "returned_as",
                    models.OneToOneField(
                        blank=True,
                        help_text="The adjustment with which freed units came back; none: they are gone.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="returned_from",
                        to="billing.creditgrant",
                    ),
                ),
                (
                    "settlement",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="uses",
                        to="billing.latesettlement",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="LateEntry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                (
                    "correction",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="late_entry",
                        to="clients.usagecorrection",
                    ),
                ),
                (
                    "event",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="late_entries",
                        to="clients.usageevent",
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="clients.workspace",
                    ),
                ),
                (
                    "settlement",
                    models.ForeignKey(
                        blank=True,
                        help_text="None: no period of the workspace holds the event's time.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="entries",
                        to="billing.latesettlement",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "late entries",
            },
        ),
        migrations.AddConstraint(
            model_name="latesettlement",
            constraint=models.UniqueConstraint(
                fields=("period", "unit", "number"), name="late_settlement_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="latesettlement",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "quantity",
                        django.db.models.expressions.CombinedExpression(
                            django.db.models.expressions.CombinedExpression(
                                models.F("from_period"), "+", models.F("from_grants")
                            ),
                            "+",
                            models.F("overage"),
                        ),
                    )
                ),
                name="late_settlement_adds_up",
            ),
        ),
        migrations.AddConstraint(
            model_name="lategrantuse",
            constraint=models.UniqueConstraint(
                fields=("settlement", "grant", "source"), name="late_grant_use_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="lateentry",
            constraint=models.UniqueConstraint(
                condition=models.Q(("correction", None)), fields=("event",), name="late_event_once"
            ),
        ),
    ]
