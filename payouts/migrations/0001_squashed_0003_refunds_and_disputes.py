import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import agencyportal.core.create_models
import agencyportal.core.fields


class Migration(migrations.Migration):
    replaces = [
        ("payouts", "0001_earnings_and_payouts"),
        ("payouts", "0002_late_cost"),
        ("payouts", "0003_refunds_and_disputes"),
    ]

    initial = True

    dependencies = [
        ("billing", "0014_movements_of_payments"),
        ("clients", "0001_people_units_and_usage"),
    ]

    operations = [
        agencyportal.core.create_models.CreateModels(
            models=[
                migrations.CreateModel(
                    name="Earning",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True,
                                primary_key=True,
                                serialize=False,
                                verbose_name="ID",
                            ),
                        ),
                        (
                            "agency",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="earnings",
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
                            "workspace",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="clients.workspace",
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
                            "kind",
                            models.CharField(
                                choices=[
                                    ("revenue", "Revenue collected"),
                                    ("routed_cost", "Routed cost"),
                                    ("platform_fee", "Platform fee"),
                                    ("refund", "Refunds and credit notes"),
                                    ("dispute", "Disputes"),
                                    ("adjustment", "Adjustment"),
                                ],
                                max_length=20,
                            ),
                        ),
                        (
                            "amount",
                            agencyportal.core.fields.MoneyField(
                                help_text="Signed, rounded to the currency's digits."
                            ),
                        ),
                        ("currency", agencyportal.core.fields.CurrencyField()),
                        (
                            "occurred_at",
                            models.DateTimeField(help_text="Decides the payout month."),
                        ),
                        (
                            "payment",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="earnings",
                                to="billing.payment",
                            ),
                        ),
                        (
                            "movement",
                            models.ForeignKey(
                                blank=True,
                                help_text="What happened to the invoice, where it was no payment.",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="earnings",
                                to="billing.invoicemovement",
                            ),
                        ),
                        (
                            "credit_line",
                            models.ForeignKey(
                                blank=True,
                                help_text="Of a credit note over what was on no invoice.",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="earnings",
                                to="billing.creditnoteline",
                            ),
                        ),
                        (
                            "invoice_line",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="earnings",
                                to="billing.invoiceline",
                            ),
                        ),
                        (
                            "period",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="earnings",
                                to="billing.billingperiod",
                            ),
                        ),
                        (
                            "late_settlement",
                            models.ForeignKey(
                                blank=True,
                                help_text="The late usage of a closed period that cost it.",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="earnings",
                                to="billing.latesettlement",
                            ),
                        ),
                        ("description", models.CharField(max_length=300)),
                        ("key", models.CharField(max_length=200, unique=True)),
                        (
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                    options={
                        "indexes": [
                            models.Index(
                                fields=["agency", "currency", "occurred_at"],
                                name="earning_by_month",
                            )
                        ]
                    },
                ),
                migrations.CreateModel(
                    name="Payout",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True,
                                primary_key=True,
                                serialize=False,
                                verbose_name="ID",
                            ),
                        ),
                        (
                            "agency",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="payouts",
                                to="clients.agency",
                            ),
                        ),
                        ("currency", agencyportal.core.fields.CurrencyField()),
                        (
                            "month",
                            models.DateField(
                                help_text="First day of the month, in the agency's time zone."
                            ),
                        ),
                        ("month_start", models.DateTimeField()),
                        ("month_end", models.DateTimeField()),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("draft", "Draft"),
                                    ("approved", "Approved"),
                                    ("paid", "Paid"),
                                    ("failed", "Failed"),
                                    ("cancelled", "Cancelled"),
                                    ("carried", "Carried forward"),
                                ],
                                max_length=10,
                            ),
                        ),
                        (
                            "series",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="billing.documentseries",
                            ),
                        ),
                        ("sequence", models.PositiveIntegerField()),
                        ("number", models.CharField(max_length=40, unique=True)),
                        (
                            "opening",
                            agencyportal.core.fields.MoneyField(
                                help_text="Carried forward from the payout before."
                            ),
                        ),
                        ("revenue", agencyportal.core.fields.MoneyField()),
                        ("routed_cost", agencyportal.core.fields.MoneyField()),
                        ("platform_fee", agencyportal.core.fields.MoneyField()),
                        (
                            "refunds",
                            agencyportal.core.fields.MoneyField(
                                default=0, help_text="Revenue that went back; negative."
                            ),
                        ),
                        (
                            "disputes",
                            agencyportal.core.fields.MoneyField(
                                default=0, help_text="Held back, given back after; mostly negative."
                            ),
                        ),
                        ("adjustments", agencyportal.core.fields.MoneyField()),
                        (
                            "amount",
                            agencyportal.core.fields.MoneyField(
                                help_text="To be paid to the agency."
                            ),
                        ),
                        (
                            "closing",
                            agencyportal.core.fields.MoneyField(
                                help_text="Carried forward to the next payout."
                            ),
                        ),
                        ("built_at", models.DateTimeField()),
                        ("snapshot", models.JSONField()),
                        (
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                    options={
                        "ordering": ("-month", "agency", "currency"),
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("agency", "currency", "month"), name="payout_once_per_month"
                            ),
                            models.UniqueConstraint(
                                fields=("series", "sequence"), name="payout_number_once"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("amount__gte", 0)), name="payout_not_negative"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="PayoutTerms",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True,
                                primary_key=True,
                                serialize=False,
                                verbose_name="ID",
                            ),
                        ),
                        (
                            "agency",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="payout_terms",
                                to="clients.agency",
                            ),
                        ),
                        (
                            "payout_day",
                            models.PositiveSmallIntegerField(
                                default=1,
                                help_text="Day of the following month on which a month's payout is made up.",
                                validators=[
                                    django.core.validators.MinValueValidator(1),
                                    django.core.validators.MaxValueValidator(28),
                                ],
                            ),
                        ),
                        (
                            "minimum_amount",
                            agencyportal.core.fields.MoneyField(
                                default=0,
                                help_text="A smaller payout is carried forward, in the payout's currency.",
                            ),
                        ),
                        (
                            "account_hint",
                            models.CharField(
                                blank=True,
                                help_text="Where it is paid to, as printed: DE** **** 1234.",
                                max_length=100,
                            ),
                        ),
                    ],
                    options={
                        "verbose_name_plural": "payout terms",
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("minimum_amount__gte", 0)),
                                name="payout_minimum_not_negative",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="PlatformFeeRule",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True,
                                primary_key=True,
                                serialize=False,
                                verbose_name="ID",
                            ),
                        ),
                        (
                            "agency",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="fee_rules",
                                to="clients.agency",
                            ),
                        ),
                        (
                            "line_kind",
                            models.CharField(
                                blank=True,
                                default="",
                                help_text="An invoice line's kind; empty: any.",
                                max_length=20,
                            ),
                        ),
                        (
                            "percent",
                            agencyportal.core.fields.QuantityField(
                                help_text="5 means 5 % of the net amount paid."
                            ),
                        ),
                        (
                            "effective_from",
                            models.DateTimeField(
                                help_text="Applies to payments received from here on."
                            ),
                        ),
                        (
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("agency", "line_kind", "effective_from"),
                                name="fee_rule_once",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("percent__gte", 0), ("percent__lte", 100)),
                                name="fee_rule_percent_in_range",
                            ),
                        ]
                    },
                ),
                migrations.CreateModel(
                    name="PayoutItem",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True,
                                primary_key=True,
                                serialize=False,
                                verbose_name="ID",
                            ),
                        ),
                        (
                            "payout",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="items",
                                to="payouts.payout",
                            ),
                        ),
                        (
                            "earning",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="item",
                                to="payouts.earning",
                            ),
                        ),
                    ],
                    options={"abstract": False},
                ),
                migrations.CreateModel(
                    name="StatementDocument",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True,
                                primary_key=True,
                                serialize=False,
                                verbose_name="ID",
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("pending", "Pending"),
                                    ("rendering", "Rendering"),
                                    ("rendered", "Rendered"),
                                    ("failed", "Failed"),
                                ],
                                default="pending",
                                max_length=10,
                            ),
                        ),
                        ("path", models.CharField(blank=True, max_length=300)),
                        ("sha256", models.CharField(blank=True, max_length=64)),
                        (
                            "size",
                            models.PositiveBigIntegerField(
                                blank=True, help_text="Bytes.", null=True
                            ),
                        ),
                        ("attempts", models.PositiveSmallIntegerField(default=0)),
                        ("claimed_at", models.DateTimeField(blank=True, null=True)),
                        ("rendered_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "error",
                            models.TextField(blank=True, help_text="Why the last attempt failed."),
                        ),
                        (
                            "payout",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="document",
                                to="payouts.payout",
                            ),
                        ),
                    ],
                    options={
                        "abstract": False,
                        "indexes": [
                            models.Index(
                                condition=models.Q(("state", "rendered"), _negated=True),
                                fields=["id"],
                                name="payouts_statementdocument_due",
                            )
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("state", "rendered"), _negated=True),
                                    models.Q(
                                        models.Q(("path", ""), _negated=True),
                                        models.Q(("sha256", ""), _negated=True),
                                        ("rendered_at__isnull", False),
                                        ("size__gt", 0),
                                    ),
                                    _connector="OR",
                                ),
                                name="payouts_statementdocument_rendered_is_stored",
                            )
                        ],
                    },
                ),
            ]
        )
    ]
