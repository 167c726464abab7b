"""Parts of periods: fees by local days, allowances rounded up to whole units (ENGINE 4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from agencyportal.core.money import exact_arithmetic, round_money, scaled, unscaled
from agencyportal.core.periods import Period, days_touched, local_date, local_day_start

QUANTITY_PLACES: Final = 6


@dataclass(frozen=True, slots=True)
class Share:
    """``days`` of the ``full_days`` of a whole period; both count local days touched."""

    days: int
    full_days: int

    def __post_init__(self) -> None:
        if not 0 <= self.days <= self.full_days or self.full_days < 1:
            raise ValueError(f"{self.days} of {self.full_days} days is not a part of a period")

    @property
    def is_whole(self) -> bool:
        return self.days == self.full_days

    def rest(self) -> Share:
        """The other days."""
        return Share(self.full_days - self.days, self.full_days)


@dataclass(frozen=True, slots=True)
class FeeChange:
    """The two lines of a plan change or an early end; ``credit`` is zero or negative."""

    credit: Decimal
    charge: Decimal


def share_of(period: Period, timezone: ZoneInfo | str) -> Share:
    """The part of its full interval that a period covers."""
    return share_between(period, period.start, period.end, timezone)


def share_between(
    period: Period, start: datetime, end: datetime, timezone: ZoneInfo | str
) -> Share:
    """The part of a period's full interval that the days touched by ``[start, end)`` make up."""
    return Share(
        days_touched(start, end, timezone),
        days_touched(period.full_start, period.full_end, timezone),
    )


def shares_at_change(
    period: Period, changed_at: datetime, timezone: ZoneInfo | str
) -> tuple[Share, Share]:
    """The shares of the old and of the new plan: the day of the change belongs to the new one."""
    first_new = max(period.start, local_day_start(local_date(changed_at, timezone), timezone))
    return (
        share_between(period, period.start, first_new, timezone),
        share_between(period, first_new, period.end, timezone),
    )


def prorated_amount(amount: Decimal, share: Share, currency: str) -> Decimal:
    """``amount`` x days / full days, rounded half up to the currency's digits."""
    if share.is_whole:
        return round_money(amount, currency)
    with exact_arithmetic():
        return round_money(amount * share.days / share.full_days, currency)


def prorated_allowance(included: Decimal, share: Share, *, places: int = 0) -> Decimal:
    """``included`` x days / full days, rounded up to a whole unit or the unit's own ``places``.

    Never more than ``included``, which may itself be finer than the unit.
    """
    if share.is_whole:
        return included
    grain = 10 ** (QUANTITY_PLACES - places)
    units = scaled(included, QUANTITY_PLACES)
    part = -(-units * share.days // (share.full_days * grain)) * grain
    return unscaled(min(units, part), QUANTITY_PLACES)


def early_end_allowance(*, prorated: Decimal, full: Decimal, used: Decimal) -> Decimal:
    """The allowance of a last, partial period: an early end turns no included usage into overage.

    ``full``: the allowance of a full period. ``used``: units used in this one.
    """
    return max(prorated, min(full, used))


def late_growth(*, full: Decimal, revoked: Decimal, used: Decimal, given: Decimal) -> Decimal:
    """What late usage adds to the allowance of a last, partial period, of which ``given`` is there:
    up to what is used by then, and up to a full one less what was ``revoked``."""
    return max(Decimal(0), min(max(Decimal(0), full - revoked), used) - given)


def changed_allowance(
    *,
    old_included: Decimal,
    old_share: Share,
    old_used: Decimal,
    new_included: Decimal,
    new_share: Share,
    places: int = 0,
) -> Decimal:
    """The allowance under a new plan for the rest of a period.

    Its prorated share less what was used of the old allowance beyond the old share; at least 0.
    ``old_used``: units consumed from the old allowance. Worked example in ENGINE 4: 1,000 ->
    5,000 on day 16 of 31 with 900 used leaves 2,581 - (900 - 484) = 2,165.
    """
    old = prorated_allowance(old_included, old_share, places=places)
    new = prorated_allowance(new_included, new_share, places=places)
    ahead = max(Decimal(0), old_used - old)
    return max(Decimal(0), new - ahead)


def changed_fee(
    *,
    charged: Decimal,
    old_amount: Decimal,
    new_amount: Decimal,
    new_share: Share,
    currency: str,
) -> FeeChange:
    """Credit the old fee and charge the new one for the days of the new plan.

    ``charged``: what was charged for the period under the old plan, the most that is credited.
    """
    unused = prorated_amount(old_amount, new_share, currency)
    return FeeChange(
        credit=-min(charged, unused), charge=prorated_amount(new_amount, new_share, currency)
    )


def early_end_fee(*, charged: Decimal, amount: Decimal, share: Share, currency: str) -> FeeChange:
    """Credit what was charged in advance and charge the days that were touched.

    The two lines add up to the one prorated line of a subscription whose end was known before.
    """
    return FeeChange(credit=-charged, charge=min(charged, prorated_amount(amount, share, currency)))
