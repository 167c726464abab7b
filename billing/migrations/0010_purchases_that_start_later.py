from django.db import migrations, models


def watch_automatic_top_ups(apps, _schema_editor):
    """Windows that are open already are looked at as new ones are."""
    BillingPeriod = apps.get_model("billing", "BillingPeriod")
    PlanAllowance = apps.get_model("billing", "PlanAllowance")
    UsageWindow = apps.get_model("clients", "UsageWindow")
    for allowance in PlanAllowance.objects.filter(policy="top_up"):
        periods = BillingPeriod.objects.filter(plan_version=allowance.version_id)
        for period in periods.exclude(state="closed"):
            UsageWindow.objects.filter(
                workspace=period.workspace_id, unit=allowance.unit_id, start=period.start
            ).update(attention_at=0)


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0009_caps"),
        ("clients", "0009_window_attention"),
    ]

    operations = [
        migrations.AddField(
            model_name="topuppurchase",
            name="starts_at",
            field=models.DateTimeField(
                blank=True, help_text="Usable from then on; empty: at once.", null=True
            ),
        ),
        migrations.RunPython(watch_automatic_top_ups, migrations.RunPython.noop),
    ]
