"""Top-ups paid at once: each that is paid was granted once with an invoice, or given back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from billing.models import BalanceEntry, Invoice, Payment, TopUpOrder

from .findings import Checked, Finding, compare, missing
from .scope import CHUNK, Scope

SUBJECT: Final = "Top-up orders"


def check_orders(scope: Scope) -> Iterator[Finding]:
    """Every order against what it brought. One in trouble is open: somebody has to end it."""
    orders = scope.of(TopUpOrder.objects.select_related("purchase", "band", "client", "invoice"))
    for order in orders.order_by("pk").iterator(chunk_size=CHUNK):
        is_paid = order.state == TopUpOrder.State.PAID
        if order.purchase is not None:
            yield from _check_granted(order)
        elif is_paid and not order.trouble:
            yield from _check_given_back(order)
        yield Checked(SUBJECT, 1, open=int(bool(order.trouble)))


def _check_granted(order: TopUpOrder) -> Iterator[Finding]:
    purchase = order.purchase
    if purchase is None:
        return
    fields: dict[str, tuple[Any, Any]] = {
        "purchase.key": (purchase.key, f"order:{order.pk}"),
        "purchase.workspace": (purchase.workspace_id, order.workspace_id),
        "purchase.band": (purchase.band_id, order.band_id),
        "purchase.quantity": (purchase.quantity, order.quantity),
        "gross": (order.gross, order.net + order.tax),
    }
    yield from compare(SUBJECT, order, str(order), fields)
    invoice = getattr(order, "invoice", None)
    if invoice is None:
        yield missing(SUBJECT, Invoice, f"{order}", order.gross)
        return
    payment = Payment.objects.filter(key=f"order:{order.pk}").first()
    if payment is None:
        yield missing(SUBJECT, Payment, f"{order}", order.gross)
        return
    paid: dict[str, tuple[Any, Any]] = {
        "payment.amount": (payment.amount, order.gross),
        "payment.invoice": (payment.invoice_id, invoice.pk),
        "payment.provider_id": (payment.provider_id, order.intent_id),
        "invoice.charge": (
            list(invoice.lines.values_list("charge__key", flat=True)),
            [f"top_up:{purchase.pk}"],
        ),
    }
    yield from compare(SUBJECT, payment, str(order), paid)


def _check_given_back(order: TopUpOrder) -> Iterator[Finding]:
    entry = BalanceEntry.objects.filter(key=f"order:{order.pk}").first()
    if entry is None:
        yield missing(SUBJECT, BalanceEntry, str(order), order.gross)
        return
    fields = {"balance": (entry.amount, order.gross), "client": (entry.client_id, order.client_id)}
    yield from compare(SUBJECT, entry, str(order), fields)
