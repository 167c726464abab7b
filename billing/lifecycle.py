"""What becomes of a period's fees when its end moves after they were charged (ENGINE 4). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo

from agencyportal.core.periods import Period

from .plan_documents import FeeDocument
from .proration import changed_fee, prorated_amount, share_between, share_of
from .terms import is_prorated

ZERO = Decimal(0)


class FeeRule(StrEnum):
    """What a move does to the fees of its period; the values are those of stored moves."""

    KEPT = "kept"
    ANEW = "anew"
    REST = "rest"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class FeeLines:
    """What is written for one fee: ``credit`` is zero or negative; ``due`` is what all lines of
    the fee in the period then come to."""

    credit: Decimal
    charge: Decimal
    due: Decimal


def fee_due(
    fee: FeeDocument,
    rule: FeeRule,
    *,
    charged: Decimal,
    before: Period,
    after: Period | None,
    timezone: ZoneInfo | str,
    currency: str,
) -> Decimal:
    """What a fee of a period comes to after its end moved from that of ``before``.

    ``charged``: what its lines come to so far. ``after`` is None where the period is withdrawn.
    A period that is shortened never asks for more than it did.
    """
    if rule is FeeRule.WITHDRAWN or after is None:
        return ZERO
    if rule is FeeRule.KEPT or not is_prorated(fee):
        return charged
    if rule is FeeRule.ANEW:
        anew = prorated_amount(fee.amount, share_of(after, timezone), currency)
        return min(charged, anew) if after.end < before.end else anew
    lost = share_between(before, after.end, before.end, timezone)
    change = changed_fee(
        charged=charged,
        old_amount=fee.amount,
        new_amount=ZERO,
        new_share=lost,
        currency=currency,
    )
    return charged + change.credit


def fee_lines(*, due: Decimal, rule: FeeRule, invoiced: Decimal, voided: bool) -> FeeLines:
    """The lines that bring what stands on invoices to what is ``due``.

    ``invoiced``: what of the fee is on invoices and stays there. ``voided``: whether charges that
    were on none are taken back, so that nothing but ``due`` need be asked for them. An early end
    credits all and charges the days that are left; everything else is one line.
    """
    if rule is FeeRule.ANEW and not voided and due != invoiced:
        return FeeLines(credit=-invoiced, charge=due, due=due)
    difference = due - invoiced
    return FeeLines(credit=min(ZERO, difference), charge=max(ZERO, difference), due=due)
