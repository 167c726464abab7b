import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import agencyportal.core.create_models
import agencyportal.core.fields


class Migration(migrations.Migration):
    replaces = [
        ("payouts", "0001_earnings_and_payouts"),
        ("payouts", "0002_late_cost"),
        ("payouts", "0003_refunds_and_disputes"),
        ("payouts", "0004_lifecycle_of_payouts"),
        ("payouts", "0005_adjustments_by_two"),
        ("payouts", "0006_bank_accounts_and_transfers"),
        ("payouts", "0007_paid_through_stripe"),
        ("payouts", "0008_reserve_for_disputes"),
    ]

    initial = True

    dependencies = [
        ("billing", "0014_movements_of_payments"),
        ("clients", "0015_automatic_on_account"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
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
                                    ("reserve", "Reserve for disputes"),
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
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="BankAccount",
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
                                related_name="bank_accounts",
                                to="clients.agency",
                            ),
                        ),
                        (
                            "holder",
                            models.CharField(help_text="As the bank knows it.", max_length=70),
                        ),
                        ("country", models.CharField(max_length=2)),
                        ("iban", models.CharField(blank=True, max_length=34, verbose_name="IBAN")),
                        ("bic", models.CharField(blank=True, max_length=11, verbose_name="BIC")),
                        ("account_number", models.CharField(blank=True, max_length=34)),
                        ("routing_number", models.CharField(blank=True, max_length=20)),
                        (
                            "added_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("added_at", models.DateTimeField()),
                        (
                            "usable_from",
                            models.DateTimeField(help_text="Nothing is paid to it before."),
                        ),
                        ("stopped_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "stopped_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                    options={
                        "ordering": ("-added_at", "-pk"),
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("iban", ""), ("account_number", ""), _connector="XOR"
                                ),
                                name="bank_account_has_one_number",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="BankFile",
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
                        ("month", models.DateField()),
                        ("currency", agencyportal.core.fields.CurrencyField()),
                        (
                            "created_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("created_at", models.DateTimeField()),
                        (
                            "key",
                            models.CharField(
                                help_text="What makes it this one.", max_length=200, unique=True
                            ),
                        ),
                    ],
                    options={
                        "ordering": ("-pk",),
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
                        (
                            "reserve",
                            agencyportal.core.fields.MoneyField(
                                default=0, help_text="Kept back for disputes, given back after."
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
                            "reserve_percent",
                            agencyportal.core.fields.QuantityField(
                                default=0,
                                help_text="Of a month's revenue, kept back for disputes; 5 means 5 %.",
                            ),
                        ),
                        (
                            "reserve_days",
                            models.PositiveSmallIntegerField(
                                default=90,
                                help_text="How long after the month it is kept back.",
                                validators=[django.core.validators.MaxValueValidator(365)],
                            ),
                        ),
                        (
                            "pay_by",
                            models.CharField(
                                choices=[
                                    ("bank", "By bank transfer"),
                                    ("stripe", "Through Stripe"),
                                ],
                                default="bank",
                                help_text="Through Stripe, an approved payout is paid by itself.",
                                max_length=10,
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
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("reserve_percent__gte", 0), ("reserve_percent__lte", 100)
                                ),
                                name="payout_reserve_in_range",
                            ),
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
                            "created_by",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
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
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="StripeAccount",
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
                                related_name="stripe_accounts",
                                to="clients.agency",
                            ),
                        ),
                        ("is_live", models.BooleanField()),
                        (
                            "account_id",
                            models.CharField(
                                max_length=255, unique=True, verbose_name="Stripe's id"
                            ),
                        ),
                        (
                            "is_submitted",
                            models.BooleanField(
                                default=False, help_text="The agency has told Stripe all."
                            ),
                        ),
                        (
                            "takes_transfers",
                            models.BooleanField(default=False, help_text="It may be given money."),
                        ),
                        (
                            "is_paid_out",
                            models.BooleanField(
                                default=False, help_text="Stripe pays it on to a bank."
                            ),
                        ),
                        ("disabled_reason", models.CharField(blank=True, max_length=200)),
                        (
                            "due",
                            models.JSONField(default=list, help_text="What Stripe still asks for."),
                        ),
                        ("read_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "created_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("created_at", models.DateTimeField()),
                    ],
                    options={
                        "verbose_name": "Stripe account",
                        "ordering": ("agency", "pk"),
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("agency", "is_live"), name="stripe_account_once"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="AdjustmentRequest",
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
                                related_name="adjustments",
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
                            "amount",
                            agencyportal.core.fields.MoneyField(
                                help_text="Positive: the agency gains."
                            ),
                        ),
                        ("currency", agencyportal.core.fields.CurrencyField()),
                        (
                            "reason",
                            models.CharField(
                                help_text="As printed on the statement.", max_length=250
                            ),
                        ),
                        (
                            "requested_by",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("requested_at", models.DateTimeField()),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("pending", "Waiting for a second person"),
                                    ("approved", "Approved"),
                                    ("refused", "Refused"),
                                ],
                                default="pending",
                                max_length=10,
                            ),
                        ),
                        (
                            "decided_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("decided_at", models.DateTimeField(blank=True, null=True)),
                        ("note", models.CharField(blank=True, max_length=500)),
                        (
                            "earning",
                            models.OneToOneField(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="adjustment",
                                to="payouts.earning",
                            ),
                        ),
                        (
                            "key",
                            models.CharField(
                                help_text="What makes it this one.", max_length=200, unique=True
                            ),
                        ),
                    ],
                    options={
                        "ordering": ("-requested_at", "-pk"),
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("amount", 0), _negated=True),
                                name="adjustment_not_zero",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("decided_by__isnull", True),
                                    models.Q(
                                        ("decided_by", models.F("requested_by")), _negated=True
                                    ),
                                    _connector="OR",
                                ),
                                name="adjustment_decided_by_another",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("decided_by__isnull", True), ("state", "pending")),
                                    models.Q(
                                        models.Q(("state", "pending"), _negated=True),
                                        ("decided_by__isnull", False),
                                    ),
                                    _connector="OR",
                                ),
                                name="adjustment_decided_by_somebody",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("earning__isnull", False), ("state", "approved")),
                                    models.Q(
                                        models.Q(("state", "approved"), _negated=True),
                                        ("earning__isnull", True),
                                    ),
                                    _connector="OR",
                                ),
                                name="adjustment_earning_when_approved",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="CarriedOver",
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
                            "cancelled",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="carried_over",
                                to="payouts.payout",
                            ),
                        ),
                        (
                            "into",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="taken_over",
                                to="payouts.payout",
                            ),
                        ),
                    ],
                    options={
                        "verbose_name_plural": "carried over",
                    },
                ),
                migrations.CreateModel(
                    name="DisputeReserve",
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
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="dispute_reserve",
                                to="payouts.payout",
                            ),
                        ),
                        (
                            "base",
                            agencyportal.core.fields.MoneyField(
                                help_text="Revenue that can still be disputed."
                            ),
                        ),
                        ("percent", agencyportal.core.fields.QuantityField()),
                        ("amount", agencyportal.core.fields.MoneyField()),
                        ("currency", agencyportal.core.fields.CurrencyField()),
                        ("release_at", models.DateTimeField()),
                        (
                            "held",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="reserve_held",
                                to="payouts.earning",
                            ),
                        ),
                        (
                            "released",
                            models.OneToOneField(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="reserve_released",
                                to="payouts.earning",
                            ),
                        ),
                    ],
                    options={
                        "ordering": ("-release_at", "-pk"),
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("amount__gt", 0)), name="reserve_positive"
                            )
                        ],
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
                    options={
                        "abstract": False,
                    },
                ),
                migrations.CreateModel(
                    name="PayoutTransition",
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
                                related_name="transitions",
                                to="payouts.payout",
                            ),
                        ),
                        ("number", models.PositiveIntegerField()),
                        (
                            "from_state",
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
                                verbose_name="from",
                            ),
                        ),
                        (
                            "to_state",
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
                                verbose_name="to",
                            ),
                        ),
                        (
                            "by",
                            models.ForeignKey(
                                blank=True,
                                help_text="Empty: nobody, it came of itself.",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "happened_at",
                            models.DateTimeField(
                                help_text="When it was paid, say; never in the future."
                            ),
                        ),
                        ("recorded_at", models.DateTimeField()),
                        ("reason", models.CharField(blank=True, max_length=500)),
                        (
                            "reference",
                            models.CharField(
                                blank=True, help_text="As on the bank statement.", max_length=200
                            ),
                        ),
                        (
                            "key",
                            models.CharField(
                                help_text="What makes it this one.", max_length=200, unique=True
                            ),
                        ),
                    ],
                    options={
                        "ordering": ("payout", "number"),
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("payout", "number"), name="payout_transition_number_once"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("from_state", models.F("to_state")), _negated=True
                                ),
                                name="payout_transition_moves",
                            ),
                        ],
                    },
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
                migrations.CreateModel(
                    name="PayoutTermsChange",
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
                            "terms",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="changes",
                                to="payouts.payoutterms",
                            ),
                        ),
                        ("payout_day", models.PositiveSmallIntegerField()),
                        ("minimum_amount", agencyportal.core.fields.MoneyField()),
                        ("reserve_percent", agencyportal.core.fields.QuantityField(default=0)),
                        ("reserve_days", models.PositiveSmallIntegerField(default=90)),
                        (
                            "pay_by",
                            models.CharField(
                                choices=[
                                    ("bank", "By bank transfer"),
                                    ("stripe", "Through Stripe"),
                                ],
                                default="bank",
                                max_length=10,
                            ),
                        ),
                        ("account_hint", models.CharField(blank=True, max_length=100)),
                        (
                            "changed_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("changed_at", models.DateTimeField()),
                    ],
                    options={
                        "ordering": ("-changed_at", "-pk"),
                    },
                ),
                migrations.CreateModel(
                    name="Transfer",
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
                                related_name="transfers",
                                to="clients.agency",
                            ),
                        ),
                        (
                            "payout",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="transfers",
                                to="payouts.payout",
                            ),
                        ),
                        (
                            "method",
                            models.CharField(
                                choices=[
                                    ("bank_file", "Bank file"),
                                    ("by_hand", "By hand"),
                                    ("stripe", "Stripe"),
                                ],
                                max_length=10,
                            ),
                        ),
                        ("amount", agencyportal.core.fields.MoneyField()),
                        ("currency", agencyportal.core.fields.CurrencyField()),
                        (
                            "bank_account",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="transfers",
                                to="payouts.bankaccount",
                            ),
                        ),
                        (
                            "bank_file",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="transfers",
                                to="payouts.bankfile",
                            ),
                        ),
                        (
                            "stripe_account",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="transfers",
                                to="payouts.stripeaccount",
                            ),
                        ),
                        (
                            "provider_id",
                            models.CharField(
                                blank=True, max_length=200, verbose_name="Stripe's id"
                            ),
                        ),
                        (
                            "returned",
                            agencyportal.core.fields.MoneyField(
                                default=0, help_text="Taken back at Stripe."
                            ),
                        ),
                        ("claimed_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("return_asked_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "return_asked_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("return_reason", models.CharField(blank=True, max_length=500)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("pending", "On its way"),
                                    ("paid", "Paid"),
                                    ("failed", "Failed"),
                                ],
                                default="pending",
                                max_length=10,
                            ),
                        ),
                        (
                            "reference",
                            models.CharField(
                                blank=True, help_text="As on the bank statement.", max_length=200
                            ),
                        ),
                        (
                            "failure",
                            models.CharField(
                                blank=True, help_text="Why it failed.", max_length=500
                            ),
                        ),
                        (
                            "requested_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("requested_at", models.DateTimeField()),
                        ("settled_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "key",
                            models.CharField(
                                help_text="What makes it this one.", max_length=200, unique=True
                            ),
                        ),
                    ],
                    options={
                        "ordering": ("-requested_at", "-pk"),
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("amount__gt", 0)), name="transfer_positive"
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("state__in", ("pending", "paid"))),
                                fields=("payout",),
                                name="transfer_once_per_payout",
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("provider_id", ""), _negated=True),
                                fields=("provider_id",),
                                name="transfer_provider_id_once",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("returned__gte", 0), ("returned__lte", models.F("amount"))
                                ),
                                name="transfer_returned_is_a_part",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("settled_at__isnull", True), ("state", "pending")),
                                    models.Q(
                                        models.Q(("state", "pending"), _negated=True),
                                        ("settled_at__isnull", False),
                                    ),
                                    _connector="OR",
                                ),
                                name="transfer_settled_when_done",
                            ),
                        ],
                    },
                ),
            ],
        ),
    ]
