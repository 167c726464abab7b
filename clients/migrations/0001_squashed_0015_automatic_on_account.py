"""All tables, and the catalogue of units that clients understand, by the kind of automation they suit."""

import uuid

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import agencyportal.core.create_models
import agencyportal.core.fields

TEMPLATES = (
    # slug, automation, name, plural, aggregation
    ("conversation", "Support automation", "conversation", "conversations", "unique"),
    ("ticket-summary", "Support automation", "ticket summary", "ticket summaries", "count"),
    ("resolved-ticket", "Support automation", "resolved ticket", "resolved tickets", "unique"),
    ("answer", "Support automation", "answer", "answers", "count"),
    ("escalation", "Support automation", "escalation", "escalations", "count"),
    ("qualified-lead", "Lead qualification", "qualified lead", "qualified leads", "unique"),
    ("enriched-account", "Lead qualification", "enriched account", "enriched accounts", "unique"),
    (
        "scored-form-submission",
        "Lead qualification",
        "scored form submission",
        "scored form submissions",
        "count",
    ),
    ("lead-scored", "CRM and sales", "lead scored", "leads scored", "unique"),
    ("note-summarised", "CRM and sales", "note summarised", "notes summarised", "count"),
    ("follow-up-drafted", "CRM and sales", "follow-up drafted", "follow-ups drafted", "count"),
    ("page", "Document workflow", "page", "pages", "count"),
    ("file", "Document workflow", "file", "files", "count"),
    ("review", "Document workflow", "review", "reviews", "count"),
    ("summary", "Document workflow", "summary", "summaries", "count"),
    ("extracted-record", "Document workflow", "extracted record", "extracted records", "count"),
    (
        "invoice-processed",
        "Invoice and contract processing",
        "invoice processed",
        "invoices processed",
        "count",
    ),
    (
        "contract-summarised",
        "Invoice and contract processing",
        "contract summarised",
        "contracts summarised",
        "count",
    ),
    (
        "documents-compared",
        "Invoice and contract processing",
        "document compared",
        "documents compared",
        "count",
    ),
    (
        "entities-extracted",
        "Invoice and contract processing",
        "entity extracted",
        "entities extracted",
        "count",
    ),
    ("content-draft", "CMS and website", "content draft", "content drafts", "count"),
    ("rewrite", "CMS and website", "rewrite", "rewrites", "count"),
    ("faq", "CMS and website", "FAQ", "FAQs", "count"),
    (
        "lead-qualification",
        "CMS and website",
        "lead qualification",
        "lead qualifications",
        "count",
    ),
    ("product-enriched", "E-commerce", "product enriched", "products enriched", "count"),
    ("review-summary", "E-commerce", "review summary", "review summaries", "count"),
    ("recommendation", "E-commerce", "recommendation", "recommendations", "count"),
    ("support-response", "E-commerce", "support response", "support responses", "count"),
    ("prompt", "Internal AI portal", "prompt", "prompts", "count"),
    ("task", "Internal AI portal", "task", "tasks", "count"),
    ("report", "Internal AI portal", "report", "reports", "count"),
    ("policy-search", "Internal AI portal", "policy search", "policy searches", "count"),
    ("workflow-run", "Internal AI portal", "workflow run", "workflow runs", "unique"),
    ("action-bundle", "Internal AI portal", "action bundle", "action bundles", "count"),
    ("workspace", "White-label deployment", "workspace", "workspaces", "unique"),
    (
        "client-deployment",
        "White-label deployment",
        "client deployment",
        "client deployments",
        "unique",
    ),
    (
        "white-label-action-bundle",
        "White-label deployment",
        "action bundle",
        "action bundles",
        "count",
    ),
)


def add_templates(apps, _schema_editor):
    UnitTemplate = apps.get_model("clients", "UnitTemplate")
    UnitTemplate.objects.bulk_create(
        UnitTemplate(
            slug=slug,
            automation=automation,
            name=name,
            plural=plural,
            aggregation=aggregation,
            position=position,
        )
        for position, (slug, automation, name, plural, aggregation) in enumerate(TEMPLATES, 1)
    )


class Migration(migrations.Migration):
    replaces = [
        ("clients", "0001_people_units_and_usage"),
        ("clients", "0002_unit_templates"),
        ("clients", "0003_window_capacity"),
        ("clients", "0004_window_capacity_since_and_watched"),
        ("clients", "0005_window_zones"),
        ("clients", "0006_event_conflicts"),
        ("clients", "0007_usage_corrections"),
        ("clients", "0008_caps"),
        ("clients", "0009_window_attention"),
        ("clients", "0010_numbers_by_year"),
        ("clients", "0011_costs_found_later"),
        ("clients", "0012_agency_logos"),
        ("clients", "0013_agency_language"),
        ("clients", "0014_window_covered"),
        ("clients", "0015_automatic_on_account"),
    ]

    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        agencyportal.core.create_models.CreateModels(
            models=[
                migrations.CreateModel(
                    name="Agency",
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
                            "name",
                            models.CharField(help_text="What people call it.", max_length=200),
                        ),
                        (
                            "legal_name",
                            models.CharField(
                                blank=True, help_text="As registered.", max_length=200
                            ),
                        ),
                        ("address_line1", models.CharField(blank=True, max_length=200)),
                        ("address_line2", models.CharField(blank=True, max_length=200)),
                        ("postal_code", models.CharField(blank=True, max_length=20)),
                        ("city", models.CharField(blank=True, max_length=100)),
                        ("region", models.CharField(blank=True, max_length=100)),
                        (
                            "country",
                            models.CharField(
                                blank=True,
                                max_length=2,
                                validators=[
                                    django.core.validators.RegexValidator(
                                        "^[A-Z]{2}$", "Two capital letters, as in US (ISO 3166-1)."
                                    )
                                ],
                            ),
                        ),
                        ("tax_id", models.CharField(blank=True, max_length=40)),
                        (
                            "email",
                            models.EmailField(
                                blank=True, help_text="Where documents are sent.", max_length=254
                            ),
                        ),
                        ("slug", models.SlugField(max_length=60, unique=True)),
                        (
                            "timezone",
                            agencyportal.core.fields.TimeZoneField(
                                default="UTC", help_text="Payout months are counted in this zone."
                            ),
                        ),
                        (
                            "brand_color",
                            models.CharField(
                                default="#1f4e79",
                                max_length=7,
                                validators=[
                                    django.core.validators.RegexValidator(
                                        "^#[0-9a-fA-F]{6}$", "A colour as #rrggbb."
                                    )
                                ],
                            ),
                        ),
                        (
                            "logo",
                            models.CharField(
                                blank=True,
                                editable=False,
                                help_text="SHA-256 of the picture in the storage of logos.",
                                max_length=64,
                            ),
                        ),
                        (
                            "language",
                            models.CharField(
                                default="en",
                                help_text="Of its statements, and of messages to its people.",
                                max_length=10,
                            ),
                        ),
                        (
                            "grace_hours",
                            models.PositiveSmallIntegerField(
                                default=24,
                                help_text="Hours after a period's end in which late events still count.",
                                validators=[django.core.validators.MaxValueValidator(336)],
                            ),
                        ),
                        (
                            "payment_terms_days",
                            models.PositiveSmallIntegerField(
                                default=14,
                                validators=[django.core.validators.MaxValueValidator(365)],
                            ),
                        ),
                        (
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                    options={
                        "verbose_name_plural": "agencies",
                        "ordering": ("name",),
                    },
                ),
                migrations.CreateModel(
                    name="User",
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
                        ("password", models.CharField(max_length=128, verbose_name="password")),
                        (
                            "last_login",
                            models.DateTimeField(blank=True, null=True, verbose_name="last login"),
                        ),
                        (
                            "is_superuser",
                            models.BooleanField(
                                default=False,
                                help_text="Designates that this user has all permissions without explicitly assigning them.",
                                verbose_name="superuser status",
                            ),
                        ),
                        ("email", models.EmailField(max_length=254, unique=True)),
                        ("name", models.CharField(blank=True, max_length=200)),
                        (
                            "is_operator",
                            models.BooleanField(
                                default=False, help_text="Runs the platform: sees every agency."
                            ),
                        ),
                        (
                            "is_staff",
                            models.BooleanField(
                                default=False, help_text="May sign in to the admin."
                            ),
                        ),
                        ("is_active", models.BooleanField(default=True)),
                        (
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                        (
                            "groups",
                            models.ManyToManyField(
                                blank=True,
                                help_text="The groups this user belongs to. A user will get all permissions granted to each of their groups.",
                                related_name="user_set",
                                related_query_name="user",
                                to="auth.group",
                                verbose_name="groups",
                            ),
                        ),
                        (
                            "user_permissions",
                            models.ManyToManyField(
                                blank=True,
                                help_text="Specific permissions for this user.",
                                related_name="user_set",
                                related_query_name="user",
                                to="auth.permission",
                                verbose_name="user permissions",
                            ),
                        ),
                    ],
                    options={
                        "ordering": ("email",),
                        "constraints": [
                            models.UniqueConstraint(
                                django.db.models.functions.text.Lower("email"),
                                name="user_email_unique_folded",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ExchangeRate",
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
                        ("base", agencyportal.core.fields.CurrencyField()),
                        ("quote", agencyportal.core.fields.CurrencyField()),
                        ("rate", agencyportal.core.fields.NanosField()),
                        ("effective_from", models.DateTimeField()),
                        (
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("base", "quote", "effective_from"), name="rate_once"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("rate__gt", 0)), name="rate_positive"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Platform",
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
                            "name",
                            models.CharField(help_text="What people call it.", max_length=200),
                        ),
                        (
                            "legal_name",
                            models.CharField(
                                blank=True, help_text="As registered.", max_length=200
                            ),
                        ),
                        ("address_line1", models.CharField(blank=True, max_length=200)),
                        ("address_line2", models.CharField(blank=True, max_length=200)),
                        ("postal_code", models.CharField(blank=True, max_length=20)),
                        ("city", models.CharField(blank=True, max_length=100)),
                        ("region", models.CharField(blank=True, max_length=100)),
                        (
                            "country",
                            models.CharField(
                                blank=True,
                                max_length=2,
                                validators=[
                                    django.core.validators.RegexValidator(
                                        "^[A-Z]{2}$", "Two capital letters, as in US (ISO 3166-1)."
                                    )
                                ],
                            ),
                        ),
                        ("tax_id", models.CharField(blank=True, max_length=40)),
                        (
                            "email",
                            models.EmailField(
                                blank=True, help_text="Where documents are sent.", max_length=254
                            ),
                        ),
                        (
                            "only",
                            models.PositiveSmallIntegerField(
                                default=1, editable=False, unique=True
                            ),
                        ),
                        ("timezone", agencyportal.core.fields.TimeZoneField(default="UTC")),
                        (
                            "payment_details",
                            models.TextField(
                                blank=True,
                                help_text="How to pay by bank transfer, as printed on invoices.",
                            ),
                        ),
                        (
                            "numbers_by_year",
                            models.BooleanField(
                                default=True,
                                help_text="Invoices and credit notes are numbered from 1 in every year (INV-2026-000001); otherwise in one run for ever (INV-000001).",
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("only", 1)), name="platform_only_one"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="UnitTemplate",
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
                        ("slug", models.SlugField(max_length=60, unique=True)),
                        (
                            "automation",
                            models.CharField(
                                help_text="The kind of deployment it suits.", max_length=60
                            ),
                        ),
                        (
                            "name",
                            models.CharField(
                                help_text="Singular, as on an invoice: conversation.",
                                max_length=100,
                            ),
                        ),
                        ("plural", models.CharField(max_length=100)),
                        ("aggregation", models.CharField(max_length=10)),
                        ("position", models.PositiveSmallIntegerField(default=0)),
                    ],
                    options={
                        "ordering": ("position",),
                    },
                ),
                migrations.CreateModel(
                    name="Client",
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
                            "name",
                            models.CharField(help_text="What people call it.", max_length=200),
                        ),
                        (
                            "legal_name",
                            models.CharField(
                                blank=True, help_text="As registered.", max_length=200
                            ),
                        ),
                        ("address_line1", models.CharField(blank=True, max_length=200)),
                        ("address_line2", models.CharField(blank=True, max_length=200)),
                        ("postal_code", models.CharField(blank=True, max_length=20)),
                        ("city", models.CharField(blank=True, max_length=100)),
                        ("region", models.CharField(blank=True, max_length=100)),
                        (
                            "country",
                            models.CharField(
                                blank=True,
                                max_length=2,
                                validators=[
                                    django.core.validators.RegexValidator(
                                        "^[A-Z]{2}$", "Two capital letters, as in US (ISO 3166-1)."
                                    )
                                ],
                            ),
                        ),
                        ("tax_id", models.CharField(blank=True, max_length=40)),
                        (
                            "email",
                            models.EmailField(
                                blank=True, help_text="Where documents are sent.", max_length=254
                            ),
                        ),
                        (
                            "agency",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="clients",
                                to="clients.agency",
                            ),
                        ),
                        ("slug", models.SlugField(max_length=60)),
                        ("currency", agencyportal.core.fields.CurrencyField(default="USD")),
                        ("timezone", agencyportal.core.fields.TimeZoneField(default="UTC")),
                        (
                            "language",
                            models.CharField(
                                default="en",
                                help_text="Of its documents, and of messages to its people.",
                                max_length=10,
                            ),
                        ),
                        (
                            "automatic_on_account",
                            models.BooleanField(
                                default=False,
                                help_text="Its admins may have top-ups bought automatically on account, without a card.",
                            ),
                        ),
                        (
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                    options={
                        "ordering": ("name",),
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("agency", "slug"), name="client_slug_once_per_agency"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ModelPrice",
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
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="model_prices",
                                to="clients.agency",
                            ),
                        ),
                        (
                            "cost_payer",
                            models.CharField(
                                choices=[
                                    ("platform", "The platform (routed)"),
                                    ("agency", "The agency"),
                                ],
                                max_length=10,
                            ),
                        ),
                        (
                            "provider",
                            models.CharField(
                                blank=True, default="", help_text="Empty: any.", max_length=100
                            ),
                        ),
                        ("model", models.CharField(max_length=200)),
                        ("currency", agencyportal.core.fields.CurrencyField(default="USD")),
                        (
                            "input_price",
                            agencyportal.core.fields.NanosField(
                                help_text="Per million input tokens that were not cached."
                            ),
                        ),
                        (
                            "cached_input_price",
                            agencyportal.core.fields.NanosField(
                                blank=True, help_text="Empty: as input.", null=True
                            ),
                        ),
                        (
                            "output_price",
                            agencyportal.core.fields.NanosField(
                                help_text="Per million output tokens, reasoning included."
                            ),
                        ),
                        ("effective_from", models.DateTimeField()),
                        (
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("agency__isnull", False)),
                                fields=(
                                    "agency",
                                    "cost_payer",
                                    "provider",
                                    "model",
                                    "effective_from",
                                ),
                                name="model_price_once_per_agency",
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("agency__isnull", True)),
                                fields=("cost_payer", "provider", "model", "effective_from"),
                                name="model_price_once_for_all",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="AgencyMember",
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
                                related_name="members",
                                to="clients.agency",
                            ),
                        ),
                        (
                            "user",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="agency_memberships",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "role",
                            models.CharField(
                                choices=[
                                    ("owner", "Owner"),
                                    ("manager", "Account manager"),
                                    ("finance", "Finance"),
                                    ("viewer", "Viewer"),
                                ],
                                max_length=10,
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
                                fields=("agency", "user"), name="agency_member_once"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="UsageUnit",
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
                                related_name="units",
                                to="clients.agency",
                            ),
                        ),
                        (
                            "template",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to="clients.unittemplate",
                            ),
                        ),
                        ("slug", models.SlugField(max_length=60)),
                        ("name", models.CharField(max_length=100)),
                        ("plural", models.CharField(max_length=100)),
                        (
                            "decimals",
                            models.PositiveSmallIntegerField(
                                default=0,
                                help_text="Decimal places a prorated allowance is rounded up to.",
                                validators=[django.core.validators.MaxValueValidator(6)],
                            ),
                        ),
                        (
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                    options={
                        "ordering": ("slug",),
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("agency", "slug"), name="unit_slug_once_per_agency"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ClientMember",
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
                            "client",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="members",
                                to="clients.client",
                            ),
                        ),
                        (
                            "user",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="client_memberships",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "role",
                            models.CharField(
                                choices=[("admin", "Admin (may buy)"), ("viewer", "Viewer")],
                                max_length=10,
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
                                fields=("client", "user"), name="client_member_once"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Workspace",
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
                                related_name="workspaces",
                                to="clients.agency",
                            ),
                        ),
                        (
                            "client",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="workspaces",
                                to="clients.client",
                            ),
                        ),
                        ("slug", models.SlugField(max_length=60, unique=True)),
                        ("name", models.CharField(max_length=200)),
                        (
                            "cost_payer",
                            models.CharField(
                                choices=[
                                    ("platform", "The platform (routed)"),
                                    ("agency", "The agency"),
                                ],
                                default="platform",
                                max_length=10,
                            ),
                        ),
                        (
                            "settled_until",
                            models.DateTimeField(
                                editable=False,
                                help_text="Usage before this instant is closed; what still arrives is late.",
                                null=True,
                            ),
                        ),
                        (
                            "created_at",
                            models.DateTimeField(default=django.utils.timezone.now, editable=False),
                        ),
                    ],
                    options={
                        "ordering": ("slug",),
                    },
                ),
                migrations.CreateModel(
                    name="Meter",
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
                            "unit",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="meters",
                                to="clients.usageunit",
                            ),
                        ),
                        ("version", models.PositiveIntegerField()),
                        (
                            "aggregation",
                            models.CharField(
                                choices=[
                                    ("count", "Count events"),
                                    ("sum", "Sum a property"),
                                    ("unique", "Count subjects once per period"),
                                ],
                                max_length=10,
                            ),
                        ),
                        (
                            "property_name",
                            models.CharField(
                                blank=True,
                                help_text="What `sum` adds: the name in `properties`.",
                                max_length=100,
                            ),
                        ),
                        (
                            "filters",
                            models.JSONField(
                                blank=True,
                                default=list,
                                help_text="Conditions an event must meet to count; see clients/metering.py.",
                            ),
                        ),
                        (
                            "weights",
                            models.JSONField(
                                blank=True,
                                default=list,
                                help_text="Rules that make an expensive action count as more; the first match wins.",
                            ),
                        ),
                        (
                            "effective_from",
                            models.DateTimeField(
                                help_text="Counts events that occurred from here on."
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
                        "ordering": ("unit", "version"),
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("unit", "version"), name="meter_version_once"
                            ),
                            models.UniqueConstraint(
                                fields=("unit", "effective_from"), name="meter_date_once"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="CapBalance",
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
                    ],
                    options={
                        "indexes": [
                            models.Index(
                                fields=["agency", "client", "month"], name="cap_balance_by_month"
                            )
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("cost_held__gte", 0),
                                    ("units_held__gte", 0),
                                    ("units_used__gte", 0),
                                ),
                                name="cap_balance_not_negative",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="UsageDay",
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
                            "unit",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="clients.usageunit",
                            ),
                        ),
                        ("day", models.DateField()),
                        ("label", models.CharField(blank=True, default="", max_length=255)),
                        ("model", models.CharField(blank=True, default="", max_length=200)),
                        ("quantity", agencyportal.core.fields.QuantityField(default=0)),
                        ("events", models.BigIntegerField(default=0)),
                        ("errors", models.BigIntegerField(default=0)),
                        (
                            "retries",
                            models.BigIntegerField(
                                default=0, help_text="Attempts beyond the first."
                            ),
                        ),
                        ("input_tokens", models.BigIntegerField(default=0)),
                        ("cached_input_tokens", models.BigIntegerField(default=0)),
                        ("output_tokens", models.BigIntegerField(default=0)),
                        ("tool_calls", models.BigIntegerField(default=0)),
                        (
                            "unpriced",
                            models.BigIntegerField(
                                default=0, help_text="Events whose cost is unknown."
                            ),
                        ),
                        ("platform_cost", agencyportal.core.fields.NanosField(default=0)),
                        ("agency_cost", agencyportal.core.fields.NanosField(default=0)),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("workspace", "unit", "day", "label", "model"),
                                name="day_once",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("quantity__gte", 0)),
                                name="day_quantity_not_negative",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="UsageQuarter",
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
                            "unit",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="clients.usageunit",
                            ),
                        ),
                        ("start", models.DateTimeField()),
                        ("quantity", agencyportal.core.fields.QuantityField(default=0)),
                        ("events", models.BigIntegerField(default=0)),
                        (
                            "platform_cost",
                            agencyportal.core.fields.NanosField(
                                default=0, help_text="Paid by the platform, client's currency."
                            ),
                        ),
                        (
                            "agency_cost",
                            agencyportal.core.fields.NanosField(
                                default=0, help_text="Paid by the agency, client's currency."
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("workspace", "unit", "start"), name="quarter_once"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("quantity__gte", 0)),
                                name="quarter_quantity_not_negative",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="UsageWindow",
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
                                related_name="windows",
                                to="clients.workspace",
                            ),
                        ),
                        (
                            "unit",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="windows",
                                to="clients.usageunit",
                            ),
                        ),
                        ("start", models.DateTimeField()),
                        ("end", models.DateTimeField()),
                        (
                            "timezone",
                            agencyportal.core.fields.TimeZoneField(
                                blank=True,
                                default="",
                                help_text="Zone its local days are counted in; empty: the client's.",
                            ),
                        ),
                        ("used", agencyportal.core.fields.QuantityField(default=0)),
                        ("events", models.BigIntegerField(default=0)),
                        (
                            "reserved",
                            agencyportal.core.fields.QuantityField(
                                default=0, help_text="Held by open reservations."
                            ),
                        ),
                        (
                            "available",
                            agencyportal.core.fields.QuantityField(
                                help_text="Most that used and reserved may come to; null: no limit, or not worked out yet.",
                                null=True,
                            ),
                        ),
                        (
                            "available_since",
                            models.DateTimeField(
                                help_text="`available` counts on no usage from before this instant changing.",
                                null=True,
                            ),
                        ),
                        (
                            "available_until",
                            models.DateTimeField(
                                help_text="When to work `available` out again: a grant begins or ends. Null: now.",
                                null=True,
                            ),
                        ),
                        (
                            "watched",
                            agencyportal.core.fields.QuantityField(
                                help_text="What `used` was when alerts were last looked at; null: look again.",
                                null=True,
                            ),
                        ),
                        (
                            "attention_at",
                            agencyportal.core.fields.QuantityField(
                                help_text="When `used` reaches this, billing looks (automatic top-ups). Null: never.",
                                null=True,
                            ),
                        ),
                        (
                            "attended",
                            agencyportal.core.fields.QuantityField(
                                help_text="What `used` was when billing last looked; null: look again.",
                                null=True,
                            ),
                        ),
                        (
                            "covered",
                            agencyportal.core.fields.QuantityField(
                                help_text="While `used` comes to no more, none of it is charged; null: not worked out.",
                                null=True,
                            ),
                        ),
                        (
                            "covered_since",
                            models.DateTimeField(
                                help_text="`covered` counts on no usage from before this instant changing.",
                                null=True,
                            ),
                        ),
                        (
                            "covered_until",
                            models.DateTimeField(
                                help_text="`covered` is about usage before this instant. Null: work it out again.",
                                null=True,
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("workspace", "unit", "start"), name="window_once"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("end__gt", models.F("start"))),
                                name="window_not_empty",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("reserved__gte", 0), ("used__gte", 0)),
                                name="window_used_not_negative",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="WorkspaceKey",
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
                                related_name="keys",
                                to="clients.workspace",
                            ),
                        ),
                        ("name", models.CharField(max_length=100)),
                        (
                            "prefix",
                            models.CharField(
                                help_text="The key's first characters, to tell it by.",
                                max_length=16,
                            ),
                        ),
                        (
                            "secret_hash",
                            models.CharField(
                                editable=False,
                                help_text="SHA-256 of the whole key, hex.",
                                max_length=64,
                                unique=True,
                            ),
                        ),
                        (
                            "scopes",
                            models.JSONField(default=list, help_text="A list of scope names."),
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
                        ("expires_at", models.DateTimeField(blank=True, null=True)),
                        ("revoked_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "last_used_at",
                            models.DateTimeField(blank=True, editable=False, null=True),
                        ),
                    ],
                    options={
                        "ordering": ("-created_at",),
                    },
                ),
                migrations.CreateModel(
                    name="UsageEvent",
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
                                related_name="events",
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
                            "meter",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="clients.meter",
                            ),
                        ),
                        ("source", models.CharField(blank=True, default="", max_length=255)),
                        ("external_id", models.CharField(max_length=255)),
                        (
                            "body_hash",
                            models.CharField(
                                help_text="BLAKE2b-128 of the submitted body before defaults, hex.",
                                max_length=32,
                            ),
                        ),
                        (
                            "standing",
                            models.CharField(
                                choices=[
                                    ("counted", "Counted in its period"),
                                    ("late", "Arrived after its period was closed"),
                                    ("unbilled", "Outside the package or the subscription"),
                                ],
                                max_length=10,
                            ),
                        ),
                        ("occurred_at", models.DateTimeField()),
                        ("recorded_at", models.DateTimeField()),
                        (
                            "quantity",
                            agencyportal.core.fields.QuantityField(
                                help_text="Units this event stands for; under a `unique` meter, if its subject is counted."
                            ),
                        ),
                        ("subject", models.CharField(blank=True, default="", max_length=255)),
                        ("label", models.CharField(blank=True, default="", max_length=255)),
                        ("run_id", models.CharField(blank=True, default="", max_length=255)),
                        ("provider", models.CharField(blank=True, default="", max_length=100)),
                        ("model", models.CharField(blank=True, default="", max_length=200)),
                        (
                            "input_tokens",
                            models.BigIntegerField(help_text="Cached ones included.", null=True),
                        ),
                        ("cached_input_tokens", models.BigIntegerField(null=True)),
                        (
                            "output_tokens",
                            models.BigIntegerField(help_text="Reasoning included.", null=True),
                        ),
                        ("reasoning_tokens", models.BigIntegerField(null=True)),
                        ("tool_calls", models.BigIntegerField(null=True)),
                        ("attempts", models.PositiveIntegerField(default=1)),
                        (
                            "status",
                            models.CharField(
                                choices=[("ok", "OK"), ("error", "Error")],
                                default="ok",
                                max_length=10,
                            ),
                        ),
                        ("properties", models.JSONField(default=dict)),
                        (
                            "cost",
                            agencyportal.core.fields.NanosField(
                                help_text="In cost_currency; null when unknown, never zero then.",
                                null=True,
                            ),
                        ),
                        ("cost_currency", agencyportal.core.fields.CurrencyField(default="USD")),
                        (
                            "cost_payer",
                            models.CharField(
                                choices=[
                                    ("platform", "The platform (routed)"),
                                    ("agency", "The agency"),
                                ],
                                max_length=10,
                            ),
                        ),
                        (
                            "cost_flag",
                            models.CharField(
                                blank=True,
                                choices=[
                                    ("", "Priced"),
                                    ("no_model", "No model named"),
                                    ("no_price", "The model has no price"),
                                    ("no_tokens", "Token counts are unknown"),
                                    ("no_rate", "No exchange rate"),
                                ],
                                default="",
                                max_length=10,
                            ),
                        ),
                        (
                            "price_source",
                            models.CharField(
                                blank=True,
                                default="",
                                help_text="Where the price came from, with version.",
                                max_length=100,
                            ),
                        ),
                        (
                            "exchange_rate",
                            agencyportal.core.fields.NanosField(
                                help_text="From cost_currency to the client's, frozen.", null=True
                            ),
                        ),
                        (
                            "client_cost",
                            agencyportal.core.fields.NanosField(
                                help_text="The cost in the client's currency.", null=True
                            ),
                        ),
                        (
                            "seal",
                            models.CharField(
                                help_text="A hash over the row as it was recorded; clients/seal.py.",
                                max_length=32,
                            ),
                        ),
                    ],
                    options={
                        "indexes": [
                            models.Index(
                                fields=["workspace", "unit", "occurred_at"], name="event_by_time"
                            ),
                            models.Index(
                                condition=models.Q(("standing", "counted"), _negated=True),
                                fields=["workspace", "occurred_at"],
                                name="event_not_counted",
                            ),
                            models.Index(
                                condition=models.Q(("cost_flag__in", ("no_price", "no_rate"))),
                                fields=["workspace", "id"],
                                name="event_waiting_for_price",
                            ),
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("workspace", "source", "external_id"), name="event_once"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("quantity__gte", 0)),
                                name="event_quantity_not_negative",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="EventConflict",
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
                                related_name="conflicts",
                                to="clients.usageevent",
                            ),
                        ),
                        ("body_hash", models.CharField(max_length=32)),
                        ("body", models.JSONField(help_text="What came, decimals as text.")),
                        ("received_at", models.DateTimeField(help_text="When it came first.")),
                        ("settled_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "settled_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "remark",
                            models.CharField(
                                blank=True, help_text="What was found.", max_length=500
                            ),
                        ),
                    ],
                    options={
                        "indexes": [
                            models.Index(
                                condition=models.Q(("settled_at", None)),
                                fields=["workspace"],
                                name="conflict_open",
                            )
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("event", "body_hash"), name="conflict_once_per_body"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="UniqueSubject",
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
                            "window",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="subjects",
                                to="clients.usagewindow",
                            ),
                        ),
                        ("subject", models.CharField(max_length=255)),
                        (
                            "event",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="clients.usageevent",
                            ),
                        ),
                        ("occurred_at", models.DateTimeField()),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("window", "subject"), name="subject_once_per_window"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="UsageCorrection",
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
                                related_name="corrections",
                                to="clients.workspace",
                            ),
                        ),
                        (
                            "event",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="corrections",
                                to="clients.usageevent",
                            ),
                        ),
                        (
                            "public_id",
                            models.UUIDField(default=uuid.uuid4, editable=False, unique=True),
                        ),
                        (
                            "key",
                            models.CharField(
                                help_text="Makes it this one: asked for again, it is.",
                                max_length=200,
                            ),
                        ),
                        (
                            "quantity",
                            agencyportal.core.fields.QuantityField(
                                help_text="What the event counts from now on, in its unit."
                            ),
                        ),
                        (
                            "previous",
                            agencyportal.core.fields.QuantityField(
                                help_text="What it counted until then."
                            ),
                        ),
                        ("reason", models.CharField(max_length=500)),
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
                        ("recorded_at", models.DateTimeField()),
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
                            "created_with",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="clients.workspacekey",
                            ),
                        ),
                    ],
                    options={
                        "ordering": ("-recorded_at", "-pk"),
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("workspace", "key"), name="correction_once"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("previous__gte", 0), ("quantity__gte", 0)),
                                name="correction_not_negative",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="UsagePricing",
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
                                related_name="pricings",
                                to="clients.workspace",
                            ),
                        ),
                        (
                            "event",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="pricing",
                                to="clients.usageevent",
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
                        (
                            "cost",
                            agencyportal.core.fields.NanosField(help_text="In cost_currency."),
                        ),
                        ("cost_currency", agencyportal.core.fields.CurrencyField()),
                        (
                            "price_source",
                            models.CharField(
                                help_text="Where the price came from.", max_length=100
                            ),
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
                        "ordering": ("-recorded_at", "-pk"),
                    },
                ),
            ],
        ),
        # Backwards, the table goes with its rows.
        migrations.RunPython(add_templates, migrations.RunPython.noop),
    ]
