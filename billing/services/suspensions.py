"""Clients whose new usage is not admitted, since an invoice is not paid.

Reservations are refused, in words; what is reported all the same is a fact and recorded. A
suspension ends in the very transaction in which nothing is due any more.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from agencyportal.core.money import format_money
from agencyportal.core.prepared import PreparedQuery
from billing.models import DunningEntry, Invoice, Suspension
from billing.portal_links import page_of_invoice
from billing.refusals import NotAdmittedError


def suspend(invoice: Invoice, *, now: dt.datetime) -> Suspension | None:
    """Admit no new usage of an invoice's client; None where that is so already. The caller holds
    the invoice."""
    if invoice.suspensions.open().exists():
        return None
    return Suspension.objects.create(
        agency_id=invoice.agency_id, client_id=invoice.client_id, invoice=invoice, began_at=now
    )


def lift(invoice: Invoice, *, now: dt.datetime, said: str) -> bool:
    """End the suspension for an invoice; whether there was one. The caller holds the invoice."""
    if not Suspension.objects.open().filter(invoice=invoice).update(lifted_at=now):
        return False
    DunningEntry.objects.create(
        invoice=invoice, kind=DunningEntry.Kind.LIFTED, done_at=now, said=said
    )
    return True


def refusal_for(client_id: int) -> NotAdmittedError | None:
    """Why a client's new usage is not admitted; None where it is. One query, for most."""
    if not _OPEN.rows(client=client_id):
        return None
    rows = Suspension.objects.open().filter(client=client_id)
    found = rows.select_related("invoice").defer("invoice__snapshot").order_by("began_at").first()
    if found is None:
        return None
    invoice = found.invoice
    due = format_money(invoice.amount_due, invoice.currency)
    return NotAdmittedError(
        f"New usage is suspended since {found.began_at:%-d %B %Y}, because {due} of invoice "
        f"{invoice.number} are not paid. As soon as they are, it goes on. How to pay: "
        f"{page_of_invoice(invoice)}"
    )


_OPEN: Final = PreparedQuery[tuple[int]](
    lambda slots: (
        Suspension.objects.open().filter(client=slots.number("client")).order_by().values_list("pk")
    )
)
"""Asked with every reservation."""
