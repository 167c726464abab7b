import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import agencyportal.core.fields


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("clients", "0001_people_units_and_usage"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="DocumentSeries",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "code",
                    models.CharField(
                        help_text="Issuer, document type and year: invoice-2026.",
                        max_length=60,
                        unique=True,
                    ),
                ),
                ("prefix", models.CharField(help_text="Printed before the number.", max_length=20)),
                ("next_number", models.PositiveIntegerField(default=1)),
            ],
            options={
                "verbose_name_plural": "document series",
            },
        ),
        migrations.CreateModel(
            name="BillingPeriod",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("currency", agencyportal.core.fields.CurrencyField()),
                ("timezone", agencyportal.core.fields.TimeZoneField()),
                ("start", models.DateTimeField()),
                ("end", models.DateTimeField()),
                ("full_start", models.DateTimeField()),
                ("full_end", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[("open", "Open"), ("closing", "Closing"), ("closed", "Closed")],
                        default="open",
                        max_length=10,
                    ),
                ),
                (
                    "due_at",
                    models.DateTimeField(
                        help_text="End plus the agency's grace: closed from then on."
                    ),
                ),
                ("closed_at", models.DateTimeField(editable=False, null=True)),
                ("close_error", models.TextField(blank=True, editable=False)),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                (
                    "agency",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="periods",
                        to="clients.agency",
                    ),
                ),
                (
                    "client",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="periods",
                        to="clients.client",
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="periods",
                        to="clients.workspace",
                    ),
                ),
            ],
            options={
                "ordering": ("workspace", "start"),
            },
        ),
        migrations.CreateModel(
            name="Charge",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("implementation", "Implementation"),
                            ("base", "Base package"),
                            ("support", "Support"),
                            ("top_up", "Top-up"),
                            ("overage", "Usage beyond the allowance"),
                            ("minimum", "Minimum commitment"),
                            ("credit", "Credit"),
                            ("discount", "Discount"),
                            ("late_usage", "Late usage"),
                        ],
                        max_length=20,
                    ),
                ),
                ("description", models.CharField(max_length=300)),
                ("quantity", agencyportal.core.fields.QuantityField(default=1)),
                (
                    "unit_amount",
                    models.CharField(
                        blank=True,
                        help_text="Price of one as a decimal string, if there is one.",
                        max_length=40,
                    ),
                ),
                (
                    "amount",
                    agencyportal.core.fields.MoneyField(
                        help_text="Net, rounded to the currency's digits."
                    ),
                ),
                ("currency", agencyportal.core.fields.CurrencyField()),
                (
                    "collected_by",
                    models.CharField(
                        choices=[("platform", "The platform"), ("agency", "The agency itself")],
                        default="platform",
                        max_length=10,
                    ),
                ),
                (
                    "details",
                    models.JSONField(
                        blank=True, default=dict, help_text="How the amount came about."
                    ),
                ),
                ("bill_at", models.DateTimeField()),
                ("key", models.CharField(max_length=200, unique=True)),
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
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="charges",
                        to="clients.client",
                    ),
                ),
                (
                    "period",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="charges",
                        to="billing.billingperiod",
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
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="clients.workspace",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="CreditGrant",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("allowance", "Allowance"),
                            ("rollover", "Rollover"),
                            ("adjustment", "Adjustment"),
                            ("promotional", "Promotional top-up"),
                            ("top_up", "Top-up"),
                        ],
                        max_length=12,
                    ),
                ),
                ("quantity", agencyportal.core.fields.QuantityField()),
                ("priority", models.PositiveSmallIntegerField(help_text="Lower burns first.")),
                ("effective_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("reason", models.CharField(blank=True, max_length=500)),
                (
                    "key",
                    models.CharField(
                        help_text="What caused it, once.", max_length=200, unique=True
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
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "period",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="grants",
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
                        related_name="grants",
                        to="clients.workspace",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Invoice",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("draft", "Draft"),
                            ("issued", "Issued"),
                            ("partially_paid", "Partially paid"),
                            ("paid", "Paid"),
                            ("void", "Void"),
                            ("uncollectible", "Uncollectible"),
                        ],
                        default="draft",
                        max_length=15,
                    ),
                ),
                ("currency", agencyportal.core.fields.CurrencyField()),
                (
                    "bill_at",
                    models.DateTimeField(help_text="The period end (or activation) it bills."),
                ),
                ("sequence", models.PositiveIntegerField(blank=True, null=True)),
                ("number", models.CharField(blank=True, max_length=40, null=True, unique=True)),
                ("issued_at", models.DateTimeField(blank=True, null=True)),
                (
                    "issue_date",
                    models.DateField(blank=True, help_text="In the platform's zone.", null=True),
                ),
                ("due_date", models.DateField(blank=True, null=True)),
                ("net", agencyportal.core.fields.MoneyField(default=0)),
                ("tax", agencyportal.core.fields.MoneyField(default=0)),
                ("total", agencyportal.core.fields.MoneyField(default=0)),
                (
                    "amount_paid",
                    agencyportal.core.fields.MoneyField(
                        default=0, help_text="Sum of its payments."
                    ),
                ),
                ("snapshot", models.JSONField(blank=True, null=True)),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                (
                    "agency",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="invoices",
                        to="clients.agency",
                    ),
                ),
                (
                    "client",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="invoices",
                        to="clients.client",
                    ),
                ),
                (
                    "series",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.documentseries",
                    ),
                ),
            ],
            options={
                "ordering": ("-bill_at", "client"),
            },
        ),
        migrations.CreateModel(
            name="InvoiceDocument",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
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
                ("size", models.PositiveBigIntegerField(blank=True, help_text="Bytes.", null=True)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("claimed_at", models.DateTimeField(blank=True, null=True)),
                ("rendered_at", models.DateTimeField(blank=True, null=True)),
                ("error", models.TextField(blank=True, help_text="Why the last attempt failed.")),
                (
                    "invoice",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="document",
                        to="billing.invoice",
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="InvoiceLine",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("position", models.PositiveIntegerField()),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("implementation", "Implementation"),
                            ("base", "Base package"),
                            ("support", "Support"),
                            ("top_up", "Top-up"),
                            ("overage", "Usage beyond the allowance"),
                            ("minimum", "Minimum commitment"),
                            ("credit", "Credit"),
                            ("discount", "Discount"),
                            ("late_usage", "Late usage"),
                        ],
                        max_length=20,
                    ),
                ),
                ("description", models.CharField(max_length=300)),
                ("quantity", agencyportal.core.fields.QuantityField()),
                ("unit_amount", models.CharField(blank=True, max_length=40)),
                ("net", agencyportal.core.fields.MoneyField()),
                ("currency", agencyportal.core.fields.CurrencyField()),
                (
                    "collected_by",
                    models.CharField(
                        choices=[("platform", "The platform"), ("agency", "The agency itself")],
                        max_length=10,
                    ),
                ),
                (
                    "tax_category",
                    models.CharField(
                        choices=[
                            ("S", "Standard rate"),
                            ("Z", "Zero rated"),
                            ("E", "Exempt"),
                            ("AE", "Reverse charge"),
                            ("O", "Not subject to tax"),
                        ],
                        max_length=2,
                    ),
                ),
                ("tax_percent", agencyportal.core.fields.QuantityField(default=0)),
                ("tax_reason", models.CharField(blank=True, max_length=200)),
                (
                    "charge",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="line",
                        to="billing.charge",
                    ),
                ),
                (
                    "invoice",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="lines",
                        to="billing.invoice",
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
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="clients.workspace",
                    ),
                ),
            ],
            options={
                "ordering": ("invoice", "position"),
            },
        ),
        migrations.CreateModel(
            name="InvoiceTax",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "category",
                    models.CharField(
                        choices=[
                            ("S", "Standard rate"),
                            ("Z", "Zero rated"),
                            ("E", "Exempt"),
                            ("AE", "Reverse charge"),
                            ("O", "Not subject to tax"),
                        ],
                        max_length=2,
                    ),
                ),
                ("percent", agencyportal.core.fields.QuantityField()),
                ("reason", models.CharField(blank=True, max_length=200)),
                ("base", agencyportal.core.fields.MoneyField()),
                ("tax", agencyportal.core.fields.MoneyField()),
                ("currency", agencyportal.core.fields.CurrencyField()),
                (
                    "invoice",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="taxes",
                        to="billing.invoice",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Mail",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "key",
                    models.CharField(
                        help_text="What it is about, once.", max_length=200, unique=True
                    ),
                ),
                ("recipients", models.JSONField(help_text="A list of addresses.")),
                ("subject", models.CharField(max_length=300)),
                ("body_text", models.TextField()),
                ("body_html", models.TextField(blank=True)),
                (
                    "attachment_path",
                    models.CharField(
                        blank=True,
                        help_text="In the documents storage; sent when it is there.",
                        max_length=300,
                    ),
                ),
                ("attachment_name", models.CharField(blank=True, max_length=200)),
                ("message_id", models.CharField(max_length=200)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("sending", "Sending"),
                            ("sent", "Sent"),
                            ("failed", "Failed"),
                        ],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("not_before", models.DateTimeField(help_text="Not sent before this instant.")),
                ("claimed_at", models.DateTimeField(editable=False, null=True)),
                ("sent_at", models.DateTimeField(editable=False, null=True)),
                ("error", models.TextField(blank=True)),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                (
                    "agency",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="mail",
                        to="clients.agency",
                    ),
                ),
                (
                    "client",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="mail",
                        to="clients.client",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "mail",
            },
        ),
        migrations.CreateModel(
            name="MarginRule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "model",
                    models.CharField(
                        blank=True, default="", help_text="Empty: any.", max_length=200
                    ),
                ),
                (
                    "name",
                    models.CharField(help_text="As named on the lines it prices.", max_length=200),
                ),
                (
                    "percent",
                    agencyportal.core.fields.QuantityField(
                        default=0, help_text="25 means cost x 1.25."
                    ),
                ),
                (
                    "surcharge",
                    agencyportal.core.fields.NanosField(
                        default=0, help_text="Per unit, in the client's currency."
                    ),
                ),
                (
                    "floor_percent",
                    agencyportal.core.fields.QuantityField(
                        blank=True,
                        help_text="Warn when margin falls below this share of the price.",
                        null=True,
                    ),
                ),
                ("effective_from", models.DateTimeField()),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                (
                    "scope_key",
                    models.CharField(
                        editable=False,
                        help_text="The scope in one word, so that it is unique.",
                        max_length=300,
                    ),
                ),
                (
                    "agency",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="margin_rules",
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
        ),
        migrations.AddField(
            model_name="charge",
            name="margin_rule",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="charges",
                to="billing.marginrule",
            ),
        ),
        migrations.CreateModel(
            name="Payment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("amount", agencyportal.core.fields.MoneyField()),
                ("currency", agencyportal.core.fields.CurrencyField()),
                (
                    "method",
                    models.CharField(
                        choices=[
                            ("bank_transfer", "Bank transfer"),
                            ("card", "Card"),
                            ("other", "Other"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "reference",
                    models.CharField(help_text="As on the bank statement.", max_length=200),
                ),
                ("received_at", models.DateTimeField()),
                (
                    "key",
                    models.CharField(
                        help_text="What makes it this payment.", max_length=200, unique=True
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
                        related_name="payments",
                        to="clients.agency",
                    ),
                ),
                (
                    "client",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="payments",
                        to="clients.client",
                    ),
                ),
                (
                    "invoice",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="payments",
                        to="billing.invoice",
                    ),
                ),
                (
                    "recorded_by",
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
                "ordering": ("received_at", "pk"),
            },
        ),
        migrations.CreateModel(
            name="PeriodUsage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("policy", models.CharField(max_length=10)),
                ("used", agencyportal.core.fields.QuantityField()),
                ("included", agencyportal.core.fields.QuantityField()),
                ("top_up", agencyportal.core.fields.QuantityField()),
                ("overage", agencyportal.core.fields.QuantityField()),
                ("expired_unused", agencyportal.core.fields.QuantityField()),
                ("rolled_over", agencyportal.core.fields.QuantityField()),
                (
                    "overage_amount",
                    agencyportal.core.fields.MoneyField(
                        help_text="What the overage was charged at, net."
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
                    "period",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="usage",
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
            ],
        ),
        migrations.CreateModel(
            name="GrantUse",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("opening", agencyportal.core.fields.QuantityField()),
                ("consumed", agencyportal.core.fields.QuantityField()),
                ("expired", agencyportal.core.fields.QuantityField()),
                ("rolled_over", agencyportal.core.fields.QuantityField()),
                ("remaining", agencyportal.core.fields.QuantityField()),
                (
                    "grant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="uses",
                        to="billing.creditgrant",
                    ),
                ),
                (
                    "period_usage",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="grants",
                        to="billing.periodusage",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Plan",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("slug", models.SlugField(max_length=60)),
                ("name", models.CharField(max_length=200)),
                ("currency", agencyportal.core.fields.CurrencyField()),
                ("archived_at", models.DateTimeField(blank=True, null=True)),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                (
                    "agency",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="plans",
                        to="clients.agency",
                    ),
                ),
            ],
            options={
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="PlanVersion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                (
                    "interval",
                    models.CharField(
                        choices=[
                            ("month", "Monthly"),
                            ("quarter", "Quarterly"),
                            ("year", "Yearly"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "anchor",
                    models.CharField(
                        choices=[
                            ("calendar", "First day of the calendar month, quarter or year"),
                            ("start", "The day the subscription starts"),
                            ("date", "A given date"),
                        ],
                        default="start",
                        max_length=10,
                    ),
                ),
                ("anchor_date", models.DateField(blank=True, null=True)),
                ("minimum_commitment", agencyportal.core.fields.MoneyField(blank=True, null=True)),
                (
                    "timezone",
                    agencyportal.core.fields.TimeZoneField(
                        blank=True,
                        default="",
                        help_text="Zone its scenarios are computed in; a subscription has its client's.",
                    ),
                ),
                ("published_at", models.DateTimeField(blank=True, null=True)),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "plan",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="versions",
                        to="billing.plan",
                    ),
                ),
            ],
            options={
                "ordering": ("plan", "number"),
            },
        ),
        migrations.CreateModel(
            name="PlanFee",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("position", models.PositiveSmallIntegerField(default=0)),
                ("name", models.CharField(max_length=200)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("implementation", "Implementation fee"),
                            ("base", "Base package"),
                            ("support", "Support"),
                        ],
                        max_length=20,
                    ),
                ),
                ("amount", agencyportal.core.fields.MoneyField()),
                (
                    "when",
                    models.CharField(
                        choices=[
                            ("once", "Once, on activation"),
                            ("period", "Each period, in advance"),
                        ],
                        max_length=10,
                    ),
                ),
                ("prorate", models.BooleanField(default=True)),
                (
                    "collected_by",
                    models.CharField(
                        choices=[("platform", "The platform"), ("agency", "The agency itself")],
                        default="platform",
                        max_length=10,
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="fees",
                        to="billing.planversion",
                    ),
                ),
            ],
            options={
                "ordering": ("version", "position", "pk"),
            },
        ),
        migrations.CreateModel(
            name="PlanAllowance",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("position", models.PositiveSmallIntegerField(default=0)),
                ("included", agencyportal.core.fields.QuantityField()),
                ("rollover_max", agencyportal.core.fields.QuantityField(default=0)),
                ("prorate", models.BooleanField(default=True)),
                (
                    "policy",
                    models.CharField(
                        choices=[
                            ("block", "Block"),
                            ("bill", "Bill the overage"),
                            ("top_up", "Top up automatically"),
                            ("notify", "Notify only"),
                            ("ask", "Ask the client"),
                        ],
                        max_length=10,
                    ),
                ),
                ("policy_options", models.JSONField(blank=True, default=dict)),
                ("pricing", models.JSONField(blank=True, null=True)),
                ("cap_amount", agencyportal.core.fields.MoneyField(blank=True, null=True)),
                (
                    "unit",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="clients.usageunit",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="allowances",
                        to="billing.planversion",
                    ),
                ),
            ],
            options={
                "ordering": ("version", "position", "pk"),
            },
        ),
        migrations.AddField(
            model_name="billingperiod",
            name="plan_version",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.planversion",
            ),
        ),
        migrations.CreateModel(
            name="Subscription",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("currency", agencyportal.core.fields.CurrencyField()),
                ("timezone", agencyportal.core.fields.TimeZoneField()),
                (
                    "anchor_date",
                    models.DateField(help_text="Local date whole intervals are counted from."),
                ),
                ("start", models.DateTimeField()),
                ("end", models.DateTimeField(blank=True, null=True)),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                (
                    "agency",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="subscriptions",
                        to="clients.agency",
                    ),
                ),
                (
                    "client",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="subscriptions",
                        to="clients.client",
                    ),
                ),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "plan_version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="subscriptions",
                        to="billing.planversion",
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="subscriptions",
                        to="clients.workspace",
                    ),
                ),
            ],
            options={
                "ordering": ("workspace", "start"),
            },
        ),
        migrations.AddField(
            model_name="billingperiod",
            name="subscription",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="periods",
                to="billing.subscription",
            ),
        ),
        migrations.CreateModel(
            name="TaxRate",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "country",
                    models.CharField(
                        help_text="Of the client. ISO 3166-1, as in US.", max_length=2
                    ),
                ),
                (
                    "category",
                    models.CharField(
                        choices=[
                            ("S", "Standard rate"),
                            ("Z", "Zero rated"),
                            ("E", "Exempt"),
                            ("AE", "Reverse charge"),
                            ("O", "Not subject to tax"),
                        ],
                        max_length=2,
                    ),
                ),
                ("percent", agencyportal.core.fields.QuantityField(help_text="19 means 19 %.")),
                (
                    "reason",
                    models.CharField(
                        blank=True, help_text="Why no tax is charged, as printed.", max_length=200
                    ),
                ),
                ("effective_from", models.DateField(help_text="First issue date it applies to.")),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                (
                    "agency",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="tax_rates",
                        to="clients.agency",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="TopUpBand",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("position", models.PositiveSmallIntegerField(default=0)),
                ("name", models.CharField(max_length=200)),
                ("quantity", agencyportal.core.fields.QuantityField()),
                ("price", agencyportal.core.fields.MoneyField()),
                (
                    "expires",
                    models.CharField(
                        help_text="`period_end`, `never`, or an ISO 8601 duration such as P90D.",
                        max_length=20,
                    ),
                ),
                (
                    "buyer",
                    models.CharField(
                        choices=[("client", "The client's admin"), ("agency", "The agency only")],
                        default="client",
                        max_length=10,
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
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="top_ups",
                        to="billing.planversion",
                    ),
                ),
            ],
            options={
                "ordering": ("version", "position", "pk"),
            },
        ),
        migrations.CreateModel(
            name="TopUpPurchase",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("quantity", agencyportal.core.fields.QuantityField()),
                ("price", agencyportal.core.fields.MoneyField()),
                ("currency", agencyportal.core.fields.CurrencyField()),
                ("purchased_at", models.DateTimeField()),
                ("key", models.CharField(help_text="The buyer's idempotency key.", max_length=200)),
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
                    "band",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.topupband",
                    ),
                ),
                (
                    "purchased_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
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
                        related_name="purchases",
                        to="clients.workspace",
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="creditgrant",
            name="purchase",
            field=models.OneToOneField(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="grant",
                to="billing.topuppurchase",
            ),
        ),
        migrations.AddConstraint(
            model_name="invoice",
            constraint=models.UniqueConstraint(
                fields=("client", "currency", "bill_at"), name="invoice_once_per_period_end"
            ),
        ),
        migrations.AddConstraint(
            model_name="invoice",
            constraint=models.UniqueConstraint(
                fields=("series", "sequence"), name="invoice_number_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="invoice",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("issued_at__isnull", True), ("number__isnull", True), ("state", "draft")
                    ),
                    models.Q(
                        models.Q(("state", "draft"), _negated=True),
                        ("issued_at__isnull", False),
                        ("number__isnull", False),
                        ("sequence__isnull", False),
                        ("snapshot__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="invoice_numbered_when_issued",
            ),
        ),
        migrations.AddConstraint(
            model_name="invoice",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_paid__gte", 0)), name="invoice_paid_not_negative"
            ),
        ),
        migrations.AddIndex(
            model_name="invoicedocument",
            index=models.Index(
                condition=models.Q(("state", "rendered"), _negated=True),
                fields=["id"],
                name="billing_invoicedocument_due",
            ),
        ),
        migrations.AddConstraint(
            model_name="invoicedocument",
            constraint=models.CheckConstraint(
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
                name="billing_invoicedocument_rendered_is_stored",
            ),
        ),
        migrations.AddConstraint(
            model_name="invoiceline",
            constraint=models.UniqueConstraint(
                fields=("invoice", "position"), name="line_position_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="invoicetax",
            constraint=models.UniqueConstraint(
                fields=("invoice", "category", "percent"), name="invoice_tax_once"
            ),
        ),
        migrations.AddIndex(
            model_name="mail",
            index=models.Index(
                condition=models.Q(("state__in", ("pending", "sending"))),
                fields=["not_before"],
                name="mail_due",
            ),
        ),
        migrations.AddConstraint(
            model_name="marginrule",
            constraint=models.UniqueConstraint(
                fields=("agency", "scope_key", "effective_from"), name="margin_rule_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="marginrule",
            constraint=models.CheckConstraint(
                condition=models.Q(("percent__gte", 0), ("surcharge__gte", 0)),
                name="margin_rule_not_negative",
            ),
        ),
        migrations.AddIndex(
            model_name="charge",
            index=models.Index(fields=["client", "bill_at"], name="charge_by_bill_at"),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gt", 0)), name="payment_positive"
            ),
        ),
        migrations.AddConstraint(
            model_name="periodusage",
            constraint=models.UniqueConstraint(fields=("period", "unit"), name="period_usage_once"),
        ),
        migrations.AddConstraint(
            model_name="grantuse",
            constraint=models.UniqueConstraint(
                fields=("period_usage", "grant"), name="grant_use_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="plan",
            constraint=models.UniqueConstraint(
                fields=("agency", "slug"), name="plan_slug_once_per_agency"
            ),
        ),
        migrations.AddConstraint(
            model_name="planversion",
            constraint=models.UniqueConstraint(fields=("plan", "number"), name="plan_version_once"),
        ),
        migrations.AddConstraint(
            model_name="planversion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("anchor", "date"), ("anchor_date__isnull", False)),
                    models.Q(
                        models.Q(("anchor", "date"), _negated=True), ("anchor_date__isnull", True)
                    ),
                    _connector="OR",
                ),
                name="plan_version_anchor_date_with_date_anchor",
            ),
        ),
        migrations.AddConstraint(
            model_name="planfee",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gte", 0)), name="fee_not_negative"
            ),
        ),
        migrations.AddConstraint(
            model_name="planallowance",
            constraint=models.UniqueConstraint(
                fields=("version", "unit"), name="allowance_once_per_unit"
            ),
        ),
        migrations.AddConstraint(
            model_name="planallowance",
            constraint=models.CheckConstraint(
                condition=models.Q(("included__gte", 0), ("rollover_max__gte", 0)),
                name="allowance_not_negative",
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.UniqueConstraint(
                fields=("workspace", "start"), name="subscription_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.UniqueConstraint(
                condition=models.Q(("end__isnull", True)),
                fields=("workspace",),
                name="subscription_one_running",
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("end__isnull", True), ("end__gt", models.F("start")), _connector="OR"
                ),
                name="subscription_not_empty",
            ),
        ),
        migrations.AddIndex(
            model_name="billingperiod",
            index=models.Index(
                condition=models.Q(("state", "closed"), _negated=True),
                fields=["due_at"],
                name="period_due",
            ),
        ),
        migrations.AddIndex(
            model_name="billingperiod",
            index=models.Index(fields=["client", "end"], name="period_by_client_end"),
        ),
        migrations.AddConstraint(
            model_name="billingperiod",
            constraint=models.UniqueConstraint(fields=("workspace", "start"), name="period_once"),
        ),
        migrations.AddConstraint(
            model_name="billingperiod",
            constraint=models.CheckConstraint(
                condition=models.Q(("end__gt", models.F("start"))), name="period_not_empty"
            ),
        ),
        migrations.AddConstraint(
            model_name="billingperiod",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("closed_at__isnull", False), ("state", "closed")),
                    models.Q(
                        models.Q(("state", "closed"), _negated=True), ("closed_at__isnull", True)
                    ),
                    _connector="OR",
                ),
                name="period_closed_with_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="taxrate",
            constraint=models.UniqueConstraint(
                fields=("agency", "country", "effective_from"), name="tax_rate_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="taxrate",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("category", "S"), ("percent__gt", 0)),
                    models.Q(models.Q(("category", "S"), _negated=True), ("percent", 0)),
                    _connector="OR",
                ),
                name="tax_rate_only_when_standard",
            ),
        ),
        migrations.AddConstraint(
            model_name="topupband",
            constraint=models.UniqueConstraint(fields=("version", "name"), name="band_name_once"),
        ),
        migrations.AddConstraint(
            model_name="topupband",
            constraint=models.CheckConstraint(
                condition=models.Q(("price__gte", 0), ("quantity__gt", 0)), name="band_positive"
            ),
        ),
        migrations.AddConstraint(
            model_name="topuppurchase",
            constraint=models.UniqueConstraint(fields=("workspace", "key"), name="purchase_once"),
        ),
        migrations.AddIndex(
            model_name="creditgrant",
            index=models.Index(fields=["workspace", "unit", "effective_at"], name="grant_by_time"),
        ),
        migrations.AddConstraint(
            model_name="creditgrant",
            constraint=models.CheckConstraint(
                condition=models.Q(("quantity__gte", 0)), name="grant_not_negative"
            ),
        ),
    ]
