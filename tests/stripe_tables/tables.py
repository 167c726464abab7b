"""The tables of dj-stripe that the portal writes to, as its models are today.

`Customer` is among them because it points at people, whose deletion looks there.
"""

from django.apps import apps as installed
from django.conf import settings
from django.db import migrations

TABLES = (
    "Account",
    "WebhookEndpoint",
    "Event",
    "WebhookEventTrigger",
    "PaymentMethod",
    "Customer",
)


def make_tables(_apps, schema_editor):
    for name in TABLES:
        schema_editor.create_model(installed.get_model("djstripe", name))


class Migration(migrations.Migration):
    initial = True
    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations = [migrations.RunPython(make_tables, migrations.RunPython.noop)]
