"""Gives a top-up back: its unused units are revoked and a credit note is made (ENGINE 12).

Lock order: workspace, invoice, client's balance, series.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction

from agencyportal.core.money import exact_arithmetic, format_money, plain, round_money_down
from billing.crediting import Part
from billing.models import CreditNote, InvoiceLine, TopUpPurchase
from billing.refusals import RefusedError, refuse_unfit_key
from billing.selectors.balances import left_of
from clients.models import User
from clients.services import windows

from .credit_notes import issue_credit_note
from .refunds import pay_back
from .revocations import revoke

LONGEST_KEY = 80
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Refundable:
    """What of a top-up can be given back: ``unused`` units, worth ``most`` net of tax."""

    line: InvoiceLine
    unused: Decimal
    most: Decimal


def refundable(purchase: TopUpPurchase, *, now: dt.datetime) -> Refundable:
    """What of a purchase can be given back at ``now``: price x unused / quantity, rounded down.

    Raises RefusedError while it is on no issued invoice.
    """
    line = InvoiceLine.objects.filter(
        charge__key=f"top_up:{purchase.pk}", invoice__number__isnull=False
    ).select_related("invoice__client")
    found = line.first()
    if found is None:
        raise RefusedError(
            f"{purchase} is on no invoice yet. It can be given back once that is issued; its "
            "unused units can be taken back at any time."
        )
    unused = left_of(purchase.grant, now=now)
    with exact_arithmetic():
        worth = round_money_down(found.net * unused / purchase.quantity, found.currency)
    return Refundable(found, unused, min(worth, found.net - found.credited))


@transaction.atomic
def refund_top_up(
    *,
    purchase: TopUpPurchase,
    reason: str,
    refunded_by: User | None,
    now: dt.datetime,
    key: str,
    amount: Decimal | None = None,
    override: bool = False,
    to_payer: bool = False,
) -> CreditNote:
    """Give a top-up back: ``amount`` net of tax, by default what its unused units are worth.

    All units that are unused are revoked, or as many as the amount is worth where that is less.
    More than they are worth takes ``override``, and the reason says why. The credit note lowers
    what is due first, then goes to the client's balance, and from there back to who paid where
    ``to_payer``. The agency's earning and the platform's fee follow the credit note.

    ``key`` makes it this refund. Raises RefusedError where it is on no issued invoice, for more
    than its units are worth without override, for more than is left of its line, and for nothing.
    Locks the workspace, then as a credit note does.
    """
    refuse_unfit_key(key, longest=LONGEST_KEY)
    windows.lock_workspace(purchase.workspace_id)
    key = f"top-up:{purchase.pk}:{key}"
    there = refundable(purchase, now=now)
    done = CreditNote.objects.filter(key=f"credit-note:{there.line.invoice_id}:{key}").first()
    if done is not None:
        return done
    wanted = there.most if amount is None else amount
    if wanted > there.most and not override:
        raise RefusedError(
            f"{plain(there.unused)} {purchase.unit.plural} are unused, worth "
            f"{format_money(there.most, purchase.currency)}; "
            f"{format_money(wanted, purchase.currency)} is more. Say that you mean it, and why.",
            field="amount",
        )
    if wanted <= 0:
        raise RefusedError("Nothing of it is unused, so nothing is given back.", field="amount")
    if units := _units_of(wanted, there, purchase):
        revoke(
            grant=purchase.grant,
            quantity=units,
            reason=reason,
            revoked_by=refunded_by,
            now=now,
            key=key,
        )
    note = issue_credit_note(
        invoice=there.line.invoice,
        parts=[Part(there.line.pk, amount=wanted)],
        reason=reason,
        created_by=refunded_by,
        now=now,
        key=key,
    )
    if to_payer:
        pay_back(note=note, requested_by=refunded_by, now=now)
    return note


def _units_of(amount: Decimal, there: Refundable, purchase: TopUpPurchase) -> Decimal:
    """The units that go with an amount: all that are unused for all they are worth."""
    if amount >= there.most:
        return there.unused
    with exact_arithmetic():
        units = purchase.quantity * amount / there.line.net
        return min(there.unused, units.quantize(Decimal("0.000001")))
