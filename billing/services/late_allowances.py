"""The allowance of a closed period that stopped before its boundary, as late usage moves it.

Two things follow what such a period used: at an early end the allowance itself, up to a full one;
under a change of plan the allowance, up to all there was of it, and what the next one gives less
because it was used ahead. Closing settles both by what was used until then, and they go on here.
Nothing is written.
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
LATE_AHEAD: Final = "ahead-late:"


@dataclass(frozen=True, slots=True)
class ShortAllowance:
    """The allowance of one unit in a closed period that stopped early, late usage so far included.

    ``opened``: what there was of it. ``given``: what it came to, without what was taken back.
    ``consumed``: of it. ``revoked``: what people took back. ``taken_ahead``: what was taken back of
    the next allowance, with the grants' periods. ``returned``: what of that came back since.
    """

    period: BillingPeriod
    unit: UsageUnit
    document: AllowanceDocument
    opened: Decimal
    given: Decimal
    consumed: Decimal
    revoked: Decimal
    taken_ahead: Sequence[GrantRevocation] = ()
    returned: Decimal = ZERO

    @property
    def goes_on(self) -> bool:
        """Whether another plan took over, so that what it is given is taken from the next."""
        return self.period.subscription.goes_on

    def growth(self, used: Decimal) -> Decimal:
        """What late usage, by which the period comes to ``used``, adds to the allowance of an early
        end."""
        return late_growth(
            full=self.document.included, revoked=self.revoked, used=used, given=self.given
        )

    def growth_ahead(self, uncovered: Decimal) -> Decimal:
        """What the allowance can still be given out of the next one, where another plan took over:
        what late usage leaves ``uncovered``, up to all there was of it."""
        return max(ZERO, min(uncovered, self.opened - self.revoked - self.given))

    def grown(self, growth: Decimal, number: int, now: dt.datetime) -> CreditGrant:
        """What the period is given beyond its allowance by its settlement ``number``, not saved."""
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


def ahead_keys(period: BillingPeriod) -> tuple[str, str]:
    """How the keys of revocations begin that took back what was used ahead: as the period closed,
    and as late usage settled."""
    return f"ahead:{period.pk}:", f"{LATE_AHEAD}{period.pk}:"


def late_ahead_key(period: BillingPeriod, number: int) -> str:
    """How the keys of revocations begin by which the settlement ``number`` of a unit took from the
    next allowance."""
    return f"{LATE_AHEAD}{period.pk}:{number}:"


def is_cut_short(period: BillingPeriod, document: AllowanceDocument | None) -> bool:
    """Whether the allowance goes by the period's days, and these stop before its boundary."""
    return document is not None and document.prorate and bounds_of(period).ends_early
