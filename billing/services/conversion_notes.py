"""What a document says about exchange rates, where costs on it were converted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Final

from django.utils.translation import gettext as _

from agencyportal.core.documents import Span
from agencyportal.core.formats import Formats
from agencyportal.core.periods import local_date
from billing.models import BillingPeriod, InvoiceLine
from clients.conversions import UsedRate, rates_used

LISTED: Final = 6
"""More rates than this are told by the lowest and the highest."""


class Conversions:
    """The rates behind prices that follow costs, on several invoices: read at once."""

    def __init__(self, lines: Iterable[InvoiceLine]) -> None:
        periods = {line.charge.period for line in lines if _follows_cost(line)}
        self._used = _used_in(list(periods))

    def notes(self, lines: Iterable[InvoiceLine], formats: Formats, zone: str) -> list[str]:
        """The sentences for the invoice with these lines, in the language that is active."""
        periods = {line.charge.period for line in lines if _follows_cost(line)}
        used = [rate for period in periods for rate in self._used if _is_of(rate, period)]
        return conversion_notes(used, formats, zone)


def conversion_notes(used: Iterable[UsedRate], formats: Formats, zone: str) -> list[str]:
    """A sentence for each currency that costs were converted from. Days are those of ``zone``."""
    by_base = groupby(sorted(used, key=lambda rate: rate.base), key=lambda rate: rate.base)
    return [_sentence(base, _spans(rates, zone), formats) for base, rates in by_base]


def _follows_cost(line: InvoiceLine) -> bool:
    return "cost" in line.charge.details


def _used_in(periods: Sequence[BillingPeriod]) -> list[UsedRate]:
    if not periods:
        return []
    return rates_used(
        workspace_ids={period.workspace_id for period in periods},
        start=min(period.start for period in periods),
        end=max(period.end for period in periods),
    )


def _is_of(rate: UsedRate, period: BillingPeriod) -> bool:
    return (
        rate.workspace_id == period.workspace_id
        and rate.first < period.end
        and rate.last >= period.start
    )


def _spans(rates: Iterable[UsedRate], zone: str) -> dict[Decimal, Span]:
    """From the first to the last day on which each rate was used."""
    times: dict[Decimal, tuple[dt.datetime, dt.datetime]] = {}
    for used in rates:
        first, last = times.get(used.rate, (used.first, used.last))
        times[used.rate] = min(first, used.first), max(last, used.last)
    return {
        rate: Span(first=local_date(first, zone), last=local_date(last, zone))
        for rate, (first, last) in sorted(times.items(), key=lambda item: item[1])
    }


def _sentence(base: str, spans: dict[Decimal, Span], formats: Formats) -> str:
    def worth(rate: Decimal) -> str:
        return f"1 {base} = {formats.quantity(rate)} {formats.currency}"

    if len(spans) == 1:
        return _("Costs in %(base)s were converted at %(rates)s.") % {
            "base": base,
            "rates": worth(next(iter(spans))),
        }
    if len(spans) > LISTED:
        return _("Costs in %(base)s were converted at rates from %(low)s to %(high)s.") % {
            "base": base,
            "low": worth(min(spans)),
            "high": worth(max(spans)),
        }
    listed = [f"{worth(rate)} ({formats.span(span)})" for rate, span in spans.items()]
    return _("Costs in %(base)s were converted at %(rates)s.") % {
        "base": base,
        "rates": formats.listed(listed),
    }
