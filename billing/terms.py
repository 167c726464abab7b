"""What a plan's terms come to in one period: fees, allowances and the minimum (ENGINE 4).

Pure: documents and periods in, exact amounts and quantities out. Closing and the simulator read
the terms here, so that a forecast and a bill cannot differ.
"""

from __future__ import annotations

from decimal import Decimal

from agencyportal.core.money import round_money
from agencyportal.core.periods import Period

from .plan_documents import AllowanceDocument, FeeDocument
from .proration import (
    early_end_allowance,
    prorated_allowance,
    prorated_amount,
    share_of,
)


def fee_amount(fee: FeeDocument, period: Period, timezone: str, currency: str) -> Decimal:
    """What a fee costs in a period, prorated unless it is asked once or says otherwise."""
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
