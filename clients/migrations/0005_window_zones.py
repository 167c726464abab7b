from django.db import migrations
from django.db.models import OuterRef, Subquery

import agencyportal.core.fields


def keep_the_clients_zone(apps, _schema_editor):
    """Windows that are there count their days in their client's zone, which none has changed yet."""
    windows = apps.get_model("clients", "UsageWindow").objects.all()
    workspaces = apps.get_model("clients", "Workspace").objects.filter(pk=OuterRef("workspace"))
    windows.update(timezone=Subquery(workspaces.values("client__timezone")[:1]))


class Migration(migrations.Migration):
    dependencies = [("clients", "0004_window_capacity_since_and_watched")]

    operations = [
        migrations.AddField(
            model_name="usagewindow",
            name="timezone",
            field=agencyportal.core.fields.TimeZoneField(
                blank=True,
                default="",
                help_text="Zone its local days are counted in; empty: the client's.",
            ),
        ),
        migrations.RunPython(keep_the_clients_zone, migrations.RunPython.noop, elidable=True),
    ]
