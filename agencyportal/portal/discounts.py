"""Discounts of a package, and those agreed beside it, in plain words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from agencyportal.portal.writing import Writing
from billing.models import DiscountScope, PlanDiscount, SubscriptionDiscount


@dataclass(frozen=True, slots=True)
class DiscountRow:
    """``off``: how much, as "10%"; ``words``: off what, and how long."""

    name: str
    off: str
    words: str


_OFF_WHAT: dict[str, Callable[[], str]] = {
    DiscountScope.FEES: lambda: _("off the fees of each period"),
    DiscountScope.ONCE: lambda: _("off what is asked once"),
    DiscountScope.OVERAGE: lambda: _("off usage beyond what is included"),
    DiscountScope.ALL: lambda: _("off the fees and usage beyond what is included, in each period"),
}


_OFF_FEES: dict[str, Callable[[], str]] = {
    "quarter": lambda: _("off the fees of each quarter"),
    "year": lambda: _("off the fees of each year"),
}
_IN_FIRST: dict[str, Callable[[int], str]] = {
    "": lambda n: ngettext("in the first period", "in the first %(count)s periods", n),
    "quarter": lambda n: ngettext("in the first quarter", "in the first %(count)s quarters", n),
    "year": lambda n: ngettext("in the first year", "in the first %(count)s years", n),
}


def discount_row(
    row: PlanDiscount | SubscriptionDiscount,
    writing: Writing,
    currency: str,
    *,
    fee_interval: str = "",
) -> DiscountRow:
    """A discount as the package's page says it. ``fee_interval``: where it is longer than a
    period, what a discount on fees goes by."""
    amount = row.amount or Decimal(0)
    off = writing.price(amount, currency) if row.percent is None else writing.percent(row.percent)
    interval = fee_interval if row.on == DiscountScope.FEES else ""
    off_what = _OFF_FEES.get(interval, _OFF_WHAT[row.on])
    words = [off_what(), *_lasting(row, writing, interval)]
    return DiscountRow(name=row.name, off=off, words=", ".join(words))


def _lasting(
    row: PlanDiscount | SubscriptionDiscount, writing: Writing, interval: str
) -> list[str]:
    words = []
    if row.periods is not None:
        words.append(_IN_FIRST[interval](row.periods) % {"count": row.periods})
    if isinstance(row, SubscriptionDiscount):
        words.append(_("from %(day)s on") % {"day": writing.on(row.effective_at)})
        if row.expires_at is not None:
            words.append(
                _("in periods that start before %(day)s") % {"day": writing.on(row.expires_at)}
            )
    return words


def is_over(row: SubscriptionDiscount, now: dt.datetime) -> bool:
    """Whether a discount holds in no period any more."""
    return row.expires_at is not None and row.expires_at <= max(now, row.effective_at)
