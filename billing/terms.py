"""What a plan's terms come to in one period: fees, allowances and the minimum (ENGINE 4).

Pure: documents and periods in, exact amounts and quantities out. Closing and the simulator read
the terms here, so that a forecast and a bill cannot differ.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from agencyportal.core.money import round_money
from agencyportal.core.periods import Interval, Period, interval_from

from .plan_documents import AllowanceDocument, FeeDocument
from .proration import (
    early_end_allowance,
    prorated_allowance,
    prorated_amount,
    share_of,
)


def fees_time(
    period: Period,
    fee_interval: Interval | None,
    *,
    asked_until: datetime | None,
    anchor: date,
    timezone: str,
    end: datetime | None,
) -> Period | None:
    """What time the fees are for that are asked with a period; None where it asks for none.

    ``fee_interval``: where it is longer than a period; else each period asks for itself.
    ``asked_until``: the full end of the time that fees were asked for last; None in the first
    period. ``end`` is the subscription's. A time that begins inside an interval is a part of it.
    """
    if fee_interval is None:
        return period
    if asked_until is not None and period.start < asked_until:
        return None
    return interval_from(period.start, fee_interval, anchor, timezone, end)


def fee_amount(fee: FeeDocument, period: Period, timezone: str, currency: str) -> Decimal:
    """What a fee costs for a time (see `fees_time`), prorated unless it is asked once or says
    otherwise."""
    if is_prorated(fee):
        return prorated_amount(fee.amount, share_of(period, timezone), currency)
    return round_money(fee.amount, currency)


def is_prorated(fee: FeeDocument) -> bool:
    return fee.when == "period" and fee.prorate


def minimum_due(minimum: Decimal, period: Period, timezone: str, currency: str) -> Decimal:
    """The minimum commitment of a period, prorated like a fee."""
    return prorated_amount(minimum, share_of(period, timezone), currency)


def opening_allowance(
    allowance: AllowanceDocument, period: Period, timezone: str, *, places: int = 0
) -> Decimal:
    """What a period includes as planned when it opens. ``places``: the unit's precision."""
    if not allowance.prorate:
        return allowance.included
    return prorated_allowance(allowance.included, share_of(period, timezone), places=places)


def closing_allowance(
    allowance: AllowanceDocument,
    period: Period,
    timezone: str,
    *,
    used: Decimal,
    places: int = 0,
) -> Decimal:
    """What a period includes in the end: a last period that stops before its boundary turns no
    included usage into overage. Never less than `opening_allowance`."""
    opening = opening_allowance(allowance, period, timezone, places=places)
    if not (allowance.prorate and period.ends_early):
        return opening
    return early_end_allowance(prorated=opening, full=allowance.included, used=used)
