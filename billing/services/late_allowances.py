"""The allowance of a closed period that stopped before its boundary, as late usage moves it.

Two things follow what such a period used: at an early end the allowance itself, up to a full one;
under a change of plan what the next allowance gives less, because it was used ahead. Closing
settles both by what was used until then, and they go on here. Nothing is written.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from billing.models import BillingPeriod, CreditGrant, GrantRevocation
from billing.plan_documents import AllowanceDocument
from billing.proration import late_growth
from billing.selectors.periods import bounds_of
from billing.terms import opening_allowance
from billing.waterfall import GrantKind
from clients.models import UsageUnit

from .periods import period_grant

ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class ShortAllowance:
    """The allowance of one unit in a closed period that stopped early, late usage so far included.

    ``given``: what it came to, without what was taken back. ``consumed``: of it. ``revoked``: what
    people took back. ``taken_ahead``: what closing took back of the next allowance, with the
    grants' periods. ``returned``: what of that came back since.
    """

    period: BillingPeriod
    unit: UsageUnit
    document: AllowanceDocument
    given: Decimal
    consumed: Decimal
    revoked: Decimal
    taken_ahead: Sequence[GrantRevocation] = ()
    returned: Decimal = ZERO

    def grown(self, used: Decimal, number: int, now: dt.datetime) -> CreditGrant | None:
        """What the period is given beyond its allowance, not saved yet, once late usage has
        brought it to ``used``, by its settlement ``number``; None where that is nothing. Where
        another plan took over, the next allowance was given in its place."""
        if self.period.subscription.goes_on:
            return None
        growth = late_growth(
            full=self.document.included, revoked=self.revoked, used=used, given=self.given
        )
        if not growth:
            return None
        key = f"{grown_key(self.period, self.unit)}{number}"
        return period_grant(
            self.period, self.unit.pk, GrantKind.ALLOWANCE, key=key, quantity=growth, now=now
        )

    def ahead(self) -> Ahead | None:
        """What it is ahead of its days, where the next allowance gives less for it."""
        after = self.taken_ahead[0].grant.period if self.taken_ahead else None
        if after is None:
            return None
        planned = opening_allowance(
            self.document,
            bounds_of(self.period),
            self.period.timezone,
            places=self.unit.decimals,
        )
        taken = sum((row.quantity for row in self.taken_ahead), ZERO) - self.returned
        ahead = max(ZERO, self.consumed - max(ZERO, planned - self.revoked))
        return Ahead(taken=taken, beyond=max(ZERO, ahead - taken), until=after.end)


@dataclass(frozen=True, slots=True)
class Ahead:
    """What a period used of its allowance ahead of its days, where another plan took over.

    ``taken``: what the next allowance gives less for it. ``beyond``: what that was too small to
    give less. ``until``: the end of the next period.
    """

    taken: Decimal
    beyond: Decimal
    until: dt.datetime

    def owed(self, freed: Decimal) -> Decimal:
        """What the next allowance gave too little, once ``freed`` was not used after all."""
        return max(ZERO, min(freed - self.beyond, self.taken))

    def without(self, freed: Decimal) -> Ahead:
        """What is left of it then."""
        owed = self.owed(freed)
        return replace(self, taken=self.taken - owed, beyond=max(ZERO, self.beyond - freed))


def grown_key(period: BillingPeriod, unit: UsageUnit) -> str:
    """How the keys of grants begin by which late usage made a period's allowance grow."""
    return f"allowance-late:{period.pk}:{unit.pk}:"


def ahead_key(period: BillingPeriod) -> str:
    """How the keys of revocations begin by which closing took back what was used ahead."""
    return f"ahead:{period.pk}:"


def is_cut_short(period: BillingPeriod, document: AllowanceDocument | None) -> bool:
    """Whether the allowance goes by the period's days, and these stop before its boundary."""
    return document is not None and document.prorate and bounds_of(period).ends_early
