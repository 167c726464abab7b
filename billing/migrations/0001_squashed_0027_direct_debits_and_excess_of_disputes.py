from decimal import Decimal

import django.db.models.deletion
import django.db.models.expressions
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import agencyportal.core.create_models
import agencyportal.core.fields


class Migration(migrations.Migration):
    replaces = [
        ("billing", "0001_plans_periods_credit_and_invoices"),
        ("billing", "0002_reservations_alerts_and_requests"),
        ("billing", "0003_grant_revocations"),
        ("billing", "0004_kinds_of_alerts"),
        ("billing", "0005_subscription_changes"),
        ("billing", "0006_late_usage"),
        ("billing", "0007_discounts"),
        ("billing", "0008_webhooks"),
        ("billing", "0009_caps"),
        ("billing", "0010_purchases_that_start_later"),
        ("billing", "0011_late_draws"),
        ("billing", "0012_intervals_of_fees_and_allowances"),
        ("billing", "0013_money_ledger"),
        ("billing", "0014_movements_of_payments"),
        ("billing", "0015_stripe"),
        ("billing", "0016_questions_about_overage"),
        ("billing", "0017_trials"),
        ("billing", "0018_upgrades"),
        ("billing", "0019_costs_found_later"),
        ("billing", "0020_top_up_orders"),
        ("billing", "0021_tax_decided_by_rule"),
        ("billing", "0022_e_invoices"),
        ("billing", "0023_invoice_checkouts"),
        ("billing", "0024_invoices_charged_on_the_saved_card"),
        ("billing", "0025_dunning"),
        ("billing", "0026_automatic_top_ups"),
        ("billing", "0027_direct_debits_and_excess_of_disputes"),
    ]

    initial = True

    dependencies = [
        ("clients", "0015_automatic_on_account"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        agencyportal.core.create_models.CreateModels(
            models=[
                migrations.CreateModel(
                    name="AlertRule",
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
                                related_name="alert_rules",
                                to="clients.agency",
                            ),
                        ),
                        (
                            "client",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="alert_rules",
                                to="clients.client",
                            ),
                        ),
                        (
                            "workspace",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="alert_rules",
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
                                    ("percent", "Percent of the allowance"),
                                    ("units", "Units used"),
                                    ("money", "Money spent"),
                                    ("forecast", "Runs out early"),
                                    ("spike", "Unusual usage"),
                                    ("overage", "Repeated overage"),
                                    ("margin", "Margin below its floor"),
                                ],
                                default="percent",
                                help_text="Margin is told to the agency alone.",
                                max_length=10,
                            ),
                        ),
                        (
                            "levels",
                            models.JSONField(
                                default=list,
                                help_text="Decimals as text, ascending. None: nothing is told.",
                            ),
                        ),
                        ("tells_client", models.BooleanField(default=True)),
                        ("tells_agency", models.BooleanField(default=True)),
                        ("is_active", models.BooleanField(default=True)),
                        (
                            "is_clients",
                            models.BooleanField(
                                default=False,
                                editable=False,
                                help_text="Set by the client, for what it is told itself.",
                                verbose_name="the client's own",
                            ),
                        ),
                        (
                            "revision",
                            models.PositiveIntegerField(
                                default=0,
                                editable=False,
                                help_text="Grows when it is changed: its levels count anew.",
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
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("is_clients", True)),
                                fields=("client", "kind"),
                                name="alert_rule_own_once",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Mail",
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
                        (
                            "not_before",
                            models.DateTimeField(help_text="Not sent before this instant."),
                        ),
                        ("claimed_at", models.DateTimeField(editable=False, null=True)),
                        ("sent_at", models.DateTimeField(editable=False, null=True)),
                        ("error", models.TextField(blank=True)),
                        (
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                    options={
                        "verbose_name_plural": "mail",
                        "indexes": [
                            models.Index(
                                condition=models.Q(("state__in", ("pending", "sending"))),
                                fields=["not_before"],
                                name="mail_due",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="AlertsRead",
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
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="clients.agency",
                            ),
                        ),
                        (
                            "client",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="clients.client",
                            ),
                        ),
                        (
                            "user",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "up_to",
                            models.BigIntegerField(
                                help_text="The id of the last alert that was read."
                            ),
                        ),
                        ("read_at", models.DateTimeField()),
                    ],
                    options={
                        "verbose_name_plural": "alerts read",
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("client", None)),
                                fields=("user", "agency"),
                                name="alerts_read_once_by_agency",
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("client__isnull", False)),
                                fields=("user", "client"),
                                name="alerts_read_once_by_client",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ClientBalance",
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
                                related_name="+",
                                to="clients.agency",
                            ),
                        ),
                        (
                            "client",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="balances",
                                to="clients.client",
                            ),
                        ),
                        ("currency", agencyportal.core.fields.CurrencyField()),
                        (
                            "amount",
                            agencyportal.core.fields.MoneyField(
                                default=0, help_text="Sum of its entries."
                            ),
                        ),
                    ],
                    options={
                        "ordering": ("client", "currency"),
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("client", "currency"), name="client_balance_once"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("amount__gte", 0)),
                                name="client_balance_not_negative",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Cap",
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
                                related_name="caps",
                                to="clients.agency",
                            ),
                        ),
                        (
                            "client",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="caps",
                                to="clients.client",
                            ),
                        ),
                        (
                            "workspace",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="caps",
                                to="clients.workspace",
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
                            "unit",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="clients.usageunit",
                            ),
                        ),
                        ("quantity", agencyportal.core.fields.QuantityField(blank=True, null=True)),
                        ("amount", agencyportal.core.fields.MoneyField(blank=True, null=True)),
                        (
                            "currency",
                            agencyportal.core.fields.CurrencyField(
                                blank=True, default="", help_text="Of the amount; empty for units."
                            ),
                        ),
                        ("effective_from", models.DateTimeField()),
                        (
                            "set_by",
                            models.CharField(
                                choices=[("agency", "The agency"), ("client", "The client")],
                                default="agency",
                                max_length=6,
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
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                    options={
                        "ordering": ("-effective_from", "-pk"),
                        "indexes": [models.Index(fields=["agency", "client"], name="cap_by_scope")],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("amount__isnull", True),
                                        ("kind", "units"),
                                        ("unit__isnull", False),
                                    ),
                                    models.Q(
                                        ("kind__in", ("cost", "spend")),
                                        ("quantity__isnull", True),
                                        ("unit__isnull", True),
                                    ),
                                    _connector="OR",
                                ),
                                name="cap_limits_what_its_kind_says",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("quantity__isnull", True),
                                        ("quantity__gte", 0),
                                        _connector="OR",
                                    ),
                                    models.Q(
                                        ("amount__isnull", True),
                                        ("amount__gte", 0),
                                        _connector="OR",
                                    ),
                                ),
                                name="cap_not_negative",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="MarginRule",
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
                            "model",
                            models.CharField(
                                blank=True, default="", help_text="Empty: any.", max_length=200
                            ),
                        ),
                        (
                            "name",
                            models.CharField(
                                help_text="As named on the lines it prices.", max_length=200
                            ),
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
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("agency", "scope_key", "effective_from"),
                                name="margin_rule_once",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("percent__gte", 0), ("surcharge__gte", 0)),
                                name="margin_rule_not_negative",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ChargeConsent",
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
                                related_name="+",
                                to="clients.agency",
                            ),
                        ),
                        (
                            "client",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="charge_consents",
                                to="clients.client",
                            ),
                        ),
                        ("is_given", models.BooleanField()),
                        (
                            "side",
                            models.CharField(
                                choices=[("client", "The client"), ("agency", "The agency")],
                                max_length=10,
                            ),
                        ),
                        (
                            "words",
                            models.CharField(
                                help_text="What was shown, or the reason.", max_length=500
                            ),
                        ),
                        (
                            "decided_by",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("decided_at", models.DateTimeField()),
                    ],
                    options={
                        "ordering": ("-pk",),
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("is_given", False), ("side", "client"), _connector="OR"
                                ),
                                name="charge_consent_given_by_client",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="DocumentSeries",
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
                            "code",
                            models.CharField(
                                help_text="Issuer, document type and year: invoice-2026.",
                                max_length=60,
                                unique=True,
                            ),
                        ),
                        (
                            "prefix",
                            models.CharField(help_text="Printed before the number.", max_length=20),
                        ),
                        ("next_number", models.PositiveIntegerField(default=1)),
                    ],
                    options={
                        "verbose_name_plural": "document series",
                    },
                ),
                migrations.CreateModel(
                    name="DunningSchedule",
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
                                related_name="dunning_schedules",
                                to="clients.agency",
                            ),
                        ),
                        ("number", models.PositiveIntegerField()),
                        ("remind_on", models.JSONField(default=list)),
                        ("charge_on", models.JSONField(default=list)),
                        ("final_on", models.SmallIntegerField(blank=True, null=True)),
                        ("ends_on", models.SmallIntegerField()),
                        (
                            "policy",
                            models.CharField(
                                choices=[
                                    ("notify", "Tell the agency"),
                                    ("suspend", "Suspend new usage"),
                                ],
                                max_length=10,
                            ),
                        ),
                        ("starts_at", models.DateTimeField()),
                        (
                            "set_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
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
                        "ordering": ("agency", "-number"),
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("agency", "number"), name="dunning_schedule_once"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Plan",
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
                                related_name="plans",
                                to="clients.agency",
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
                    ],
                    options={
                        "ordering": ("name",),
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("agency", "slug"), name="plan_slug_once_per_agency"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Reservation",
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
                        ("public_id", models.UUIDField(editable=False, unique=True)),
                        (
                            "agency",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="clients.agency",
                            ),
                        ),
                        (
                            "workspace",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="reservations",
                                to="clients.workspace",
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
                            "window",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="reservations",
                                to="clients.usagewindow",
                            ),
                        ),
                        ("quantity", agencyportal.core.fields.QuantityField()),
                        (
                            "cost",
                            agencyportal.core.fields.NanosField(
                                default=0, help_text="Routed cost held, in the client's currency."
                            ),
                        ),
                        (
                            "spend",
                            agencyportal.core.fields.MoneyField(
                                default=0, help_text="Overage held, as priced when it was reserved."
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("open", "Open"),
                                    ("committed", "Committed"),
                                    ("released", "Released"),
                                    ("expired", "Expired"),
                                ],
                                default="open",
                                max_length=10,
                            ),
                        ),
                        ("reserved_at", models.DateTimeField()),
                        ("expires_at", models.DateTimeField()),
                        ("settled_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "event",
                            models.OneToOneField(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="reservation",
                                to="clients.usageevent",
                            ),
                        ),
                        (
                            "overshoot",
                            agencyportal.core.fields.QuantityField(
                                default=0, help_text="Units committed beyond what was reserved."
                            ),
                        ),
                        (
                            "cost_overshoot",
                            agencyportal.core.fields.NanosField(
                                default=0, help_text="Cost committed beyond what was reserved."
                            ),
                        ),
                        (
                            "key",
                            models.CharField(
                                blank=True,
                                help_text="The caller's Idempotency-Key.",
                                max_length=255,
                                null=True,
                            ),
                        ),
                        (
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                    options={
                        "indexes": [
                            models.Index(
                                condition=models.Q(("state", "open")),
                                fields=["expires_at"],
                                name="reservation_due",
                            )
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("workspace", "key"), name="reservation_once_per_key"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("cost__gte", 0),
                                    ("cost_overshoot__gte", 0),
                                    ("overshoot__gte", 0),
                                    ("quantity__gt", 0),
                                ),
                                name="reservation_positive",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("settled_at__isnull", True), ("state", "open")),
                                    models.Q(
                                        models.Q(("state", "open"), _negated=True),
                                        ("settled_at__isnull", False),
                                    ),
                                    _connector="OR",
                                ),
                                name="reservation_settled_with_time",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="StripeCustomer",
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
                                related_name="+",
                                to="clients.agency",
                            ),
                        ),
                        (
                            "client",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="stripe_customers",
                                to="clients.client",
                            ),
                        ),
                        ("is_live", models.BooleanField()),
                        (
                            "customer_id",
                            models.CharField(
                                max_length=255, unique=True, verbose_name="Stripe's id"
                            ),
                        ),
                        (
                            "told",
                            models.JSONField(
                                default=dict, help_text="What Stripe was last told of the client."
                            ),
                        ),
                        ("told_at", models.DateTimeField()),
                        (
                            "error",
                            models.CharField(
                                blank=True,
                                help_text="Why it could not be told of a change.",
                                max_length=500,
                            ),
                        ),
                        ("card_id", models.CharField(blank=True, max_length=255)),
                        ("card_kind", models.CharField(blank=True, max_length=40)),
                        ("card_brand", models.CharField(blank=True, max_length=40)),
                        ("card_last4", models.CharField(blank=True, max_length=4)),
                        ("card_exp_month", models.PositiveSmallIntegerField(blank=True, null=True)),
                        ("card_exp_year", models.PositiveSmallIntegerField(blank=True, null=True)),
                        ("card_read_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                    options={
                        "verbose_name": "Stripe customer",
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("client", "is_live"), name="stripe_customer_once"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="StripeEvent",
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
                            "event_id",
                            models.CharField(
                                max_length=255, unique=True, verbose_name="Stripe's id"
                            ),
                        ),
                        ("type", models.CharField(max_length=100)),
                        (
                            "object_id",
                            models.CharField(
                                blank=True, help_text="What it is about.", max_length=255
                            ),
                        ),
                        (
                            "account",
                            models.CharField(
                                blank=True,
                                help_text="The connected account; empty: the platform's own.",
                                max_length=255,
                            ),
                        ),
                        ("is_live", models.BooleanField()),
                        ("body", models.JSONField()),
                        ("occurred_at", models.DateTimeField()),
                        ("received_at", models.DateTimeField()),
                        (
                            "deliveries",
                            models.PositiveIntegerField(
                                default=1, help_text="How often it was sent to us."
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("pending", "Pending"),
                                    ("working", "Working"),
                                    ("done", "Done"),
                                    ("ignored", "Ignored"),
                                    ("failed", "Failed"),
                                ],
                                default="pending",
                                max_length=10,
                            ),
                        ),
                        ("tries", models.PositiveSmallIntegerField(default=0)),
                        ("attempts", models.PositiveIntegerField(default=0)),
                        (
                            "not_before",
                            models.DateTimeField(help_text="Not tried before this instant."),
                        ),
                        ("claimed_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("done_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "said",
                            models.CharField(
                                blank=True,
                                help_text="What came of it, or went wrong.",
                                max_length=500,
                            ),
                        ),
                    ],
                    options={
                        "verbose_name": "Stripe event",
                        "ordering": ("-occurred_at", "-pk"),
                        "indexes": [
                            models.Index(
                                condition=models.Q(("state__in", ("pending", "working"))),
                                fields=["not_before"],
                                name="stripe_event_due",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="TaxExemption",
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
                            "reason_code",
                            models.CharField(
                                blank=True,
                                default="",
                                help_text="Of the code list VATEX, as in VATEX-EU-132; for e-invoices.",
                                max_length=30,
                            ),
                        ),
                        (
                            "client",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="tax_exemptions",
                                to="clients.client",
                            ),
                        ),
                        (
                            "is_exempt",
                            models.BooleanField(
                                default=True,
                                help_text="Not ticked: from then on the client is taxed as others are.",
                            ),
                        ),
                        (
                            "certificate",
                            models.CharField(
                                blank=True, help_text="Its number, and who gave it.", max_length=100
                            ),
                        ),
                        (
                            "reason",
                            models.CharField(
                                blank=True,
                                help_text="Why no tax is charged, as printed.",
                                max_length=200,
                            ),
                        ),
                        (
                            "effective_from",
                            models.DateField(help_text="First issue date it applies to."),
                        ),
                        (
                            "until",
                            models.DateField(
                                blank=True,
                                help_text="Last issue date; empty: until another row.",
                                null=True,
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
                        "ordering": ("client", "-effective_from"),
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("client", "effective_from"), name="tax_exemption_once"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("is_exempt", False), ("reason_code", "")),
                                    models.Q(
                                        ("is_exempt", True),
                                        models.Q(("certificate", ""), _negated=True),
                                        models.Q(("reason", ""), _negated=True),
                                    ),
                                    _connector="OR",
                                ),
                                name="tax_exemption_with_certificate",
                                violation_error_message="An exemption has a certificate and a reason; a row that ends one has no code.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("until__isnull", True),
                                    ("until__gte", models.F("effective_from")),
                                    _connector="OR",
                                ),
                                name="tax_exemption_until_after_from",
                                violation_error_message="The last day is not before the first.",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="TaxRate",
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
                            "reason_code",
                            models.CharField(
                                blank=True,
                                default="",
                                help_text="Of the code list VATEX, as in VATEX-EU-132; for e-invoices.",
                                max_length=30,
                            ),
                        ),
                        (
                            "agency",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="tax_rates",
                                to="clients.agency",
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
                        (
                            "percent",
                            agencyportal.core.fields.QuantityField(help_text="19 means 19 %."),
                        ),
                        (
                            "reason",
                            models.CharField(
                                blank=True,
                                help_text="Why no tax is charged, as printed.",
                                max_length=200,
                            ),
                        ),
                        (
                            "effective_from",
                            models.DateField(help_text="First issue date it applies to."),
                        ),
                        (
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("agency", "country", "effective_from"), name="tax_rate_once"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("category", "S"), ("percent__gt", 0)),
                                    models.Q(
                                        models.Q(("category", "S"), _negated=True), ("percent", 0)
                                    ),
                                    _connector="OR",
                                ),
                                name="tax_rate_only_when_standard",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("reason_code", ""),
                                    models.Q(("category__in", ("S", "Z")), _negated=True),
                                    _connector="OR",
                                ),
                                name="tax_rate_code_only_without_tax",
                                violation_error_message="A standard or zero rate names no reason, so no code.",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="WebhookEndpoint",
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
                                related_name="webhook_endpoints",
                                to="clients.agency",
                            ),
                        ),
                        (
                            "client",
                            models.ForeignKey(
                                blank=True,
                                help_text="Empty: events of all clients.",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="clients.client",
                            ),
                        ),
                        (
                            "url",
                            models.CharField(
                                help_text="https://hooks.example.com/path",
                                max_length=500,
                                verbose_name="address",
                            ),
                        ),
                        ("description", models.CharField(blank=True, max_length=200)),
                        (
                            "types",
                            models.JSONField(
                                default=list, help_text="What it is told of.", verbose_name="events"
                            ),
                        ),
                        ("is_active", models.BooleanField(default=True)),
                        (
                            "failing_since",
                            models.DateTimeField(
                                editable=False,
                                help_text="The first failure after the last success.",
                                null=True,
                            ),
                        ),
                        ("disabled_at", models.DateTimeField(editable=False, null=True)),
                        (
                            "disabled_because",
                            models.CharField(blank=True, editable=False, max_length=300),
                        ),
                        (
                            "created_by",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                ),
                migrations.CreateModel(
                    name="WebhookMessage",
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
                            "uid",
                            models.CharField(
                                help_text="The webhook-id header.",
                                max_length=60,
                                unique=True,
                                verbose_name="id",
                            ),
                        ),
                        ("type", models.CharField(max_length=60)),
                        (
                            "row_id",
                            models.BigIntegerField(
                                help_text="The row that it is about.", null=True
                            ),
                        ),
                        ("is_for_clients", models.BooleanField(default=True)),
                        ("body", models.TextField()),
                        ("occurred_at", models.DateTimeField()),
                        (
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("type", "row_id"), name="webhook_message_once"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="PlanVersion",
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
                            "plan",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="versions",
                                to="billing.plan",
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
                            "allowance_interval",
                            models.CharField(
                                blank=True,
                                choices=[
                                    ("month", "Monthly"),
                                    ("quarter", "Quarterly"),
                                    ("year", "Yearly"),
                                ],
                                default="",
                                help_text="Of the periods, where it is shorter than that of the fees; else empty.",
                                max_length=10,
                                verbose_name="allowances' interval",
                            ),
                        ),
                        (
                            "anchor",
                            models.CharField(
                                choices=[
                                    (
                                        "calendar",
                                        "First day of the calendar month, quarter or year",
                                    ),
                                    ("start", "The day the subscription starts"),
                                    ("date", "A given date"),
                                ],
                                default="start",
                                max_length=10,
                            ),
                        ),
                        ("anchor_date", models.DateField(blank=True, null=True)),
                        (
                            "minimum_commitment",
                            agencyportal.core.fields.MoneyField(blank=True, null=True),
                        ),
                        (
                            "trial_days",
                            models.PositiveSmallIntegerField(
                                default=0,
                                help_text="Local days that a subscription begins with and does not pay for.",
                            ),
                        ),
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
                    ],
                    options={
                        "ordering": ("plan", "number"),
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("plan", "number"), name="plan_version_once"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("anchor", "date"), ("anchor_date__isnull", False)),
                                    models.Q(
                                        models.Q(("anchor", "date"), _negated=True),
                                        ("anchor_date__isnull", True),
                                    ),
                                    _connector="OR",
                                ),
                                name="plan_version_anchor_date_with_date_anchor",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("allowance_interval", ""),
                                    models.Q(
                                        ("allowance_interval__in", ("month", "quarter")),
                                        ("interval", "year"),
                                    ),
                                    models.Q(
                                        ("allowance_interval", "month"), ("interval", "quarter")
                                    ),
                                    _connector="OR",
                                ),
                                name="plan_version_allowance_interval_shorter",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="WebhookSecret",
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
                            "endpoint",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="secrets",
                                to="billing.webhookendpoint",
                            ),
                        ),
                        ("secret", models.CharField(max_length=200, unique=True)),
                        ("expires_at", models.DateTimeField(null=True)),
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
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                ),
                migrations.CreateModel(
                    name="WebhookDelivery",
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
                            "endpoint",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="deliveries",
                                to="billing.webhookendpoint",
                            ),
                        ),
                        (
                            "message",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="deliveries",
                                to="billing.webhookmessage",
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("pending", "Pending"),
                                    ("sending", "Sending"),
                                    ("delivered", "Delivered"),
                                    ("failed", "Failed"),
                                ],
                                default="pending",
                                max_length=10,
                            ),
                        ),
                        ("tries", models.PositiveSmallIntegerField(default=0)),
                        ("attempts", models.PositiveIntegerField(default=0)),
                        (
                            "not_before",
                            models.DateTimeField(help_text="Not tried before this instant."),
                        ),
                        ("claimed_at", models.DateTimeField(editable=False, null=True)),
                        ("delivered_at", models.DateTimeField(editable=False, null=True)),
                        (
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                    options={
                        "verbose_name_plural": "webhook deliveries",
                        "ordering": ("-pk",),
                        "indexes": [
                            models.Index(
                                condition=models.Q(("state__in", ("pending", "sending"))),
                                fields=["not_before"],
                                name="webhook_delivery_due",
                            )
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("endpoint", "message"), name="webhook_delivery_once"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="PlanAllowance",
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
                            "version",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="allowances",
                                to="billing.planversion",
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
                    ],
                    options={
                        "ordering": ("version", "position", "pk"),
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("version", "unit"), name="allowance_once_per_unit"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("included__gte", 0), ("rollover_max__gte", 0)),
                                name="allowance_not_negative",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="PlanDiscount",
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
                        ("name", models.CharField(max_length=200)),
                        (
                            "on",
                            models.CharField(
                                choices=[
                                    ("fees", "Fees of each period"),
                                    ("once", "Fees asked once"),
                                    ("overage", "Usage beyond the allowance"),
                                    ("all", "All of these"),
                                ],
                                max_length=10,
                            ),
                        ),
                        ("percent", agencyportal.core.fields.QuantityField(blank=True, null=True)),
                        (
                            "amount",
                            agencyportal.core.fields.MoneyField(
                                blank=True, help_text="For each period.", null=True
                            ),
                        ),
                        (
                            "periods",
                            models.PositiveSmallIntegerField(
                                blank=True, help_text="Empty: for ever.", null=True
                            ),
                        ),
                        (
                            "version",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="discounts",
                                to="billing.planversion",
                            ),
                        ),
                        ("position", models.PositiveSmallIntegerField(default=0)),
                    ],
                    options={
                        "ordering": ("version", "position", "pk"),
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("amount__isnull", True),
                                        ("percent__gt", 0),
                                        ("percent__lte", 100),
                                    ),
                                    models.Q(("amount__gt", 0), ("percent__isnull", True)),
                                    _connector="OR",
                                ),
                                name="plan_discount_percent_or_amount",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("periods__isnull", True), ("periods__gt", 0), _connector="OR"
                                ),
                                name="plan_discount_some_periods",
                            ),
                            models.UniqueConstraint(
                                fields=("version", "name"), name="plan_discount_name_once"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="PlanFee",
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
                            "version",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="fees",
                                to="billing.planversion",
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
                                choices=[
                                    ("platform", "The platform"),
                                    ("agency", "The agency itself"),
                                ],
                                default="platform",
                                max_length=10,
                            ),
                        ),
                    ],
                    options={
                        "ordering": ("version", "position", "pk"),
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("amount__gte", 0)), name="fee_not_negative"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Subscription",
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
                            "workspace",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="subscriptions",
                                to="clients.workspace",
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
                        ("currency", agencyportal.core.fields.CurrencyField()),
                        ("timezone", agencyportal.core.fields.TimeZoneField()),
                        (
                            "anchor_date",
                            models.DateField(
                                help_text="Local date whole intervals are counted from."
                            ),
                        ),
                        ("start", models.DateTimeField()),
                        (
                            "trial_until",
                            models.DateTimeField(
                                blank=True,
                                help_text="It begins with a trial up to this boundary; empty: without one.",
                                null=True,
                            ),
                        ),
                        (
                            "once_due",
                            models.BooleanField(
                                default=True,
                                editable=False,
                                help_text="Whether fees that are asked once are due with its first charged period.",
                            ),
                        ),
                        ("end", models.DateTimeField(blank=True, null=True)),
                        (
                            "end_reason",
                            models.CharField(
                                blank=True,
                                choices=[
                                    ("ended", "Ended"),
                                    ("paused", "Paused"),
                                    ("changed", "Goes on under another plan"),
                                ],
                                default="",
                                help_text="Why it ends where it does; empty: it was sold so, or has no end.",
                                max_length=10,
                            ),
                        ),
                        (
                            "continues",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="continued_by",
                                to="billing.subscription",
                            ),
                        ),
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
                    ],
                    options={
                        "ordering": ("workspace", "start"),
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(
                                    ("end__isnull", True),
                                    ("end__gt", models.F("start")),
                                    _connector="OR",
                                ),
                                fields=("workspace", "start"),
                                name="subscription_once",
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("end__isnull", True)),
                                fields=("workspace",),
                                name="subscription_one_running",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("end__isnull", True),
                                    ("end__gte", models.F("start")),
                                    _connector="OR",
                                ),
                                name="subscription_not_backwards",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("trial_until__isnull", True),
                                    ("trial_until__gt", models.F("start")),
                                    _connector="OR",
                                ),
                                name="subscription_trial_not_empty",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="TopUpBand",
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
                            "version",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="top_ups",
                                to="billing.planversion",
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
                                choices=[
                                    ("client", "The client's admin"),
                                    ("agency", "The agency only"),
                                ],
                                default="client",
                                max_length=10,
                            ),
                        ),
                    ],
                    options={
                        "ordering": ("version", "position", "pk"),
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("version", "name"), name="band_name_once"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("price__gte", 0), ("quantity__gt", 0)),
                                name="band_positive",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="VersionUpgrade",
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
                                related_name="+",
                                to="clients.agency",
                            ),
                        ),
                        (
                            "plan_version",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="upgrades",
                                to="billing.planversion",
                            ),
                        ),
                        (
                            "when",
                            models.CharField(
                                choices=[
                                    ("now", "Today"),
                                    ("period_end", "With the next period of each"),
                                ],
                                max_length=10,
                            ),
                        ),
                        ("reason", models.CharField(blank=True, default="", max_length=500)),
                        ("key", models.CharField(editable=False, max_length=200, unique=True)),
                        ("made_at", models.DateTimeField()),
                        (
                            "made_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("finished_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                    options={
                        "ordering": ("-pk",),
                        "indexes": [
                            models.Index(
                                condition=models.Q(("finished_at", None)),
                                fields=["id"],
                                name="upgrade_unfinished",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="WebhookAttempt",
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
                            "delivery",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="log",
                                to="billing.webhookdelivery",
                            ),
                        ),
                        ("number", models.PositiveIntegerField()),
                        ("at", models.DateTimeField()),
                        ("milliseconds", models.PositiveIntegerField(null=True)),
                        ("status", models.PositiveSmallIntegerField(null=True)),
                        ("excerpt", models.TextField(blank=True)),
                        ("error", models.CharField(blank=True, max_length=600)),
                    ],
                    options={
                        "ordering": ("-number",),
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("delivery", "number"), name="webhook_attempt_once"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="BillingPeriod",
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
                        (
                            "subscription",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="periods",
                                to="billing.subscription",
                            ),
                        ),
                        (
                            "plan_version",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="billing.planversion",
                            ),
                        ),
                        ("currency", agencyportal.core.fields.CurrencyField()),
                        ("timezone", agencyportal.core.fields.TimeZoneField()),
                        ("start", models.DateTimeField()),
                        ("end", models.DateTimeField()),
                        ("full_start", models.DateTimeField()),
                        ("full_end", models.DateTimeField()),
                        (
                            "asks_fees",
                            models.BooleanField(
                                default=True,
                                help_text="Whether fees begin with it; no: an earlier one asked for its time.",
                            ),
                        ),
                        (
                            "fees_end",
                            models.DateTimeField(
                                blank=True,
                                help_text="Until when its fees are asked for; empty: until it ends.",
                                null=True,
                            ),
                        ),
                        ("fees_full_start", models.DateTimeField(blank=True, null=True)),
                        ("fees_full_end", models.DateTimeField(blank=True, null=True)),
                        ("is_trial", models.BooleanField(default=False)),
                        (
                            "asks_once",
                            models.BooleanField(
                                default=False,
                                editable=False,
                                help_text="Whether fees asked once are due with it.",
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("open", "Open"),
                                    ("closing", "Closing"),
                                    ("closed", "Closed"),
                                    ("withdrawn", "Withdrawn"),
                                ],
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
                    ],
                    options={
                        "ordering": ("workspace", "start"),
                        "indexes": [
                            models.Index(
                                condition=models.Q(("state__in", ("open", "closing"))),
                                fields=["due_at"],
                                name="period_due",
                            ),
                            models.Index(fields=["client", "end"], name="period_by_client_end"),
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("state", "withdrawn"), _negated=True),
                                fields=("workspace", "start"),
                                name="period_once",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("end__gt", models.F("start"))),
                                name="period_not_empty",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("closed_at__isnull", False), ("state", "closed")),
                                    models.Q(
                                        models.Q(("state", "closed"), _negated=True),
                                        ("closed_at__isnull", True),
                                    ),
                                    _connector="OR",
                                ),
                                name="period_closed_with_time",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("fees_end__isnull", True),
                                        ("fees_full_end__isnull", True),
                                        ("fees_full_start__isnull", True),
                                    ),
                                    models.Q(
                                        ("asks_fees", True),
                                        ("fees_end__gt", models.F("start")),
                                        ("fees_full_end__isnull", False),
                                        ("fees_full_start__isnull", False),
                                    ),
                                    _connector="OR",
                                ),
                                name="period_fees_end_with_bounds",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="SubscriptionChange",
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
                                related_name="+",
                                to="clients.agency",
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
                            "workspace",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="subscription_changes",
                                to="clients.workspace",
                            ),
                        ),
                        (
                            "subscription",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="changes",
                                to="billing.subscription",
                            ),
                        ),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("activated", "Activated"),
                                    ("ended", "Ended"),
                                    ("kept", "Goes on after all"),
                                    ("dropped", "Dropped before it began"),
                                    ("paused", "Paused"),
                                    ("resumed", "Resumed"),
                                    ("plan_changed", "Plan changed"),
                                    ("upgraded", "Moved to another version"),
                                    ("timezone_changed", "Time zone changed"),
                                    ("trial_moved", "Trial given another end"),
                                    ("trial_converted", "Trial ended early, paid from then on"),
                                ],
                                max_length=20,
                            ),
                        ),
                        ("effective_at", models.DateTimeField()),
                        (
                            "from_version",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="billing.planversion",
                            ),
                        ),
                        (
                            "to_version",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="billing.planversion",
                            ),
                        ),
                        ("from_timezone", models.CharField(blank=True, default="", max_length=64)),
                        ("to_timezone", models.CharField(blank=True, default="", max_length=64)),
                        (
                            "in_trial",
                            models.BooleanField(
                                default=False,
                                help_text="Whether it was made in a trial, with nothing charged yet.",
                            ),
                        ),
                        ("reason", models.CharField(blank=True, default="", max_length=500)),
                        ("made_at", models.DateTimeField()),
                        (
                            "made_by",
                            models.ForeignKey(
                                blank=True,
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
                        "ordering": ("-pk",),
                    },
                ),
                migrations.CreateModel(
                    name="SubscriptionDiscount",
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
                        ("name", models.CharField(max_length=200)),
                        (
                            "on",
                            models.CharField(
                                choices=[
                                    ("fees", "Fees of each period"),
                                    ("once", "Fees asked once"),
                                    ("overage", "Usage beyond the allowance"),
                                    ("all", "All of these"),
                                ],
                                max_length=10,
                            ),
                        ),
                        ("percent", agencyportal.core.fields.QuantityField(blank=True, null=True)),
                        (
                            "amount",
                            agencyportal.core.fields.MoneyField(
                                blank=True, help_text="For each period.", null=True
                            ),
                        ),
                        (
                            "periods",
                            models.PositiveSmallIntegerField(
                                blank=True, help_text="Empty: for ever.", null=True
                            ),
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
                                related_name="+",
                                to="clients.client",
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
                            "subscription",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="discounts",
                                to="billing.subscription",
                            ),
                        ),
                        ("effective_at", models.DateTimeField()),
                        ("expires_at", models.DateTimeField(blank=True, null=True)),
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
                            "ended_by",
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
                        "ordering": ("subscription", "effective_at", "pk"),
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("amount__isnull", True),
                                        ("percent__gt", 0),
                                        ("percent__lte", 100),
                                    ),
                                    models.Q(("amount__gt", 0), ("percent__isnull", True)),
                                    _connector="OR",
                                ),
                                name="subscription_discount_percent_or_amount",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("periods__isnull", True), ("periods__gt", 0), _connector="OR"
                                ),
                                name="subscription_discount_some_periods",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("expires_at__isnull", True),
                                    ("expires_at__gte", models.F("effective_at")),
                                    _connector="OR",
                                ),
                                name="subscription_discount_ends_after_it_begins",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="TopUpConsent",
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
                                related_name="+",
                                to="clients.agency",
                            ),
                        ),
                        (
                            "client",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="top_up_consents",
                                to="clients.client",
                            ),
                        ),
                        (
                            "workspace",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="top_up_consents",
                                to="clients.workspace",
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
                            "band",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="billing.topupband",
                            ),
                        ),
                        (
                            "threshold",
                            agencyportal.core.fields.QuantityField(
                                help_text="One is bought when so many units or fewer are left."
                            ),
                        ),
                        (
                            "max_count",
                            models.PositiveSmallIntegerField(help_text="In a calendar month."),
                        ),
                        (
                            "max_amount",
                            agencyportal.core.fields.MoneyField(
                                help_text="In a calendar month, tax included."
                            ),
                        ),
                        ("currency", agencyportal.core.fields.CurrencyField()),
                        (
                            "pay",
                            models.CharField(
                                choices=[("card", "By the saved card"), ("account", "On account")],
                                max_length=10,
                            ),
                        ),
                        (
                            "terms_version",
                            models.CharField(help_text="Of the wording.", max_length=20),
                        ),
                        ("terms", models.TextField(help_text="As shown and agreed to.")),
                        (
                            "given_by",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("given_at", models.DateTimeField()),
                        (
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                    options={
                        "verbose_name": "top-up consent",
                        "ordering": ("-given_at", "-pk"),
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("max_amount__gt", 0),
                                    ("max_count__gte", 1),
                                    ("threshold__gte", 0),
                                ),
                                name="top_up_consent_has_limits",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="TopUpPurchase",
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
                                related_name="+",
                                to="clients.agency",
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
                        (
                            "unit",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="clients.usageunit",
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
                        ("quantity", agencyportal.core.fields.QuantityField()),
                        ("price", agencyportal.core.fields.MoneyField()),
                        ("currency", agencyportal.core.fields.CurrencyField()),
                        ("purchased_at", models.DateTimeField()),
                        (
                            "starts_at",
                            models.DateTimeField(
                                blank=True,
                                help_text="Usable from then on; empty: at once.",
                                null=True,
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
                            "key",
                            models.CharField(
                                help_text="The buyer's idempotency key.", max_length=200
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
                                fields=("workspace", "key"), name="purchase_once"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="UpgradeItem",
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
                            "upgrade",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="items",
                                to="billing.versionupgrade",
                            ),
                        ),
                        (
                            "subscription",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="billing.subscription",
                            ),
                        ),
                        (
                            "from_version",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="billing.planversion",
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("waiting", "Waiting"),
                                    ("moved", "Moved"),
                                    ("refused", "Refused"),
                                    ("failed", "Failed"),
                                ],
                                default="waiting",
                                max_length=10,
                            ),
                        ),
                        ("words", models.TextField(blank=True, default="")),
                        (
                            "following",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="billing.subscription",
                            ),
                        ),
                        ("settled_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "ordering": ("pk",),
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("upgrade", "subscription"), name="upgrade_item_once"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("following__isnull", False), ("state", "moved")),
                                    models.Q(
                                        models.Q(("state", "moved"), _negated=True),
                                        ("following__isnull", True),
                                    ),
                                    _connector="OR",
                                ),
                                name="upgrade_item_moved_with_what_follows",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Alert",
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
                                related_name="alerts",
                                to="clients.agency",
                            ),
                        ),
                        (
                            "workspace",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="alerts",
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
                            "period",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="alerts",
                                to="billing.billingperiod",
                            ),
                        ),
                        (
                            "rule",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="alerts",
                                to="billing.alertrule",
                            ),
                        ),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("percent", "Percent of the allowance"),
                                    ("units", "Units used"),
                                    ("money", "Money spent"),
                                    ("forecast", "Runs out early"),
                                    ("spike", "Unusual usage"),
                                    ("overage", "Repeated overage"),
                                    ("margin", "Margin below its floor"),
                                ],
                                default="percent",
                                max_length=10,
                            ),
                        ),
                        (
                            "used",
                            agencyportal.core.fields.QuantityField(
                                blank=True,
                                help_text="Units used in the period when it was noticed.",
                                null=True,
                            ),
                        ),
                        (
                            "entitled",
                            agencyportal.core.fields.QuantityField(
                                blank=True,
                                help_text="Units the period's credits came to.",
                                null=True,
                            ),
                        ),
                        (
                            "measured",
                            agencyportal.core.fields.QuantityField(
                                help_text="What the levels were compared with."
                            ),
                        ),
                        (
                            "against",
                            agencyportal.core.fields.QuantityField(
                                blank=True, help_text="What that is seen against.", null=True
                            ),
                        ),
                        (
                            "details",
                            models.JSONField(
                                blank=True, default=dict, help_text="What else there is to tell."
                            ),
                        ),
                        (
                            "arming",
                            models.PositiveIntegerField(
                                help_text="Grows with each grant and change of the rule: levels count anew."
                            ),
                        ),
                        ("tells_client", models.BooleanField(default=True)),
                        ("tells_agency", models.BooleanField(default=True)),
                        (
                            "mail",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="alerts",
                                to="billing.mail",
                            ),
                        ),
                        ("noticed_at", models.DateTimeField()),
                        (
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                    options={
                        "ordering": ("-noticed_at", "-pk"),
                    },
                ),
                migrations.CreateModel(
                    name="Charge",
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
                            "workspace",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="clients.workspace",
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
                                choices=[
                                    ("platform", "The platform"),
                                    ("agency", "The agency itself"),
                                ],
                                default="platform",
                                max_length=10,
                            ),
                        ),
                        (
                            "margin_rule",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="charges",
                                to="billing.marginrule",
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
                    ],
                    options={
                        "indexes": [
                            models.Index(fields=["client", "bill_at"], name="charge_by_bill_at")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="OverageQuestion",
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
                                related_name="+",
                                to="clients.agency",
                            ),
                        ),
                        (
                            "client",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="overage_questions",
                                to="clients.client",
                            ),
                        ),
                        (
                            "workspace",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="overage_questions",
                                to="clients.workspace",
                            ),
                        ),
                        (
                            "period",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="overage_questions",
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
                            "up_to",
                            agencyportal.core.fields.QuantityField(
                                help_text="Units of overage that are let in until it is answered."
                            ),
                        ),
                        ("asked_at", models.DateTimeField()),
                        ("answer_by", models.DateTimeField()),
                        (
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                    options={
                        "ordering": ("-asked_at", "-pk"),
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("period", "unit"), name="question_once"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("up_to__gte", 0)),
                                name="question_up_to_not_negative",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="PeriodUsage",
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
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("period", "unit"), name="period_usage_once"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="PeriodMove",
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
                            "change",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="moves",
                                to="billing.subscriptionchange",
                            ),
                        ),
                        (
                            "period",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="moves",
                                to="billing.billingperiod",
                            ),
                        ),
                        (
                            "fees",
                            models.CharField(
                                choices=[
                                    ("kept", "Kept"),
                                    ("anew", "Credited, and charged for the days that are left"),
                                    ("rest", "Credited for the days that are not left"),
                                    ("withdrawn", "Taken back"),
                                ],
                                max_length=10,
                            ),
                        ),
                        ("end_before", models.DateTimeField()),
                        (
                            "end_after",
                            models.DateTimeField(
                                blank=True, help_text="Empty: it was withdrawn.", null=True
                            ),
                        ),
                        ("full_end_before", models.DateTimeField()),
                        ("full_end_after", models.DateTimeField(blank=True, null=True)),
                        (
                            "fees_end_before",
                            models.DateTimeField(
                                blank=True,
                                help_text="Where its fees are asked for longer than it lasts.",
                                null=True,
                            ),
                        ),
                        ("fees_end_after", models.DateTimeField(blank=True, null=True)),
                        ("fees_full_end_before", models.DateTimeField(blank=True, null=True)),
                        ("fees_full_end_after", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "ordering": ("pk",),
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("change", "period"), name="period_move_once"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("end_after__isnull", True),
                                        ("fees", "withdrawn"),
                                        ("full_end_after__isnull", True),
                                    ),
                                    models.Q(
                                        models.Q(("fees", "withdrawn"), _negated=True),
                                        ("end_after__isnull", False),
                                        ("full_end_after__isnull", False),
                                    ),
                                    _connector="OR",
                                ),
                                name="period_move_withdrawn_without_end",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="AutomaticTopUp",
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
                                related_name="+",
                                to="clients.agency",
                            ),
                        ),
                        (
                            "client",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="automatic_top_ups",
                                to="clients.client",
                            ),
                        ),
                        (
                            "workspace",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="automatic_top_ups",
                                to="clients.workspace",
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
                            "state",
                            models.CharField(
                                choices=[("off", "Off"), ("on", "On"), ("stopped", "Stopped")],
                                default="off",
                                max_length=10,
                            ),
                        ),
                        (
                            "consent",
                            models.OneToOneField(
                                blank=True,
                                help_text="The one in force; none while it is off.",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="in_force",
                                to="billing.topupconsent",
                            ),
                        ),
                        (
                            "reason",
                            models.CharField(
                                blank=True,
                                choices=[
                                    ("declined", "The payment was declined"),
                                    ("unconfirmed", "The payment was not confirmed"),
                                    ("no_card", "No card is saved"),
                                    ("burst", "Many purchases in a short time"),
                                    ("pace", "Usage far above the usual"),
                                    ("offer", "The package offers it differently now"),
                                    ("terms", "The terms have changed"),
                                    ("on_account", "On account is not allowed any more"),
                                    ("not_granted", "Paid, and not granted"),
                                    ("refused", "It cannot be bought"),
                                    ("maximum", "The monthly maximum is reached"),
                                    ("cap", "A limit on spending is reached"),
                                    ("suspended", "New usage is suspended"),
                                    ("no_stripe", "Cards cannot be charged just now"),
                                ],
                                max_length=20,
                            ),
                        ),
                        (
                            "detail",
                            models.CharField(
                                blank=True, help_text="In words for the client.", max_length=500
                            ),
                        ),
                        (
                            "declines",
                            models.PositiveSmallIntegerField(default=0, help_text="In a row."),
                        ),
                        (
                            "number",
                            models.PositiveIntegerField(
                                default=0,
                                help_text="How often it was set off: the arming of the next purchase.",
                            ),
                        ),
                        (
                            "since",
                            models.DateTimeField(
                                blank=True,
                                help_text="When somebody last said that it goes on.",
                                null=True,
                            ),
                        ),
                        ("look_at", models.DateTimeField(help_text="Nothing is bought before.")),
                        ("looked_start", models.DateTimeField(blank=True, null=True)),
                        (
                            "looked_used",
                            agencyportal.core.fields.QuantityField(
                                blank=True,
                                help_text="The usage that was looked at last; none: look again.",
                                null=True,
                            ),
                        ),
                        (
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                    options={
                        "verbose_name": "automatic top-up",
                        "ordering": ("workspace", "unit"),
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("workspace", "unit"), name="automatic_top_up_once"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("consent__isnull", True), ("state", "off")),
                                    models.Q(
                                        ("consent__isnull", False), ("state__in", ("on", "stopped"))
                                    ),
                                    _connector="OR",
                                ),
                                name="automatic_top_up_by_consent",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("state", "stopped"), _negated=True),
                                    models.Q(("reason", ""), _negated=True),
                                    _connector="OR",
                                ),
                                name="automatic_top_up_says_why",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="CreditGrant",
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
                                related_name="+",
                                to="clients.agency",
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
                        (
                            "unit",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="clients.usageunit",
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
                        (
                            "priority",
                            models.PositiveSmallIntegerField(help_text="Lower burns first."),
                        ),
                        ("effective_at", models.DateTimeField()),
                        ("expires_at", models.DateTimeField(blank=True, null=True)),
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
                            "purchase",
                            models.OneToOneField(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="grant",
                                to="billing.topuppurchase",
                            ),
                        ),
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
                            "created_by",
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
                        "indexes": [
                            models.Index(
                                fields=["workspace", "unit", "effective_at"], name="grant_by_time"
                            )
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("quantity__gte", 0)), name="grant_not_negative"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="TopUpOrder",
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
                                related_name="+",
                                to="clients.agency",
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("pending", "Waiting to be paid"),
                                    ("processing", "On its way"),
                                    ("paid", "Paid"),
                                    ("failed", "Failed"),
                                    ("expired", "Expired"),
                                    ("cancelled", "Cancelled"),
                                ],
                                default="pending",
                                max_length=10,
                            ),
                        ),
                        ("is_live", models.BooleanField()),
                        (
                            "session_id",
                            models.CharField(blank=True, max_length=255, null=True, unique=True),
                        ),
                        (
                            "intent_id",
                            models.CharField(blank=True, max_length=255, null=True, unique=True),
                        ),
                        (
                            "pay_url",
                            models.CharField(
                                blank=True,
                                help_text="Where it can be paid or confirmed.",
                                max_length=2000,
                            ),
                        ),
                        (
                            "failure",
                            models.CharField(
                                blank=True, help_text="In words for the client.", max_length=500
                            ),
                        ),
                        ("paid_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "look_at",
                            models.DateTimeField(
                                help_text="When Stripe is asked next how it stands."
                            ),
                        ),
                        (
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                        (
                            "client",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="top_up_orders",
                                to="clients.client",
                            ),
                        ),
                        (
                            "workspace",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="top_up_orders",
                                to="clients.workspace",
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
                        ("quantity", agencyportal.core.fields.QuantityField()),
                        ("net", agencyportal.core.fields.MoneyField()),
                        ("tax", agencyportal.core.fields.MoneyField()),
                        (
                            "gross",
                            agencyportal.core.fields.MoneyField(help_text="What is asked for."),
                        ),
                        ("currency", agencyportal.core.fields.CurrencyField()),
                        (
                            "starts",
                            models.CharField(
                                choices=[("now", "Now"), ("next_period", "With the next period")],
                                default="now",
                                max_length=20,
                            ),
                        ),
                        (
                            "method",
                            models.CharField(
                                choices=[
                                    ("page", "On Stripe's page"),
                                    ("card", "By the saved card"),
                                ],
                                max_length=10,
                            ),
                        ),
                        ("saves_card", models.BooleanField(default=False)),
                        (
                            "card_id",
                            models.CharField(
                                blank=True, help_text="The card to be charged.", max_length=255
                            ),
                        ),
                        (
                            "buyer",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "key",
                            models.CharField(
                                help_text="The buyer's idempotency key.", max_length=200
                            ),
                        ),
                        (
                            "trouble",
                            models.CharField(
                                blank=True,
                                help_text="Paid, and not granted: why. For the operator.",
                                max_length=500,
                            ),
                        ),
                        (
                            "purchase",
                            models.OneToOneField(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="order",
                                to="billing.topuppurchase",
                            ),
                        ),
                        ("ordered_at", models.DateTimeField()),
                    ],
                    options={
                        "ordering": ("-ordered_at", "-pk"),
                        "indexes": [
                            models.Index(
                                condition=models.Q(("state__in", ("pending", "processing"))),
                                fields=["look_at"],
                                name="order_to_look_at",
                            )
                        ],
                        "constraints": [
                            models.UniqueConstraint(fields=("workspace", "key"), name="order_once"),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("purchase__isnull", True), ("state", "paid"), _connector="OR"
                                ),
                                name="order_granted_when_paid",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("gross__gt", 0)), name="order_not_for_nothing"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="TopUpRequest",
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
                                related_name="+",
                                to="clients.agency",
                            ),
                        ),
                        (
                            "workspace",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="top_up_requests",
                                to="clients.workspace",
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
                            "state",
                            models.CharField(
                                choices=[
                                    ("pending", "Pending"),
                                    ("approved", "Approved"),
                                    ("declined", "Declined"),
                                ],
                                default="pending",
                                max_length=10,
                            ),
                        ),
                        ("note", models.CharField(blank=True, max_length=500)),
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
                        (
                            "purchase",
                            models.OneToOneField(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="request",
                                to="billing.topuppurchase",
                            ),
                        ),
                        (
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                    options={
                        "ordering": ("-requested_at",),
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("state", "pending")),
                                fields=("workspace", "band"),
                                name="request_pending_once",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("decided_at__isnull", True),
                                        ("purchase__isnull", True),
                                        ("state", "pending"),
                                    ),
                                    models.Q(
                                        ("decided_at__isnull", False),
                                        ("purchase__isnull", False),
                                        ("state", "approved"),
                                    ),
                                    models.Q(
                                        ("decided_at__isnull", False),
                                        ("purchase__isnull", True),
                                        ("state", "declined"),
                                    ),
                                    _connector="OR",
                                ),
                                name="request_decided_as_stated",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="AlertCrossing",
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
                            "alert",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="crossings",
                                to="billing.alert",
                            ),
                        ),
                        (
                            "rule",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="billing.alertrule",
                            ),
                        ),
                        (
                            "period",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
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
                        ("level", agencyportal.core.fields.QuantityField()),
                        ("arming", models.PositiveIntegerField()),
                    ],
                    options={
                        "ordering": ("level",),
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("rule", "period", "unit", "level", "arming"),
                                name="crossing_once",
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("unit", None)),
                                fields=("rule", "period", "level", "arming"),
                                name="crossing_once_of_all",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="LateSettlement",
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
                                related_name="+",
                                to="clients.agency",
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
                            "workspace",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="late_settlements",
                                to="clients.workspace",
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
                            "unit",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="clients.usageunit",
                            ),
                        ),
                        (
                            "number",
                            models.PositiveIntegerField(
                                help_text="1 is the first of its period and unit."
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
                        (
                            "details",
                            models.JSONField(default=dict, help_text="How the price came about."),
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
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                    options={
                        "ordering": ("-settled_at", "-pk"),
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("period", "unit", "number"), name="late_settlement_once"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    (
                                        "quantity",
                                        django.db.models.expressions.CombinedExpression(
                                            django.db.models.expressions.CombinedExpression(
                                                models.F("from_period"),
                                                "+",
                                                models.F("from_grants"),
                                            ),
                                            "+",
                                            models.F("overage"),
                                        ),
                                    )
                                ),
                                name="late_settlement_adds_up",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="OverageAnswer",
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
                            "question",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="answer",
                                to="billing.overagequestion",
                            ),
                        ),
                        (
                            "verdict",
                            models.CharField(
                                choices=[
                                    ("approved", "Approved"),
                                    ("refused", "Refused"),
                                    ("timed_out", "Not answered in time"),
                                ],
                                max_length=10,
                            ),
                        ),
                        ("answered_at", models.DateTimeField()),
                        (
                            "answered_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("on_behalf", models.BooleanField(default=False)),
                        ("reason", models.CharField(blank=True, max_length=500)),
                        (
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("answered_by__isnull", True), ("verdict", "timed_out")
                                    ),
                                    models.Q(
                                        ("answered_by__isnull", False),
                                        ("verdict__in", ("approved", "refused")),
                                    ),
                                    _connector="OR",
                                ),
                                name="answer_has_who_answered",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ChargeVoid",
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
                            "charge",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="void",
                                to="billing.charge",
                            ),
                        ),
                        (
                            "move",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="voids",
                                to="billing.periodmove",
                            ),
                        ),
                    ],
                    options={
                        "abstract": False,
                    },
                ),
                migrations.CreateModel(
                    name="AutomaticTopUpEvent",
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
                                related_name="+",
                                to="clients.agency",
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
                            "automatic",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="events",
                                to="billing.automatictopup",
                            ),
                        ),
                        (
                            "consent",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="events",
                                to="billing.topupconsent",
                            ),
                        ),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("consented", "Switched on"),
                                    ("replaced", "Replaced by another consent"),
                                    ("switched_off", "Switched off"),
                                    ("agency_off", "Switched off by the agency"),
                                    ("stopped", "Stopped"),
                                    ("resumed", "Resumed"),
                                ],
                                max_length=12,
                            ),
                        ),
                        (
                            "reason",
                            models.CharField(
                                blank=True,
                                choices=[
                                    ("declined", "The payment was declined"),
                                    ("unconfirmed", "The payment was not confirmed"),
                                    ("no_card", "No card is saved"),
                                    ("burst", "Many purchases in a short time"),
                                    ("pace", "Usage far above the usual"),
                                    ("offer", "The package offers it differently now"),
                                    ("terms", "The terms have changed"),
                                    ("on_account", "On account is not allowed any more"),
                                    ("not_granted", "Paid, and not granted"),
                                    ("refused", "It cannot be bought"),
                                    ("maximum", "The monthly maximum is reached"),
                                    ("cap", "A limit on spending is reached"),
                                    ("suspended", "New usage is suspended"),
                                    ("no_stripe", "Cards cannot be charged just now"),
                                ],
                                max_length=20,
                            ),
                        ),
                        ("detail", models.CharField(blank=True, max_length=500)),
                        (
                            "done_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("happened_at", models.DateTimeField()),
                        (
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                    options={
                        "ordering": ("-happened_at", "-pk"),
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("kind", "consented")),
                                fields=("consent",),
                                name="top_up_consent_begins_once",
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(
                                    ("kind__in", ("replaced", "switched_off", "agency_off"))
                                ),
                                fields=("consent",),
                                name="top_up_consent_ends_once",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="AutomaticTopUpMonth",
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
                                related_name="+",
                                to="clients.agency",
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
                            "automatic",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="months",
                                to="billing.automatictopup",
                            ),
                        ),
                        ("first_day", models.DateField()),
                        ("count", models.PositiveSmallIntegerField(default=0)),
                        (
                            "amount",
                            agencyportal.core.fields.MoneyField(
                                default=Decimal("0"), help_text="Tax included."
                            ),
                        ),
                        ("max_count", models.PositiveSmallIntegerField()),
                        ("max_amount", agencyportal.core.fields.MoneyField()),
                    ],
                    options={
                        "ordering": ("-first_day",),
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("automatic", "first_day"),
                                name="automatic_top_up_month_once",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("count__gte", 0),
                                    ("count__lte", models.F("max_count")),
                                    ("amount__gte", 0),
                                    ("amount__lte", models.F("max_amount")),
                                ),
                                name="automatic_top_up_month_within_maxima",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="GrantRevocation",
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
                                related_name="+",
                                to="clients.agency",
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
                            "grant",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="revocations",
                                to="billing.creditgrant",
                            ),
                        ),
                        ("quantity", agencyportal.core.fields.QuantityField()),
                        ("revoked_at", models.DateTimeField()),
                        ("reason", models.CharField(max_length=500)),
                        (
                            "key",
                            models.CharField(
                                help_text="What caused it, once.", max_length=200, unique=True
                            ),
                        ),
                        (
                            "revoked_by",
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
                        "ordering": ("revoked_at", "pk"),
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("quantity__gt", 0)), name="revocation_positive"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="GrantUse",
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
                            "period_usage",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="grants",
                                to="billing.periodusage",
                            ),
                        ),
                        (
                            "grant",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="uses",
                                to="billing.creditgrant",
                            ),
                        ),
                        ("opening", agencyportal.core.fields.QuantityField()),
                        ("consumed", agencyportal.core.fields.QuantityField()),
                        ("expired", agencyportal.core.fields.QuantityField()),
                        ("rolled_over", agencyportal.core.fields.QuantityField()),
                        ("revoked", agencyportal.core.fields.QuantityField(default=0)),
                        ("remaining", agencyportal.core.fields.QuantityField()),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("period_usage", "grant"), name="grant_use_once"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Invoice",
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
                            models.DateTimeField(
                                help_text="The period end (or activation) it bills."
                            ),
                        ),
                        (
                            "order",
                            models.OneToOneField(
                                blank=True,
                                help_text="The paid order that it is for; empty: it bills what became due.",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="invoice",
                                to="billing.topuporder",
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
                        ("sequence", models.PositiveIntegerField(blank=True, null=True)),
                        (
                            "number",
                            models.CharField(blank=True, max_length=40, null=True, unique=True),
                        ),
                        ("issued_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "issue_date",
                            models.DateField(
                                blank=True, help_text="In the platform's zone.", null=True
                            ),
                        ),
                        ("due_date", models.DateField(blank=True, null=True)),
                        ("net", agencyportal.core.fields.MoneyField(default=0)),
                        ("tax", agencyportal.core.fields.MoneyField(default=0)),
                        ("total", agencyportal.core.fields.MoneyField(default=0)),
                        (
                            "amount_paid",
                            agencyportal.core.fields.MoneyField(
                                default=0, help_text="What was paid and stayed."
                            ),
                        ),
                        (
                            "amount_credited",
                            agencyportal.core.fields.MoneyField(
                                default=0, help_text="Sum of its credit notes."
                            ),
                        ),
                        ("snapshot", models.JSONField(blank=True, null=True)),
                        (
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                    options={
                        "ordering": ("-bill_at", "client"),
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("order__isnull", True)),
                                fields=("client", "currency", "bill_at"),
                                name="invoice_once_per_period_end",
                            ),
                            models.UniqueConstraint(
                                fields=("series", "sequence"), name="invoice_number_once"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("issued_at__isnull", True),
                                        ("number__isnull", True),
                                        ("state", "draft"),
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
                            models.CheckConstraint(
                                condition=models.Q(("amount_paid__gte", 0)),
                                name="invoice_paid_not_negative",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("amount_credited", 0), ("amount_paid", 0)),
                                    models.Q(
                                        ("amount_credited__gte", 0),
                                        (
                                            "total__gte",
                                            django.db.models.expressions.CombinedExpression(
                                                models.F("amount_paid"),
                                                "+",
                                                models.F("amount_credited"),
                                            ),
                                        ),
                                    ),
                                    _connector="OR",
                                ),
                                name="invoice_due_not_negative",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="LateEntry",
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
                            "workspace",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="clients.workspace",
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
                            "pricing",
                            models.OneToOneField(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="late_entry",
                                to="clients.usagepricing",
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
                        (
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                    options={
                        "verbose_name_plural": "late entries",
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("correction", None), ("pricing", None)),
                                fields=("event",),
                                name="late_event_once",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("correction", None), ("pricing", None), _connector="OR"
                                ),
                                name="late_entry_of_one",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="AutomaticPurchase",
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
                                related_name="+",
                                to="clients.agency",
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
                            "automatic",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="purchases",
                                to="billing.automatictopup",
                            ),
                        ),
                        (
                            "consent",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="purchases",
                                to="billing.topupconsent",
                            ),
                        ),
                        (
                            "month",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="purchases",
                                to="billing.automatictopupmonth",
                            ),
                        ),
                        ("number", models.PositiveIntegerField()),
                        (
                            "band",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="billing.topupband",
                            ),
                        ),
                        (
                            "left",
                            agencyportal.core.fields.QuantityField(
                                help_text="Units that were left when it was set off."
                            ),
                        ),
                        (
                            "gross",
                            agencyportal.core.fields.MoneyField(
                                help_text="What it comes to, tax included."
                            ),
                        ),
                        ("currency", agencyportal.core.fields.CurrencyField()),
                        (
                            "order",
                            models.OneToOneField(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="automatic",
                                to="billing.topuporder",
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("open", "Under way"),
                                    ("bought", "Bought"),
                                    ("failed", "Not bought"),
                                    ("kept", "Paid, on the client's balance"),
                                ],
                                default="open",
                                max_length=10,
                            ),
                        ),
                        ("is_counted", models.BooleanField(default=True)),
                        (
                            "purchase",
                            models.OneToOneField(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="automatic",
                                to="billing.topuppurchase",
                            ),
                        ),
                        (
                            "failure",
                            models.CharField(
                                blank=True, help_text="In words for the client.", max_length=500
                            ),
                        ),
                        (
                            "failure_code",
                            models.CharField(
                                blank=True, help_text="The bank's word.", max_length=100
                            ),
                        ),
                        ("made_at", models.DateTimeField()),
                        ("ended_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                    options={
                        "ordering": ("-made_at", "-pk"),
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("automatic", "number"), name="automatic_purchase_once"
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("state", "open")),
                                fields=("automatic",),
                                name="automatic_purchase_one_open",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("is_counted", True),
                                        ("purchase__isnull", False),
                                        ("state", "bought"),
                                    ),
                                    models.Q(
                                        ("is_counted", True),
                                        ("purchase__isnull", True),
                                        ("state", "open"),
                                    ),
                                    models.Q(
                                        ("purchase__isnull", True),
                                        ("state__in", ("failed", "kept")),
                                    ),
                                    _connector="OR",
                                ),
                                name="automatic_purchase_as_its_state",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("gross__gt", 0)),
                                name="automatic_purchase_not_for_nothing",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="LateGrantUse",
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
                            "settlement",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="uses",
                                to="billing.latesettlement",
                            ),
                        ),
                        (
                            "grant",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="late_uses",
                                to="billing.creditgrant",
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
                            "after",
                            models.ForeignKey(
                                blank=True,
                                help_text="Of credit: the last close that saw the grant; the next one opens with less.",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="billing.grantuse",
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("settlement", "grant", "source"), name="late_grant_use_once"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="CreditNote",
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
                                related_name="credit_notes",
                                to="clients.agency",
                            ),
                        ),
                        (
                            "client",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="credit_notes",
                                to="clients.client",
                            ),
                        ),
                        (
                            "invoice",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="credit_notes",
                                to="billing.invoice",
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
                        ("issued_at", models.DateTimeField()),
                        ("issue_date", models.DateField(help_text="In the platform's zone.")),
                        ("currency", agencyportal.core.fields.CurrencyField()),
                        ("net", agencyportal.core.fields.MoneyField()),
                        ("tax", agencyportal.core.fields.MoneyField()),
                        ("total", agencyportal.core.fields.MoneyField()),
                        (
                            "to_due",
                            agencyportal.core.fields.MoneyField(
                                help_text="No longer due on the invoice."
                            ),
                        ),
                        (
                            "to_balance",
                            agencyportal.core.fields.MoneyField(
                                help_text="Put on the client's balance."
                            ),
                        ),
                        ("reason", models.CharField(max_length=500)),
                        ("snapshot", models.JSONField()),
                        (
                            "key",
                            models.CharField(
                                help_text="What makes it this one.", max_length=200, unique=True
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
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                    options={
                        "ordering": ("-issued_at", "-pk"),
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("series", "sequence"), name="credit_note_number_once"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("to_balance__gte", 0), ("to_due__gte", 0), ("total__gt", 0)
                                ),
                                name="credit_note_positive",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    (
                                        "total",
                                        django.db.models.expressions.CombinedExpression(
                                            models.F("net"), "+", models.F("tax")
                                        ),
                                    ),
                                    (
                                        "total",
                                        django.db.models.expressions.CombinedExpression(
                                            models.F("to_due"), "+", models.F("to_balance")
                                        ),
                                    ),
                                ),
                                name="credit_note_adds_up",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Dunning",
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
                                related_name="+",
                                to="clients.agency",
                            ),
                        ),
                        (
                            "client",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="dunnings",
                                to="clients.client",
                            ),
                        ),
                        (
                            "invoice",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="dunning",
                                to="billing.invoice",
                            ),
                        ),
                        (
                            "version",
                            models.ForeignKey(
                                blank=True,
                                help_text="The agency's schedule of then; empty: the one that everybody begins with.",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="billing.dunningschedule",
                            ),
                        ),
                        ("next_at", models.DateTimeField(blank=True, null=True)),
                        ("paused_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                    options={
                        "verbose_name_plural": "dunning",
                        "indexes": [
                            models.Index(
                                condition=models.Q(
                                    ("next_at__isnull", False), ("paused_at__isnull", True)
                                ),
                                fields=["next_at"],
                                name="dunning_due",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="InvoiceDocument",
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
                            "xml_sha256",
                            models.CharField(
                                blank=True, max_length=64, verbose_name="SHA-256 of the XML"
                            ),
                        ),
                        (
                            "xml_size",
                            models.PositiveBigIntegerField(
                                blank=True,
                                help_text="Bytes.",
                                null=True,
                                verbose_name="size of the XML",
                            ),
                        ),
                        (
                            "xml_gaps",
                            models.TextField(
                                blank=True,
                                help_text="What EN 16931 asks for and it does not have.",
                                verbose_name="no e-invoice because",
                            ),
                        ),
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
                        "indexes": [
                            models.Index(
                                condition=models.Q(("state", "rendered"), _negated=True),
                                fields=["id"],
                                name="billing_invoicedocument_due",
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
                                name="billing_invoicedocument_rendered_is_stored",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="InvoiceLine",
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
                            "invoice",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="lines",
                                to="billing.invoice",
                            ),
                        ),
                        (
                            "charge",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="line",
                                to="billing.charge",
                            ),
                        ),
                        ("position", models.PositiveIntegerField()),
                        (
                            "workspace",
                            models.ForeignKey(
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
                        (
                            "credited",
                            agencyportal.core.fields.MoneyField(
                                default=0, help_text="What credit notes took back of it."
                            ),
                        ),
                        ("currency", agencyportal.core.fields.CurrencyField()),
                        (
                            "collected_by",
                            models.CharField(
                                choices=[
                                    ("platform", "The platform"),
                                    ("agency", "The agency itself"),
                                ],
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
                            "tax_reason_code",
                            models.CharField(blank=True, default="", max_length=30),
                        ),
                    ],
                    options={
                        "ordering": ("invoice", "position"),
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("invoice", "position"), name="line_position_once"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("credited__gte", 0), ("credited__lte", models.F("net"))
                                    ),
                                    models.Q(
                                        ("credited__gte", models.F("net")), ("credited__lte", 0)
                                    ),
                                    _connector="OR",
                                ),
                                name="line_credited_is_a_part",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="InvoiceTax",
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
                            "invoice",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="taxes",
                                to="billing.invoice",
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
                        ("reason_code", models.CharField(blank=True, default="", max_length=30)),
                        ("base", agencyportal.core.fields.MoneyField()),
                        ("tax", agencyportal.core.fields.MoneyField()),
                        (
                            "credited_base",
                            agencyportal.core.fields.MoneyField(
                                default=0, help_text="What credit notes took back of it."
                            ),
                        ),
                        (
                            "credited_tax",
                            agencyportal.core.fields.MoneyField(
                                default=0, help_text="What credit notes took back of it."
                            ),
                        ),
                        ("currency", agencyportal.core.fields.CurrencyField()),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("invoice", "category", "percent"), name="invoice_tax_once"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        models.Q(
                                            ("credited_base__gte", 0),
                                            ("credited_base__lte", models.F("base")),
                                        ),
                                        models.Q(
                                            ("credited_base__gte", models.F("base")),
                                            ("credited_base__lte", 0),
                                        ),
                                        _connector="OR",
                                    ),
                                    models.Q(
                                        models.Q(
                                            ("credited_tax__gte", 0),
                                            ("credited_tax__lte", models.F("tax")),
                                        ),
                                        models.Q(
                                            ("credited_tax__gte", models.F("tax")),
                                            ("credited_tax__lte", 0),
                                        ),
                                        _connector="OR",
                                    ),
                                ),
                                name="invoice_tax_credited_is_a_part",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Payment",
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
                        ("amount", agencyportal.core.fields.MoneyField()),
                        (
                            "kept",
                            agencyportal.core.fields.MoneyField(
                                default=0,
                                help_text="More than was due: kept as the client's balance.",
                            ),
                        ),
                        (
                            "returned",
                            agencyportal.core.fields.MoneyField(
                                default=0, help_text="Bounced, refunded, or on its way back."
                            ),
                        ),
                        ("currency", agencyportal.core.fields.CurrencyField()),
                        (
                            "method",
                            models.CharField(
                                choices=[
                                    ("bank_transfer", "Bank transfer"),
                                    ("card", "Card"),
                                    ("direct_debit", "Direct debit"),
                                    ("balance", "Client balance"),
                                    ("other", "Other"),
                                ],
                                max_length=20,
                            ),
                        ),
                        (
                            "reference",
                            models.CharField(help_text="As on the bank statement.", max_length=200),
                        ),
                        (
                            "provider_id",
                            models.CharField(
                                blank=True,
                                help_text="What whoever collected it calls it.",
                                max_length=200,
                            ),
                        ),
                        ("received_at", models.DateTimeField()),
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
                    ],
                    options={
                        "ordering": ("received_at", "pk"),
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("amount__gt", 0)), name="payment_positive"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("kept__gte", 0), ("kept__lte", models.F("amount"))
                                ),
                                name="payment_kept_is_a_part",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("returned__gte", 0), ("returned__lte", models.F("amount"))
                                ),
                                name="payment_returned_is_a_part",
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("provider_id", ""), _negated=True),
                                fields=("provider_id",),
                                name="payment_provider_id_once",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Suspension",
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
                                related_name="+",
                                to="clients.agency",
                            ),
                        ),
                        (
                            "client",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="suspensions",
                                to="clients.client",
                            ),
                        ),
                        (
                            "invoice",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="suspensions",
                                to="billing.invoice",
                            ),
                        ),
                        ("began_at", models.DateTimeField()),
                        ("lifted_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "ordering": ("-began_at", "-pk"),
                        "indexes": [
                            models.Index(
                                condition=models.Q(("lifted_at__isnull", True)),
                                fields=["client"],
                                name="suspension_open",
                            )
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("lifted_at__isnull", True)),
                                fields=("invoice",),
                                name="suspension_once_open",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="WriteOff",
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
                            "invoice",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="write_offs",
                                to="billing.invoice",
                            ),
                        ),
                        ("amount", agencyportal.core.fields.MoneyField(help_text="What was due.")),
                        ("currency", agencyportal.core.fields.CurrencyField()),
                        ("reason", models.CharField(max_length=500)),
                        ("written_off_at", models.DateTimeField()),
                        (
                            "written_off_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
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
                        "ordering": ("pk",),
                    },
                ),
                migrations.CreateModel(
                    name="CreditNoteDocument",
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
                            "xml_sha256",
                            models.CharField(
                                blank=True, max_length=64, verbose_name="SHA-256 of the XML"
                            ),
                        ),
                        (
                            "xml_size",
                            models.PositiveBigIntegerField(
                                blank=True,
                                help_text="Bytes.",
                                null=True,
                                verbose_name="size of the XML",
                            ),
                        ),
                        (
                            "xml_gaps",
                            models.TextField(
                                blank=True,
                                help_text="What EN 16931 asks for and it does not have.",
                                verbose_name="no e-invoice because",
                            ),
                        ),
                        (
                            "credit_note",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="document",
                                to="billing.creditnote",
                            ),
                        ),
                    ],
                    options={
                        "abstract": False,
                        "indexes": [
                            models.Index(
                                condition=models.Q(("state", "rendered"), _negated=True),
                                fields=["id"],
                                name="billing_creditnotedocument_due",
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
                                name="billing_creditnotedocument_rendered_is_stored",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="CreditNoteTax",
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
                            "credit_note",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="taxes",
                                to="billing.creditnote",
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
                        ("reason_code", models.CharField(blank=True, default="", max_length=30)),
                        ("base", agencyportal.core.fields.MoneyField()),
                        ("tax", agencyportal.core.fields.MoneyField()),
                        ("currency", agencyportal.core.fields.CurrencyField()),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("credit_note", "category", "percent"),
                                name="credit_note_tax_once",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="CreditNoteLine",
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
                            "credit_note",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="lines",
                                to="billing.creditnote",
                            ),
                        ),
                        ("position", models.PositiveIntegerField()),
                        (
                            "invoice_line",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="credits",
                                to="billing.invoiceline",
                            ),
                        ),
                        (
                            "charge",
                            models.OneToOneField(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="credit_line",
                                to="billing.charge",
                            ),
                        ),
                        ("description", models.CharField(max_length=300)),
                        (
                            "quantity",
                            agencyportal.core.fields.QuantityField(
                                blank=True, help_text="Empty: an amount, not a quantity.", null=True
                            ),
                        ),
                        ("net", agencyportal.core.fields.MoneyField()),
                        ("currency", agencyportal.core.fields.CurrencyField()),
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
                            "tax_reason_code",
                            models.CharField(blank=True, default="", max_length=30),
                        ),
                    ],
                    options={
                        "ordering": ("credit_note", "position"),
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("credit_note", "position"), name="credit_note_position_once"
                            ),
                            models.UniqueConstraint(
                                fields=("credit_note", "invoice_line"), name="credit_note_line_once"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("charge__isnull", True), ("invoice_line__isnull", False)
                                    ),
                                    models.Q(
                                        ("charge__isnull", False), ("invoice_line__isnull", True)
                                    ),
                                    _connector="OR",
                                ),
                                name="credit_note_line_of_line_or_charge",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Dispute",
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
                                related_name="disputes",
                                to="clients.agency",
                            ),
                        ),
                        (
                            "client",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="disputes",
                                to="clients.client",
                            ),
                        ),
                        (
                            "payment",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="disputes",
                                to="billing.payment",
                            ),
                        ),
                        (
                            "provider_id",
                            models.CharField(
                                help_text="What whoever collected the payment calls it.",
                                max_length=200,
                                unique=True,
                            ),
                        ),
                        ("amount", agencyportal.core.fields.MoneyField()),
                        (
                            "excess",
                            agencyportal.core.fields.MoneyField(
                                default=0,
                                help_text="What of it had gone back before: refunded, or disputed elsewhere. Lost, it is to be claimed by hand.",
                            ),
                        ),
                        (
                            "held",
                            agencyportal.core.fields.MoneyField(
                                help_text="How much of it stands on the invoice."
                            ),
                        ),
                        ("currency", agencyportal.core.fields.CurrencyField()),
                        (
                            "state",
                            models.CharField(
                                choices=[("opened", "Open"), ("won", "Won"), ("lost", "Lost")],
                                default="opened",
                                max_length=10,
                            ),
                        ),
                        ("reason", models.CharField(blank=True, max_length=200)),
                        ("opened_at", models.DateTimeField()),
                        ("closed_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                    options={
                        "ordering": ("-opened_at", "-pk"),
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("amount__gt", 0),
                                    ("held__gte", 0),
                                    ("held__lte", models.F("amount")),
                                ),
                                name="dispute_held_is_a_part",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("excess__gte", 0),
                                    (
                                        "excess__lte",
                                        django.db.models.expressions.CombinedExpression(
                                            models.F("amount"), "-", models.F("held")
                                        ),
                                    ),
                                ),
                                name="dispute_excess_is_a_part",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("closed_at__isnull", True), ("state", "opened")),
                                    models.Q(
                                        models.Q(("state", "opened"), _negated=True),
                                        ("closed_at__isnull", False),
                                    ),
                                    _connector="OR",
                                ),
                                name="dispute_closed_when_decided",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="InvoiceCheckout",
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
                                related_name="+",
                                to="clients.agency",
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("pending", "Waiting to be paid"),
                                    ("processing", "On its way"),
                                    ("paid", "Paid"),
                                    ("failed", "Failed"),
                                    ("expired", "Expired"),
                                    ("cancelled", "Cancelled"),
                                ],
                                default="pending",
                                max_length=10,
                            ),
                        ),
                        ("is_live", models.BooleanField()),
                        (
                            "session_id",
                            models.CharField(blank=True, max_length=255, null=True, unique=True),
                        ),
                        (
                            "intent_id",
                            models.CharField(blank=True, max_length=255, null=True, unique=True),
                        ),
                        (
                            "pay_url",
                            models.CharField(
                                blank=True,
                                help_text="Where it can be paid or confirmed.",
                                max_length=2000,
                            ),
                        ),
                        (
                            "failure",
                            models.CharField(
                                blank=True, help_text="In words for the client.", max_length=500
                            ),
                        ),
                        ("paid_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "look_at",
                            models.DateTimeField(
                                help_text="When Stripe is asked next how it stands."
                            ),
                        ),
                        (
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                        (
                            "client",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="invoice_checkouts",
                                to="clients.client",
                            ),
                        ),
                        (
                            "invoice",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="checkouts",
                                to="billing.invoice",
                            ),
                        ),
                        (
                            "amount",
                            agencyportal.core.fields.MoneyField(
                                help_text="What was due, and is asked for."
                            ),
                        ),
                        ("currency", agencyportal.core.fields.CurrencyField()),
                        (
                            "method",
                            models.CharField(
                                choices=[
                                    ("page", "On Stripe's page"),
                                    ("card", "By the saved card"),
                                ],
                                default="page",
                                max_length=10,
                            ),
                        ),
                        (
                            "card_id",
                            models.CharField(
                                blank=True, help_text="The card to be charged.", max_length=255
                            ),
                        ),
                        (
                            "decline",
                            models.CharField(
                                blank=True, help_text="The bank's word for why not.", max_length=60
                            ),
                        ),
                        (
                            "payer",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "trouble",
                            models.CharField(
                                blank=True,
                                help_text="Paid, and not in the books: why. For the operator.",
                                max_length=500,
                            ),
                        ),
                        (
                            "payment",
                            models.OneToOneField(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="checkout",
                                to="billing.payment",
                            ),
                        ),
                        ("opened_at", models.DateTimeField()),
                    ],
                    options={
                        "ordering": ("-opened_at", "-pk"),
                        "indexes": [
                            models.Index(
                                condition=models.Q(("state__in", ("pending", "processing"))),
                                fields=["look_at"],
                                name="checkout_to_look_at",
                            )
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("state__in", ("pending", "processing"))),
                                fields=("invoice",),
                                name="invoice_checkout_one_open",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("payment__isnull", True), ("state", "paid"), _connector="OR"
                                ),
                                name="invoice_checkout_booked_when_paid",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("amount__gt", 0)),
                                name="invoice_checkout_not_for_nothing",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="PaymentReversal",
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
                                related_name="+",
                                to="clients.agency",
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
                            "payment",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="reversals",
                                to="billing.payment",
                            ),
                        ),
                        (
                            "cause",
                            models.CharField(
                                choices=[
                                    ("bounced", "Returned by the bank"),
                                    ("dispute", "Dispute lost"),
                                    ("refund", "Refunded outside the portal"),
                                    ("mistake", "Recorded by mistake"),
                                ],
                                max_length=10,
                            ),
                        ),
                        ("amount", agencyportal.core.fields.MoneyField()),
                        (
                            "off_invoice",
                            agencyportal.core.fields.MoneyField(
                                help_text="Due again on the invoice."
                            ),
                        ),
                        (
                            "off_balance",
                            agencyportal.core.fields.MoneyField(
                                help_text="Taken from the client's balance."
                            ),
                        ),
                        (
                            "shortfall",
                            agencyportal.core.fields.MoneyField(
                                help_text="No longer there to be taken: to be claimed by hand."
                            ),
                        ),
                        ("currency", agencyportal.core.fields.CurrencyField()),
                        ("reason", models.CharField(max_length=500)),
                        ("reversed_at", models.DateTimeField()),
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
                        (
                            "key",
                            models.CharField(
                                help_text="What makes it this reversal.",
                                max_length=200,
                                unique=True,
                            ),
                        ),
                        (
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                    options={
                        "ordering": ("pk",),
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("amount__gt", 0),
                                    ("off_balance__gte", 0),
                                    ("off_invoice__gte", 0),
                                    ("shortfall__gte", 0),
                                ),
                                name="reversal_not_negative",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    (
                                        "amount",
                                        django.db.models.expressions.CombinedExpression(
                                            django.db.models.expressions.CombinedExpression(
                                                models.F("off_invoice"),
                                                "+",
                                                models.F("off_balance"),
                                            ),
                                            "+",
                                            models.F("shortfall"),
                                        ),
                                    )
                                ),
                                name="reversal_adds_up",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Refund",
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
                                related_name="refunds",
                                to="clients.agency",
                            ),
                        ),
                        (
                            "client",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="refunds",
                                to="clients.client",
                            ),
                        ),
                        (
                            "payment",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="refunds",
                                to="billing.payment",
                            ),
                        ),
                        (
                            "credit_note",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="refunds",
                                to="billing.creditnote",
                            ),
                        ),
                        ("amount", agencyportal.core.fields.MoneyField()),
                        ("currency", agencyportal.core.fields.CurrencyField()),
                        (
                            "method",
                            models.CharField(
                                choices=[
                                    ("provider", "The way it was paid"),
                                    ("bank_transfer", "Bank transfer"),
                                ],
                                max_length=20,
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("pending", "On its way"),
                                    ("succeeded", "Paid back"),
                                    ("failed", "Failed"),
                                ],
                                default="pending",
                                max_length=10,
                            ),
                        ),
                        (
                            "provider_id",
                            models.CharField(
                                blank=True,
                                help_text="What whoever sends it calls it.",
                                max_length=200,
                            ),
                        ),
                        (
                            "reference",
                            models.CharField(
                                blank=True, help_text="As on the bank statement.", max_length=200
                            ),
                        ),
                        ("reason", models.CharField(max_length=500)),
                        ("requested_at", models.DateTimeField()),
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
                        ("settled_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "failure",
                            models.CharField(
                                blank=True, help_text="Why it failed.", max_length=500
                            ),
                        ),
                        (
                            "key",
                            models.CharField(
                                help_text="What makes it this refund.", max_length=200, unique=True
                            ),
                        ),
                        (
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                    options={
                        "ordering": ("-requested_at", "-pk"),
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("amount__gt", 0)), name="refund_positive"
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("provider_id", ""), _negated=True),
                                fields=("provider_id",),
                                name="refund_provider_id_once",
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
                                name="refund_settled_when_done",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="DunningEntry",
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
                            "invoice",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="dunning_entries",
                                to="billing.invoice",
                            ),
                        ),
                        (
                            "day",
                            models.SmallIntegerField(
                                blank=True,
                                help_text="Of the schedule; empty: it is no step of it.",
                                null=True,
                            ),
                        ),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("reminder", "Reminder"),
                                    ("final", "Last notice"),
                                    ("charge", "Charge of the saved card"),
                                    ("passed_over", "Passed over"),
                                    ("notified", "End: the agency was told"),
                                    ("suspended", "New usage suspended"),
                                    ("lifted", "Suspension lifted"),
                                    ("paused", "Paused"),
                                    ("resumed", "Goes on"),
                                ],
                                max_length=12,
                            ),
                        ),
                        ("done_at", models.DateTimeField()),
                        (
                            "said",
                            models.CharField(
                                blank=True, help_text="Why, or why not.", max_length=500
                            ),
                        ),
                        (
                            "by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "mail",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="billing.mail",
                            ),
                        ),
                        (
                            "checkout",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="billing.invoicecheckout",
                            ),
                        ),
                    ],
                    options={
                        "verbose_name_plural": "dunning entries",
                        "ordering": ("pk",),
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("day__isnull", False)),
                                fields=("invoice", "day"),
                                name="dunning_step_once",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="InvoiceMovement",
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
                            "invoice",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="movements",
                                to="billing.invoice",
                            ),
                        ),
                        ("number", models.PositiveIntegerField()),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("payment", "Payment"),
                                    ("reversal", "Payment returned"),
                                    ("credit_note", "Credit note"),
                                    ("dispute_opened", "Dispute opened"),
                                    ("dispute_won", "Dispute won"),
                                    ("dispute_lost", "Dispute lost"),
                                ],
                                max_length=15,
                            ),
                        ),
                        (
                            "paid",
                            agencyportal.core.fields.MoneyField(
                                default=0, help_text="Change of what is paid."
                            ),
                        ),
                        (
                            "credited",
                            agencyportal.core.fields.MoneyField(
                                default=0, help_text="Change of what is credited."
                            ),
                        ),
                        (
                            "held",
                            agencyportal.core.fields.MoneyField(
                                default=0, help_text="Change of what is disputed, of what is paid."
                            ),
                        ),
                        ("currency", agencyportal.core.fields.CurrencyField()),
                        (
                            "payment",
                            models.OneToOneField(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="movement",
                                to="billing.payment",
                            ),
                        ),
                        (
                            "reversal",
                            models.OneToOneField(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="movement",
                                to="billing.paymentreversal",
                            ),
                        ),
                        (
                            "credit_note",
                            models.OneToOneField(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="movement",
                                to="billing.creditnote",
                            ),
                        ),
                        (
                            "dispute",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="movements",
                                to="billing.dispute",
                            ),
                        ),
                        (
                            "occurred_at",
                            models.DateTimeField(
                                help_text="Decides the payout month of what it brings."
                            ),
                        ),
                        (
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                    options={
                        "ordering": ("invoice", "number"),
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("invoice", "number"), name="movement_number_once"
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("dispute__isnull", False)),
                                fields=("dispute", "kind"),
                                name="movement_of_dispute_once",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="BalanceEntry",
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
                                related_name="+",
                                to="clients.agency",
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
                            "balance",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="entries",
                                to="billing.clientbalance",
                            ),
                        ),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("overpayment", "Paid more than was due"),
                                    ("credit_note", "Credit note"),
                                    ("applied", "Used for an invoice"),
                                    ("refund", "Paid back"),
                                    ("refund_failed", "Paying back failed"),
                                    ("reversal", "A payment did not stay"),
                                    ("adjustment", "Adjustment"),
                                ],
                                max_length=15,
                            ),
                        ),
                        (
                            "amount",
                            agencyportal.core.fields.MoneyField(
                                help_text="Signed: positive where the client gets more."
                            ),
                        ),
                        ("currency", agencyportal.core.fields.CurrencyField()),
                        (
                            "payment",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="balance_entries",
                                to="billing.payment",
                            ),
                        ),
                        (
                            "reversal",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="billing.paymentreversal",
                            ),
                        ),
                        (
                            "credit_note",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="billing.creditnote",
                            ),
                        ),
                        (
                            "refund",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="billing.refund",
                            ),
                        ),
                        ("reason", models.CharField(blank=True, max_length=500)),
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
                            "key",
                            models.CharField(
                                help_text="What caused it, once.", max_length=200, unique=True
                            ),
                        ),
                        (
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                    options={
                        "verbose_name_plural": "balance entries",
                        "ordering": ("-pk",),
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("amount", 0), _negated=True),
                                name="balance_entry_not_zero",
                            )
                        ],
                    },
                ),
            ],
        ),
    ]
