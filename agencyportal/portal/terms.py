"""A package's terms in plain words: prices, policies, expiry, what counts, when it resets."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from agencyportal.portal.writing import Writing
from billing.durations import Duration
from billing.models import PlanAllowance, PlanVersion, TopUpBand
from billing.overage_documents import OverageDocument, parse_overage
from billing.rating import CostPlus, Graduated, Package, PerUnit, Pricing, Tier, Volume
from clients.models import Meter, UsageUnit


def overage_of(allowance: PlanAllowance) -> OverageDocument:
    """The overage object of a stored allowance, as the cores read it."""
    return parse_overage(
        {"policy": allowance.policy, "pricing": allowance.pricing, **allowance.policy_options}
    )


class TermsInWords:
    """Says what one plan version means to a client, in the client's way of writing."""

    def __init__(self, *, writing: Writing, currency: str, agency: str) -> None:
        self.writing = writing
        self.currency = currency
        self.agency = agency

    def policy(self, allowance: PlanAllowance | None, unit: UsageUnit) -> str:
        """What happens once everything is used up."""
        if allowance is None:
            return self._last_resort(PlanAllowance.Policy.NOTIFY, "")
        overage = overage_of(allowance)
        price = self._price(overage.pricing, unit, allowance.cap_amount)
        if overage.ask is not None:
            return _(
                "Once everything is used up, you are asked whether it goes on: %(price)s. Until "
                "you answer, up to %(up_to)s more are let in at that price; without an answer the "
                "service pauses."
            ) % {"price": price, "up_to": self.writing.quantity(overage.ask.up_to)}
        if (auto := overage.auto_top_up) is None:
            return self._last_resort(overage.policy, price)
        sentences = [
            _("Your package provides that %(band)s is bought when %(left)s or fewer are left")
            % {"band": auto.band, "left": self.writing.quantity(auto.at)}
        ]
        if auto.max_count is not None:
            times = ngettext("at most once", "at most %(count)s times", auto.max_count)
            sentences[0] += ", " + times % {"count": auto.max_count}
        if auto.max_amount is not None:
            sentences[0] += ", " + _("for %(amount)s at most in a period") % {
                "amount": self._money(auto.max_amount)
            }
        return sentences[0] + ". " + self._last_resort(auto.then, price)

    def trial_policy(self) -> str:
        """What happens once everything of a trial is used up, whatever the package says."""
        return _(
            "Once everything is used up, the service pauses until the trial is over or a top-up is "
            "bought. Nothing is charged beyond that."
        )

    def price_beyond(self, allowance: PlanAllowance, unit: UsageUnit) -> str:
        """The price of usage beyond everything, or nothing where it is not charged."""
        overage = overage_of(allowance)
        if not overage.is_charged:
            return ""
        return self._price(overage.pricing, unit, allowance.cap_amount)

    def price_alone(self, allowance: PlanAllowance, unit: UsageUnit) -> str:
        """The price of usage beyond everything, without its cap."""
        return self._price(overage_of(allowance).pricing, unit, None)

    def expiry(self, band: TopUpBand) -> str:
        """How long a band lasts, as a rule."""
        if band.expires == "period_end":
            return _("until the end of the period you buy it in")
        if band.expires == "never":
            return _("as long as you need")
        lasts = Duration.parse(band.expires)
        parts = [
            ngettext("%(n)s month", "%(n)s months", lasts.months) % {"n": lasts.months}
            if lasts.months
            else "",
            ngettext("%(n)s day", "%(n)s days", lasts.days) % {"n": lasts.days}
            if lasts.days
            else "",
            ngettext("%(n)s hour", "%(n)s hours", lasts.seconds // 3600)
            % {"n": lasts.seconds // 3600}
            if lasts.seconds
            else "",
        ]
        return _("for %(time)s from when you buy it") % {
            "time": ", ".join(part for part in parts if part)
        }

    def rhythm(self, version: PlanVersion, anchor: dt.date) -> str:
        """When periods begin: "On the 1st day of each month."."""
        starts_on_first = version.anchor == PlanVersion.Anchor.CALENDAR or anchor.day == 1
        interval = version.period_interval
        if interval == PlanVersion.Interval.MONTH:
            if starts_on_first:
                return _("On the first day of every month.")
            if anchor.day > 28:
                return _("On day %(day)s of every month, or its last day where it is shorter.") % {
                    "day": anchor.day
                }
            return _("On day %(day)s of every month.") % {"day": anchor.day}
        day = self.writing.short_day(anchor)
        if interval == PlanVersion.Interval.QUARTER:
            if version.anchor == PlanVersion.Anchor.CALENDAR:
                return _("On the first day of every calendar quarter.")
            return _("Every three months, counted from %(day)s.") % {"day": day}
        if version.anchor == PlanVersion.Anchor.CALENDAR:
            return _("On the first day of every year.")
        return _("Every year on %(day)s.") % {"day": day}

    def counting(self, unit: UsageUnit, meter: Meter | None) -> Iterator[str]:
        """How usage becomes units, without a word of tokens."""
        names = {"unit": unit.name, "units": unit.plural}
        if meter is not None and meter.aggregation == Meter.Aggregation.UNIQUE:
            yield (
                _(
                    "Each %(unit)s counts once in a period, however many steps, replies or tool "
                    "calls it takes."
                )
                % names
            )
        elif meter is not None and meter.aggregation == Meter.Aggregation.SUM:
            yield (
                _("Each job reports how many %(units)s it handled, and those are added up.") % names
            )
        else:
            yield (
                _("Each %(unit)s counts as one when it happens, whatever it takes inside.") % names
            )
        yield _("What fails is not counted, and neither are retries.")
        if meter is not None and meter.filters:
            yield _("Actions that your package leaves out are not counted.")
        for weight in meter.weights if meter is not None else ():
            yield _("Some actions, such as unusually large ones, count as %(times)s %(units)s.") % {
                **names,
                "times": self.writing.quantity(Decimal(str(weight["multiply"]))),
            }

    def _last_resort(self, policy: str, price: str) -> str:
        if policy == PlanAllowance.Policy.BLOCK:
            return _(
                "Once everything is used up, the service pauses until it resets or a top-up is "
                "bought. Nothing is charged beyond that."
            )
        if policy == PlanAllowance.Policy.BILL:
            return _("Once everything is used up, the service goes on: %(price)s.") % {
                "price": price
            }
        return _(
            "Once everything is used up, the service goes on at no extra charge, and "
            "%(agency)s is told."
        ) % {"agency": self.agency}

    def _price(self, pricing: Pricing | None, unit: UsageUnit, cap: Decimal | None) -> str:
        price = self._uncapped(pricing, unit)
        if cap is None:
            return price
        return _("%(price)s, and never more than %(cap)s in a period") % {
            "price": price,
            "cap": self._money(cap),
        }

    def _uncapped(self, pricing: Pricing | None, unit: UsageUnit) -> str:
        match pricing:
            case PerUnit():
                return _("%(price)s for each further %(unit)s") % {
                    "price": self._rate(pricing.unit_amount),
                    "unit": unit.name,
                }
            case Graduated():
                return ", ".join(self._tiers(pricing.tiers, unit))
            case Volume():
                tiers = ", ".join(self._tiers(pricing.tiers, unit))
                return _("all at one price, by how many it comes to: %(tiers)s") % {"tiers": tiers}
            case Package():
                return _("%(price)s for every %(size)s begun") % {
                    "price": self._money(pricing.package_amount),
                    "size": self.writing.units(pricing.package_size, unit),
                }
            case CostPlus():
                return self._cost_plus(pricing, unit)
        return _("a price that %(agency)s tells you") % {"agency": self.agency}

    def _tiers(self, tiers: tuple[Tier, ...], unit: UsageUnit) -> Iterator[str]:
        for number, tier in enumerate(tiers):
            names = {
                "price": self._rate(tier.unit_amount),
                "count": "" if tier.up_to is None else self.writing.quantity(tier.up_to),
                "units": unit.plural,
            }
            if tier.up_to is None:
                text = _("%(price)s for each one beyond") if number else _("%(price)s for each one")
            elif number == 0:
                text = _("%(price)s each for the first %(count)s %(units)s")
            else:
                text = _("%(price)s each up to %(count)s")
            words = text % names
            if tier.flat_amount:
                words += " " + _("plus %(amount)s once") % {"amount": self._money(tier.flat_amount)}
            yield words

    def _cost_plus(self, pricing: CostPlus, unit: UsageUnit) -> str:
        if pricing.follows_margin_rule:
            return _("what the AI behind it costs, plus %(agency)s's margin") % {
                "agency": self.agency
            }
        words = _("what the AI behind it costs")
        if pricing.margin_percent:
            words += " " + _("plus %(percent)s") % {
                "percent": self.writing.percent(pricing.margin_percent)
            }
        if pricing.surcharge_per_unit:
            words += " " + _("plus %(amount)s for each %(unit)s") % {
                "amount": self._rate(pricing.surcharge_per_unit),
                "unit": unit.name,
            }
        return words

    def _money(self, amount: Decimal) -> str:
        return self.writing.price(amount, self.currency)

    def _rate(self, amount: Decimal) -> str:
        return self.writing.rate(amount, self.currency)
