"""What becomes of a period's fees when its end moves after they were charged (ENGINE 4). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo

from agencyportal.core.periods import Period, local_date, local_day_start

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


def fees_boundary_after_zone_change(
    fees_full_end: datetime,
    period_end: datetime,
    *,
    old_timezone: ZoneInfo | str,
    new_timezone: ZoneInfo | str,
) -> datetime:
    """Where the time ends that fees were asked for in advance, after its client moved to another
    time zone: with the same local date, and not before the period in progress does.

    ``fees_full_end``: where it was to end. ``period_end``: where the period in progress ends now.
    """
    date = local_date(fees_full_end, old_timezone)
    return max(period_end, local_day_start(date, new_timezone))


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
    """What a fee comes to after the end of the time that it is for moved from that of ``before``.

    That is a period's, or a longer one that the period asked for in advance (`terms.fees_time`).
    ``charged``: what its lines come to so far. ``after`` is None where the period is withdrawn.
    A time that is shortened never asks for more than it did.
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
