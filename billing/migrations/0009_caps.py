import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import agencyportal.core.fields


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0008_webhooks"),
        ("clients", "0008_caps"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Cap",
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
                            ("units", "Units"),
                            ("cost", "Routed cost"),
                            ("spend", "Overage and top-ups"),
                        ],
                        max_length=5,
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
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
            ],
            options={
                "ordering": ("-effective_from", "-pk"),
            },
        ),
        migrations.RemoveConstraint(
            model_name="reservation",
            name="reservation_positive",
        ),
        migrations.AddField(
            model_name="reservation",
            name="cost",
            field=agencyportal.core.fields.NanosField(
                default=0, help_text="Routed cost held, in the client's currency."
            ),
        ),
        migrations.AddField(
            model_name="reservation",
            name="cost_overshoot",
            field=agencyportal.core.fields.NanosField(
                default=0, help_text="Cost committed beyond what was reserved."
            ),
        ),
        migrations.AddField(
            model_name="reservation",
            name="spend",
            field=agencyportal.core.fields.MoneyField(
                default=0, help_text="Overage held, as priced when it was reserved."
            ),
        ),
        migrations.AddConstraint(
            model_name="reservation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("cost__gte", 0),
                    ("cost_overshoot__gte", 0),
                    ("overshoot__gte", 0),
                    ("quantity__gt", 0),
                ),
                name="reservation_positive",
            ),
        ),
        migrations.AddField(
            model_name="cap",
            name="agency",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="caps",
                to="clients.agency",
            ),
        ),
        migrations.AddField(
            model_name="cap",
            name="client",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="caps",
                to="clients.client",
            ),
        ),
        migrations.AddField(
            model_name="cap",
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
            model_name="cap",
            name="unit",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="clients.usageunit",
            ),
        ),
        migrations.AddField(
            model_name="cap",
            name="workspace",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="caps",
                to="clients.workspace",
            ),
        ),
        migrations.AddIndex(
            model_name="cap",
            index=models.Index(fields=["agency", "client"], name="cap_by_scope"),
        ),
        migrations.AddConstraint(
            model_name="cap",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("amount__isnull", True), ("kind", "units"), ("unit__isnull", False)),
                    models.Q(
                        ("kind__in", ("cost", "spend")),
                        ("quantity__isnull", True),
                        ("unit__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="cap_limits_what_its_kind_says",
            ),
        ),
        migrations.AddConstraint(
            model_name="cap",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("quantity__isnull", True), ("quantity__gte", 0), _connector="OR"),
                    models.Q(("amount__isnull", True), ("amount__gte", 0), _connector="OR"),
                ),
                name="cap_not_negative",
            ),
        ),
    ]
