"""Where a unit's usage went, credit by credit, in a client's words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from agencyportal.portal import charts
from agencyportal.portal.visits import Visit
from billing.models import BillingPeriod
from billing.selectors.explaining import OVERAGE, Explanation, Part, Taken
from billing.waterfall import GrantKind
from clients.models import UsageUnit

ZERO = Decimal(0)
MOST_PARTS = 10


@dataclass(frozen=True, slots=True)
class PartRow:
    """A workflow, or a run, with its share of what one credit gave."""

    name: str
    quantity: str
    share: str
    bar: SafeString


@dataclass(frozen=True, slots=True)
class CreditSection:
    """One credit, or what went beyond them all."""

    anchor: str
    title: str
    note: str
    quantity: str
    labels: list[PartRow]
    models: list[PartRow]
    runs: list[PartRow]
    days: list[tuple[str, str]]


def sections(visit: Visit, explanation: Explanation) -> list[CreditSection]:
    """A section for each credit that was used, in the order of burning."""
    return [
        _section(visit, explanation, taken, number)
        for number, taken in enumerate(explanation.taken, start=1)
    ]


def _section(visit: Visit, explanation: Explanation, taken: Taken, number: int) -> CreditSection:
    writing = visit.writing
    named = [part for part in taken.models if part.name]
    return CreditSection(
        anchor=f"credit-{number}",
        title=_title(taken),
        note=_note(visit, taken),
        quantity=writing.units(taken.quantity, explanation.unit),
        labels=_rows(visit, taken.labels, taken.quantity, unnamed=_("Not labelled")),
        models=_rows(visit, taken.models, taken.quantity, unnamed=_("Not named")) if named else [],
        runs=_rows(visit, taken.runs, taken.quantity),
        days=[(writing.weekday(day), writing.quantity(quantity)) for day, quantity in taken.days],
    )


def _title(taken: Taken) -> str:
    if taken.kind == OVERAGE:
        return _("Beyond your credit")
    names = {
        GrantKind.ALLOWANCE: _("Included in your package"),
        GrantKind.ROLLOVER: _("Rolled over from the period before"),
        GrantKind.ADJUSTMENT: _("Credit that was given to you"),
        GrantKind.PROMOTIONAL: _("Promotional credit"),
        GrantKind.TOP_UP: _("Top-up"),
    }
    purchase = taken.grant.purchase if taken.grant is not None else None
    if purchase is not None:
        return _("Top-up: %(name)s") % {"name": purchase.band.name}
    return names[GrantKind(taken.kind)]


def _note(visit: Visit, taken: Taken) -> str:
    grant, writing = taken.grant, visit.writing
    if grant is None:
        return ""
    if grant.purchase is not None:
        return _("%(units)s, bought on %(day)s") % {
            "units": writing.units(grant.quantity, grant.unit),
            "day": writing.on(grant.purchase.purchased_at),
        }
    if grant.quantity == taken.quantity:
        return grant.reason
    given = _("Of %(units)s") % {"units": writing.units(grant.quantity, grant.unit)}
    return f"{given}. {grant.reason}" if grant.reason else given


def _rows(
    visit: Visit, parts: Iterable[Part], whole: Decimal, *, unnamed: str = ""
) -> list[PartRow]:
    counted = [part for part in parts if part.quantity]
    rows = [(part.name or unnamed, part.quantity) for part in counted[:MOST_PARTS]]
    if rest := sum((part.quantity for part in counted[MOST_PARTS:]), ZERO):
        rows.append((_("Everything else"), rest))
    return [
        PartRow(
            name=name,
            quantity=visit.writing.quantity(quantity),
            share=visit.writing.share(quantity, whole),
            bar=mark_safe(charts.share_bar(quantity, whole)),  # noqa: S308  numbers alone
        )
        for name, quantity in rows
    ]


def links(visit: Visit, pairs: Sequence[tuple[BillingPeriod, UsageUnit]]) -> list[dict[str, str]]:
    """Where each pair is explained, with words for the link."""
    return [
        {
            "url": reverse("portal:explained", args=[visit.client.pk, period.pk, unit.pk]),
            "words": f"{unit.plural.capitalize()}, {period_in_words(visit, period)}",
        }
        for period, unit in pairs
    ]


def period_in_words(visit: Visit, period: BillingPeriod) -> str:
    """ "Mar 1 – 31, 2026"."""
    last = period.end - timedelta(microseconds=1)
    return visit.writing.span_of_days(
        visit.writing.date_of(period.start), visit.writing.date_of(last)
    )
