"""Disputes, as whoever collected the payment reports them: opened once, closed once.

While one is open the money counts as paid, and the agency's share of it is held back. Won, that is
given back; lost, the payment is taken back and the invoice is due again.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from django.db import transaction
from django.db.models import Sum

from agencyportal.core.locks import lock_row
from agencyportal.core.money import format_money, round_money
from billing.models import Dispute, Invoice, InvoiceMovement, Payment, PaymentReversal
from billing.refusals import RefusedError, in_words

from .reversals import take_back
from .standing import move, undisputed

ZERO = Decimal(0)


@transaction.atomic
def record_dispute(
    *,
    payment: Payment,
    provider_id: str,
    state: str,
    amount: Decimal,
    happened_at: dt.datetime,
    now: dt.datetime,
    reason: str = "",
    opened_at: dt.datetime | None = None,
    cause: str = PaymentReversal.Cause.DISPUTE,
) -> Dispute:
    """Record what the provider says of a dispute: ``opened``, ``won`` or ``lost``.

    Reports may come twice and in any order. A dispute that is first heard of as won or lost is
    opened with it, at ``opened_at`` if that is known; one that is closed stays as it was closed.
    ``amount``: what is disputed, in the payment's currency. What of it has gone back before is its
    ``excess``: no longer there to be taken, and to be claimed by hand where the dispute is lost.
    ``cause``: what its loss is called; a debit that a bank returns is a dispute at Stripe, and has
    bounced here. Raises RefusedError for another payment or amount under a known id, for more than
    the payment, a closed dispute that is said to have ended the other way, and a time to come.
    Locks the invoice, then (lost) the client's balance.
    """
    invoice = lock_row(Invoice.objects.select_related("client").filter(pk=payment.invoice_id))
    paid = Payment.objects.get(pk=payment.pk)
    if state not in Dispute.State.values or not provider_id.strip():
        raise RefusedError(f"A dispute has an id and one of the states {Dispute.State.values}.")
    if happened_at > now:
        raise RefusedError(f"{in_words(happened_at)} has not come yet.", field="happened_at")
    dispute = Dispute.objects.filter(provider_id=provider_id).first()
    if dispute is None:
        dispute = _open(invoice, paid, provider_id, amount, reason, opened_at or happened_at, now)
    elif (dispute.payment_id, dispute.amount) != (paid.pk, amount):
        raise RefusedError(
            f"The dispute {provider_id} is about {dispute.payment}, "
            f"{format_money(dispute.amount, dispute.currency)}."
        )
    if state in (Dispute.State.OPENED, dispute.state):
        return dispute
    if dispute.state != Dispute.State.OPENED:
        raise RefusedError(
            f"{dispute} is {dispute.get_state_display().lower()} already; "
            "what changed since is recorded by hand, as a payment or a reversal."
        )
    _close(dispute, invoice, paid, state, happened_at, now, cause)
    return dispute


def _open(
    invoice: Invoice,
    payment: Payment,
    provider_id: str,
    amount: Decimal,
    reason: str,
    at: dt.datetime,
    now: dt.datetime,
) -> Dispute:
    disputed = payment.disputes.open().aggregate(total=Sum("amount"))["total"] or ZERO
    if not 0 < amount <= payment.amount or amount != round_money(amount, payment.currency):
        raise RefusedError(
            f"Of {payment} {format_money(payment.amount, payment.currency)} can be disputed, not "
            f"{format_money(amount, payment.currency)}."
        )
    excess = max(amount - max(payment.returnable - disputed, ZERO), ZERO)
    off = payment.reversals.aggregate(off=Sum("off_invoice"))["off"] or ZERO
    dispute = Dispute(
        agency_id=payment.agency_id,
        client_id=payment.client_id,
        payment=payment,
        provider_id=provider_id,
        amount=amount,
        excess=excess,
        held=max(min(amount - excess, payment.applied - off, undisputed(invoice)), ZERO),
        currency=payment.currency,
        reason=reason[:200],
        opened_at=at,
        created_at=now,
    )
    dispute.save(force_insert=True)
    if dispute.held:
        move(
            invoice,
            kind=InvoiceMovement.Kind.DISPUTE_OPENED,
            held=dispute.held,
            at=at,
            now=now,
            dispute=dispute,
        )
    return dispute


def _close(
    dispute: Dispute,
    invoice: Invoice,
    payment: Payment,
    state: str,
    at: dt.datetime,
    now: dt.datetime,
    cause: str,
) -> None:
    dispute.state, dispute.closed_at = Dispute.State(state), at
    dispute.save(update_fields=["state", "closed_at"])
    is_lost = dispute.state == Dispute.State.LOST
    if is_lost and dispute.amount > dispute.excess:
        take_back(
            invoice,
            payment,
            dispute.amount - dispute.excess,
            cause=cause,
            reason=dispute.reason or f"Dispute {dispute.provider_id} was lost.",
            at=at,
            now=now,
            key=f"dispute:{dispute.pk}",
            dispute=dispute,
        )
    if dispute.held:
        kinds = InvoiceMovement.Kind
        move(
            invoice,
            kind=kinds.DISPUTE_LOST if is_lost else kinds.DISPUTE_WON,
            paid=-dispute.held if is_lost else ZERO,
            held=-dispute.held,
            at=at,
            now=now,
            dispute=dispute,
        )
