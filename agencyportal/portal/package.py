"""The package page: what a client has agreed to, in plain words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from agencyportal.portal import selectors
from agencyportal.portal.discounts import DiscountRow, discount_row, is_over
from agencyportal.portal.terms import TermsInWords
from agencyportal.portal.visits import Visit
from billing.models import (
    CollectedBy,
    PlanAllowance,
    PlanDiscount,
    PlanFee,
    Subscription,
    SubscriptionDiscount,
    TopUpBand,
)
from clients.models import Meter, UsageUnit


@dataclass(frozen=True, slots=True)
class FeeRow:
    name: str
    amount: str
    when: str
    note: str


@dataclass(frozen=True, slots=True)
class UnitTerms:
    """What a package says about one unit."""

    name: str
    included: str
    per: str
    rollover: str
    policy: str
    counting: list[str]


@dataclass(frozen=True, slots=True)
class BandRow:
    name: str
    units: str
    price: str
    each: str
    lasts: str
    buyer: str


@dataclass(frozen=True, slots=True)
class PackageSheet:
    """One workspace's package."""

    workspace: str
    name: str
    version: str
    since: str
    resets: str
    next_reset: str
    minimum: str
    trial: str
    fees: list[FeeRow]
    discounts: list[DiscountRow]
    units: list[UnitTerms]
    bands: list[BandRow]


def package_sheets(visit: Visit) -> list[PackageSheet]:
    """The packages that run now or will begin. Queries do not grow with any of them."""
    subscriptions = selectors.subscriptions(visit.client, visit.now)
    versions = {row.plan_version_id for row in subscriptions}
    fees = selectors.fees(versions)
    bands = selectors.bands_on_sale(versions)
    with_package = selectors.plan_discounts(versions)
    agreed = selectors.agreed_discounts([row.pk for row in subscriptions])
    allowances = selectors.allowances(versions)
    units = {row.unit_id for row in allowances.values()}
    units |= {band.unit_id for rows in bands.values() for band in rows}
    meters = selectors.meters(units, visit.now)
    ends = selectors.next_periods([row.pk for row in subscriptions], visit.now)
    next_fees = selectors.next_fees([row.pk for row in subscriptions], visit.now)
    return [
        _Sheet(
            visit,
            subscription,
            fees=fees.get(subscription.plan_version_id, []),
            discounts=[
                *with_package.get(subscription.plan_version_id, []),
                *(row for row in agreed.get(subscription.pk, []) if not is_over(row, visit.now)),
            ],
            bands=bands.get(subscription.plan_version_id, []),
            allowances=[
                row for row in allowances.values() if row.version_id == subscription.plan_version_id
            ],
            meters=meters,
        ).sheet(ends, next_fees)
        for subscription in subscriptions
    ]


class _Sheet:
    def __init__(
        self,
        visit: Visit,
        subscription: Subscription,
        *,
        fees: Sequence[PlanFee],
        discounts: Sequence[PlanDiscount | SubscriptionDiscount],
        bands: Sequence[TopUpBand],
        allowances: Sequence[PlanAllowance],
        meters: dict[int, Meter],
    ) -> None:
        self.visit, self.writing, self.subscription = visit, visit.writing, subscription
        self.version = subscription.plan_version
        self.discounts = discounts
        self.fees, self.bands, self.allowances, self.meters = fees, bands, allowances, meters
        self.currency = subscription.currency
        self.words = TermsInWords(
            writing=visit.writing, currency=subscription.currency, agency=visit.agency.name
        )

    def sheet(
        self, ends: Mapping[int, dt.datetime], next_fees: Mapping[int, dt.datetime]
    ) -> PackageSheet:
        row, writing, version = self.subscription, self.writing, self.version
        minimum = version.minimum_commitment
        end = ends.get(row.pk)
        since = _("Since %(day)s") if row.start <= self.visit.now else _("From %(day)s on")
        return PackageSheet(
            workspace=row.workspace.name,
            name=version.plan.name,
            version=_("Version %(number)s") % {"number": version.number},
            since=since % {"day": writing.on(row.start)},
            resets=self.words.rhythm(version, row.anchor_date),
            next_reset="" if end is None else writing.on(end),
            minimum="" if minimum is None else writing.price(minimum, self.currency),
            trial=self._trial(),
            fees=[self._fee(fee, next_fees.get(row.pk)) for fee in self.fees],
            discounts=[
                discount_row(each, writing, self.currency, fee_interval=version.fee_interval)
                for each in self.discounts
            ],
            units=self._units(),
            bands=[self._band(band) for band in self.bands],
        )

    @property
    def _is_on_trial(self) -> bool:
        until = self.subscription.trial_until
        return until is not None and until > self.visit.now

    def _trial(self) -> str:
        """What a trial in progress or to come means; nothing without one."""
        row, until = self.subscription, self.subscription.trial_until
        if until is None or not self._is_on_trial:
            return ""
        if row.end is not None and row.end <= until and not row.goes_on:
            return _("Trial until %(day)s. Your package ends with it, and no fee is charged.") % {
                "day": self.writing.until(row.end)
            }
        return _(
            "Trial until %(day)s. No fee is charged for it, and it pauses once what is included is "
            "used up; what you pay begins with %(first)s."
        ) % {"day": self.writing.until(until), "first": self.writing.on(until)}

    def _fee(self, fee: PlanFee, next_fees: dt.datetime | None) -> FeeRow:
        once = fee.when == PlanFee.When.ONCE
        intervals = {
            "month": _("Every month, in advance"),
            "quarter": _("Every quarter, in advance"),
            "year": _("Every year, in advance"),
        }
        at_once = _("Once, after the trial") if self._is_on_trial else _("Once, at the start")
        when = at_once if once else intervals[self.version.interval]
        if next_fees is not None and not once:
            when += _("; next on %(day)s") % {"day": self.writing.on(next_fees)}
        note = ""
        if fee.collected_by == CollectedBy.AGENCY:
            note = _("%(agency)s invoices this itself.") % {"agency": self.visit.agency.name}
        return FeeRow(
            name=fee.name,
            amount=self.writing.price(fee.amount, self.currency),
            when=when,
            note=note,
        )

    def _units(self) -> list[UnitTerms]:
        included = {row.unit_id: row for row in self.allowances}
        units = {row.unit_id: row.unit for row in self.allowances}
        units |= {band.unit_id: band.unit for band in self.bands if band.unit_id not in units}
        return [self._unit(unit, included.get(unit.pk)) for unit in units.values()]

    def _per(self) -> str:
        """How often what is included is, where fees have an interval of their own: by its name."""
        own = {"month": _("in each month."), "quarter": _("in each quarter.")}
        return own.get(self.version.allowance_interval, _("in each period."))

    def _unit(self, unit: UsageUnit, allowance: PlanAllowance | None) -> UnitTerms:
        writing = self.writing
        included, rollover = _("None; buy a top-up to use it"), ""
        if allowance is not None:
            included = writing.units(allowance.included, unit)
            rollover = _("What you do not use ends with the period.")
            if allowance.rollover_max:
                rollover = _(
                    "Up to %(units)s that you do not use carry over into the next one."
                ) % {"units": writing.units(allowance.rollover_max, unit)}
        return UnitTerms(
            name=unit.plural,
            included=included,
            per=self._per() if allowance is not None else "",
            rollover=rollover,
            policy=self.words.policy(allowance, unit),
            counting=list(self.words.counting(unit, self.meters.get(unit.pk))),
        )

    def _band(self, band: TopUpBand) -> BandRow:
        return BandRow(
            name=band.name,
            units=self.writing.units(band.quantity, band.unit),
            price=self.writing.price(band.price, self.currency),
            each=self.writing.average(band.price, band.quantity, self.currency),
            lasts=self.words.expiry(band),
            buyer=_("You")
            if band.buyer == TopUpBand.Buyer.CLIENT
            else _("%(agency)s, for you") % {"agency": self.visit.agency.name},
        )
