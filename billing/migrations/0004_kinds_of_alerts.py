"""Alerts of several kinds: percents become levels, which are decimals.

What an alert said cannot change, and triggers see to that. They are taken away from the two tables
while their columns move, and put back after every migrate.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import agencyportal.core.fields

PROTECTED = ("billing_alert", "billing_alertcrossing")


def without_triggers(_apps, schema_editor):
    for table in PROTECTED:
        name = f"append_only_{table}"
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(f'DROP TRIGGER IF EXISTS "{name}" ON "{table}"')
            continue
        for event in ("update", "delete", "insert"):
            schema_editor.execute(f'DROP TRIGGER IF EXISTS "{name}_{event}"')


def write_levels(apps, schema_editor):
    AlertRule = apps.get_model("billing", "AlertRule")
    for rule in AlertRule.objects.iterator():
        rule.levels = [str(percent) for percent in rule.percents]
        rule.save(update_fields=["levels"])
    # Quantities are stored in millionths.
    schema_editor.execute("UPDATE billing_alertcrossing SET level = percent * 1000000")
    schema_editor.execute("UPDATE billing_alert SET measured = used, against = entitled")


def nothing(_apps, _schema_editor):
    pass


def write_percents(apps, schema_editor):
    """What is no percent cannot be said in percents, and goes."""
    AlertRule = apps.get_model("billing", "AlertRule")
    schema_editor.execute(
        "DELETE FROM billing_alertcrossing "
        "WHERE alert_id IN (SELECT id FROM billing_alert WHERE kind <> 'percent')"
    )
    schema_editor.execute("DELETE FROM billing_alert WHERE kind <> 'percent'")
    AlertRule.objects.exclude(kind="percent").delete()
    AlertRule.objects.filter(is_clients=True, alerts=None).delete()
    for rule in AlertRule.objects.iterator():
        rule.percents = [int(level) for level in rule.levels]
        rule.save(update_fields=["percents"])
    schema_editor.execute("UPDATE billing_alertcrossing SET percent = level / 1000000")
    if schema_editor.connection.vendor == "postgresql":
        # What was deleted is checked now: tables with checks to come cannot be altered.
        schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        schema_editor.execute("SET CONSTRAINTS ALL DEFERRED")


KINDS = [
    ("percent", "Percent of the allowance"),
    ("units", "Units used"),
    ("money", "Money spent"),
    ("forecast", "Runs out early"),
    ("spike", "Unusual usage"),
    ("overage", "Repeated overage"),
    ("margin", "Margin below its floor"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0003_grant_revocations"),
        ("clients", "0004_window_capacity_since_and_watched"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunPython(without_triggers, nothing),
        migrations.AddField(
            "alertrule",
            "is_clients",
            models.BooleanField(
                default=False,
                editable=False,
                help_text="Set by the client, for what it is told itself.",
                verbose_name="the client's own",
            ),
        ),
        migrations.AddField(
            "alertrule",
            "kind",
            models.CharField(
                choices=KINDS,
                default="percent",
                help_text="Margin is told to the agency alone.",
                max_length=10,
            ),
        ),
        migrations.AddField(
            "alertrule",
            "levels",
            models.JSONField(
                default=list, help_text="Decimals as text, ascending. None: nothing is told."
            ),
        ),
        migrations.AddField(
            "alertrule",
            "revision",
            models.PositiveIntegerField(
                default=0,
                editable=False,
                help_text="Grows when it is changed: its levels count anew.",
            ),
        ),
        migrations.AddField(
            "alert",
            "kind",
            models.CharField(choices=KINDS, default="percent", max_length=10),
        ),
        migrations.AddField(
            "alert",
            "measured",
            agencyportal.core.fields.QuantityField(
                default=0, help_text="What the levels were compared with."
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            "alert",
            "against",
            agencyportal.core.fields.QuantityField(
                blank=True, help_text="What that is seen against.", null=True
            ),
        ),
        migrations.AddField(
            "alert",
            "details",
            models.JSONField(blank=True, default=dict, help_text="What else there is to tell."),
        ),
        migrations.AddField("alert", "tells_agency", models.BooleanField(default=True)),
        migrations.AddField("alert", "tells_client", models.BooleanField(default=True)),
        migrations.AlterField(
            "alert",
            "arming",
            models.PositiveIntegerField(
                help_text="Grows with each grant and change of the rule: levels count anew."
            ),
        ),
        migrations.AlterField(
            "alert",
            "entitled",
            agencyportal.core.fields.QuantityField(
                blank=True, help_text="Units the period's credits came to.", null=True
            ),
        ),
        migrations.AlterField(
            "alert",
            "used",
            agencyportal.core.fields.QuantityField(
                blank=True,
                help_text="Units used in the period when it was noticed.",
                null=True,
            ),
        ),
        migrations.AlterField(
            "alert",
            "unit",
            models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="clients.usageunit",
            ),
        ),
        migrations.AlterModelOptions("alertcrossing", {"ordering": ("level",)}),
        migrations.RemoveConstraint("alertcrossing", "crossing_once"),
        migrations.AddField(
            "alertcrossing",
            "level",
            agencyportal.core.fields.QuantityField(default=0),
            preserve_default=False,
        ),
        migrations.AlterField(
            "alertcrossing", "percent", models.PositiveSmallIntegerField(default=0)
        ),
        migrations.AlterField(
            "alertcrossing",
            "unit",
            models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="clients.usageunit",
            ),
        ),
        migrations.RunPython(write_levels, write_percents),
        migrations.RemoveField("alertcrossing", "percent"),
        migrations.RemoveField("alertrule", "percents"),
        migrations.AddConstraint(
            "alertcrossing",
            models.UniqueConstraint(
                fields=("rule", "period", "unit", "level", "arming"), name="crossing_once"
            ),
        ),
        migrations.AddConstraint(
            "alertcrossing",
            models.UniqueConstraint(
                condition=models.Q(("unit", None)),
                fields=("rule", "period", "level", "arming"),
                name="crossing_once_of_all",
            ),
        ),
        migrations.AddConstraint(
            "alertrule",
            models.UniqueConstraint(
                condition=models.Q(("is_clients", True)),
                fields=("client", "kind"),
                name="alert_rule_own_once",
            ),
        ),
        migrations.CreateModel(
            "AlertsRead",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "up_to",
                    models.BigIntegerField(help_text="The id of the last alert that was read."),
                ),
                ("read_at", models.DateTimeField()),
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
        migrations.RunPython(nothing, without_triggers),
    ]
