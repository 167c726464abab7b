import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import agencyportal.core.fields


class Migration(migrations.Migration):
    dependencies = [
        ("clients", "0006_event_conflicts"),
    ]

    operations = [
        migrations.CreateModel(
            name="UsageCorrection",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "key",
                    models.CharField(
                        help_text="Makes it this one: asked for again, it is.", max_length=200
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
                    agencyportal.core.fields.QuantityField(help_text="What it counted until then."),
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
                (
                    "event",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="corrections",
                        to="clients.usageevent",
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
            ],
            options={
                "ordering": ("-recorded_at", "-pk"),
                "constraints": [
                    models.UniqueConstraint(fields=("workspace", "key"), name="correction_once"),
                    models.CheckConstraint(
                        condition=models.Q(("previous__gte", 0), ("quantity__gte", 0)),
                        name="correction_not_negative",
                    ),
                ],
            },
        ),
    ]
