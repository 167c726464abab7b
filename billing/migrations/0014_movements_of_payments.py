"""What was paid so far becomes the first movements of its invoices, in the order it was recorded."""

from collections import Counter
from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

BATCH = 2000


def write_movements(apps: StateApps, _schema_editor: BaseDatabaseSchemaEditor) -> None:
    payments: Any = apps.get_model("billing", "Payment")
    movements: Any = apps.get_model("billing", "InvoiceMovement")
    taken: Counter[int] = Counter()
    rows = []
    for payment in payments.objects.order_by("pk").iterator(chunk_size=BATCH):
        taken[payment.invoice_id] += 1
        rows.append(
            movements(
                invoice_id=payment.invoice_id,
                number=taken[payment.invoice_id],
                kind="payment",
                paid=payment.amount,
                currency=payment.currency,
                payment_id=payment.pk,
                occurred_at=payment.received_at,
                created_at=payment.created_at,
            )
        )
    movements.objects.bulk_create(rows, batch_size=BATCH)


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0013_money_ledger"),
    ]

    operations = [
        migrations.RunPython(write_movements, migrations.RunPython.noop),
    ]
