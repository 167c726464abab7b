"""The usage page: every unit of every workspace, in figures, words and pictures."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from agencyportal.core.periods import local_date
from agencyportal.portal import charts, selectors
from agencyportal.portal.automatic import AutomaticRow, rows_by_unit
from agencyportal.portal.caps import caps_on, stops_at
from agencyportal.portal.forecast import best_band, is_near
from agencyportal.portal.offers import Offer
from agencyportal.portal.questions import how_it_stands
from agencyportal.portal.resets import resets
from agencyportal.portal.selectors import LabelSum
from agencyportal.portal.terms import TermsInWords
from agencyportal.portal.visits import Visit
from billing.models import PlanAllowance, TopUpBand
from billing.pace import Forecast, forecast
from billing.selectors import Balance, balances
from billing.selectors.caps import CapUse
from billing.waterfall import INCLUDED_KINDS, GrantKind
from clients.models import Workspace

ZERO = Decimal(0)
MOST_LABELS = 8
_MICROSECOND = dt.timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Day:
    """A local day in the table beneath the chart."""

    name: str
    quantity: str
    parts: str
    """Where it came from, where that was not the allowance alone."""


@dataclass(frozen=True, slots=True)
class LabelRow:
    name: str
    quantity: str
    share: str
    bar: SafeString


@dataclass(frozen=True, slots=True)
class Notice:
    """What a client should know before it hurts. ``tone``: ``near`` or ``over``."""

    tone: str
    title: str
    text: str
    offer: Offer | None


@dataclass(frozen=True, slots=True)
class UnitCard:
    """One unit of one workspace, as the page shows it."""

    anchor: str
    name: str
    explained: str
    """Address of the page that says what consumed which credit."""
    period: str
    used: str
    used_of: str
    left: str
    left_units: str
    is_over: bool
    facts: list[tuple[str, str]]
    resets: str
    policy: str
    asking: str
    stops: str
    automatic: AutomaticRow | None
    estimate: str
    meter: SafeString
    meter_words: str
    chart: SafeString
    chart_words: str
    peak: str
    pace: str
    first_day: str
    last_day: str
    has_top_ups: bool
    has_overage: bool
    days: list[Day]
    labels: list[LabelRow]
    trouble: str
    notice: Notice | None
    offers: list[Offer]


@dataclass(frozen=True, slots=True)
class WorkspaceCard:
    name: str
    anchor: str
    package: str
    cards: list[UnitCard]


def workspace_cards(
    visit: Visit, workspaces: Sequence[Workspace], caps: Sequence[CapUse] = ()
) -> list[WorkspaceCard]:
    """The cards of some workspaces. ``caps``: those of the client and its workspaces. The number
    of queries grows with workspaces and units alone."""
    found = {row.pk: balances(workspace=row, now=visit.now) for row in workspaces}
    every = [balance for rows in found.values() for balance in rows]
    versions = {balance.period.plan_version_id for balance in every}
    allowances = selectors.allowances(versions)
    bands = selectors.bands_on_sale(versions)
    held = selectors.units_held([row.pk for row in workspaces], visit.now)
    automatic = rows_by_unit(visit)
    labels = selectors.labels({balance.period.workspace_id: _span(balance) for balance in every})
    result = []
    for workspace in workspaces:
        cards = [
            _Unit(
                visit=visit,
                workspace=workspace,
                balance=balance,
                allowance=allowances.get((balance.period.plan_version_id, balance.unit.pk)),
                bands=[
                    band
                    for band in bands.get(balance.period.plan_version_id, ())
                    if band.unit_id == balance.unit.pk
                ],
                held=held.get((workspace.pk, balance.unit.pk), ZERO),
                labels=labels.get((workspace.pk, balance.unit.pk), []),
                caps=caps_on(caps, workspace, balance.unit),
                automatic=automatic.get((workspace.pk, balance.unit.pk)),
            ).card()
            for balance in found[workspace.pk]
        ]
        package = found[workspace.pk][0].period.plan_version.plan.name if cards else ""
        result.append(WorkspaceCard(workspace.name, workspace.slug, package, cards))
    return result


def notices(cards: Collection[WorkspaceCard]) -> Iterator[tuple[WorkspaceCard, UnitCard, Notice]]:
    """What needs somebody's attention, for the top of the page."""
    for workspace in cards:
        for card in workspace.cards:
            if card.notice is not None:
                yield workspace, card, card.notice


def _span(balance: Balance) -> tuple[dt.date, dt.date]:
    """The first and last local day of a balance's period."""
    period = balance.period
    return (
        local_date(period.start, period.timezone),
        local_date(period.end - _MICROSECOND, period.timezone),
    )


class _Unit:
    """Builds one card: figures in, words and shapes out."""

    def __init__(
        self,
        *,
        visit: Visit,
        workspace: Workspace,
        balance: Balance,
        allowance: PlanAllowance | None,
        bands: Sequence[TopUpBand],
        held: Decimal,
        labels: Sequence[LabelSum],
        caps: Sequence[CapUse],
        automatic: AutomaticRow | None,
    ) -> None:
        self.visit, self.writing = visit, visit.writing
        self.workspace, self.balance, self.unit = workspace, balance, balance.unit
        self.period, self.result = balance.period, balance.result
        self.allowance, self.held, self.labels = allowance, held, labels
        self.caps, self.automatic = caps, automatic
        self.first, self.last = _span(balance)
        self.granted = balance.granted
        self.top_ups = balance.granted_as({GrantKind.TOP_UP})
        self.promotional = balance.promotional
        self.extra = balance.granted_as({GrantKind.ADJUSTMENT})
        self.left = max(balance.remaining - held, ZERO)
        self.offers = [
            Offer.of(visit, workspace=workspace, band=band, period=balance.period) for band in bands
        ]

    def card(self) -> UnitCard:
        writing, unit, balance = self.writing, self.unit, self.balance
        bars = self._bars()
        granted = self.granted
        elapsed = (writing.today - self.first).days + 1
        length = (self.last - self.first).days + 1
        pace = granted / length
        coming = self._forecast()
        return UnitCard(
            anchor=f"{self.workspace.slug}-{unit.slug}",
            name=unit.plural,
            explained=reverse(
                "portal:explained", args=[self.visit.client.pk, self.period.pk, unit.pk]
            ),
            period=writing.span_of_days(self.first, self.last),
            used=writing.quantity(balance.used),
            used_of=writing.units(granted, unit),
            left=writing.quantity(self.left),
            left_units=unit.name if self.left == 1 else unit.plural,
            is_over=balance.overage > 0,
            facts=list(self._facts()),
            resets=resets(self.writing, self.period),
            policy=self._policy(),
            asking=how_it_stands(self.balance.asking(self.visit.now)),
            stops=stops_at(self.visit, self.caps),
            automatic=self.automatic,
            estimate=self._estimate(coming),
            meter=_svg(
                charts.meter(
                    included=self.result.included,
                    top_up=self.result.top_up,
                    beyond=balance.overage,
                    granted=granted,
                    expected=pace * (elapsed - 1),
                )
            ),
            meter_words=self._meter_words(granted),
            chart=_svg(charts.daily_chart(bars, pace=pace, today=elapsed - 1)),
            chart_words=self._chart_words(bars),
            peak=writing.about(max(pace, *(bar.total for bar in bars))),
            pace=writing.about(pace),
            first_day=writing.short_day(self.first),
            last_day=writing.short_day(self.last),
            has_top_ups=any(bar.top_up for bar in bars),
            has_overage=any(bar.beyond for bar in bars),
            days=self._days(bars),
            labels=list(self._labels()),
            trouble=self._trouble(),
            notice=self._notice(coming),
            offers=self.offers,
        )

    def _words(self) -> TermsInWords:
        return TermsInWords(
            writing=self.writing, currency=self.period.currency, agency=self.visit.agency.name
        )

    def _policy(self) -> str:
        words = self._words()
        if self.period.is_trial:
            return words.trial_policy()
        return words.policy(self.allowance, self.unit)

    def _forecast(self) -> Forecast:
        return forecast(
            used=self.balance.used,
            left=self.left,
            start=self.period.start,
            end=self.period.end,
            now=self.visit.now,
        )

    def _facts(self) -> Iterator[tuple[str, str]]:
        quantity = self.writing.quantity
        yield _("Included"), quantity(self.balance.included)
        yield _("Top-ups"), quantity(self.top_ups)
        if self.promotional:
            yield _("Promotional credit"), quantity(self.promotional)
        if self.extra:
            yield _("Extra credit"), quantity(self.extra)
        yield _("Used"), quantity(self.balance.used)
        if self.balance.overage:
            yield _("Beyond"), quantity(self.balance.overage)
        if self.result.expired:
            yield _("Expired"), quantity(self.result.expired)
        if self.held:
            yield _("Held for work in progress"), quantity(self.held)

    def _estimate(self, coming: Forecast) -> str:
        if coming.runs_out_at is None or self.left <= 0:
            return ""
        return _("At this pace it lasts until about %(day)s (an estimate).") % {
            "day": self.writing.on(coming.runs_out_at)
        }

    def _meter_words(self, granted: Decimal) -> str:
        return _("%(used)s of %(granted)s used, %(share)s") % {
            "used": self.writing.quantity(self.balance.used),
            "granted": self.writing.units(granted, self.unit),
            "share": self.writing.share(self.balance.used, granted),
        }

    def _bars(self) -> list[charts.Bar]:
        """A bar for each local day of the period; the frozen or provisional waterfall says what
        each day was taken from."""
        kinds = {outcome.grant.id: outcome.grant.kind for outcome in self.result.grants}
        sums: dict[dt.date, list[Decimal]] = defaultdict(lambda: [ZERO, ZERO, ZERO])
        for taken in self.result.consumption():
            part = 0 if kinds[taken.grant_id] in INCLUDED_KINDS else 1
            sums[local_date(taken.bucket, self.period.timezone)][part] += taken.quantity
        for bucket, quantity in self.result.overage_by_bucket().items():
            sums[local_date(bucket, self.period.timezone)][2] += quantity
        bars = []
        for offset in range((self.last - self.first).days + 1):
            day = self.first + dt.timedelta(days=offset)
            parts = sums.get(day, [ZERO, ZERO, ZERO])
            units = self.writing.units(sum(parts, ZERO), self.unit)
            bars.append(charts.Bar(f"{self.writing.weekday(day)}: {units}", *parts))
        return bars

    def _chart_words(self, bars: Sequence[charts.Bar]) -> str:
        return _("%(unit)s by day: %(used)s so far, at most %(peak)s in one day.") % {
            "unit": self.unit.plural.capitalize(),
            "used": self.writing.quantity(self.balance.used),
            "peak": self.writing.quantity(max((bar.total for bar in bars), default=ZERO)),
        }

    def _days(self, bars: Sequence[charts.Bar]) -> list[Day]:
        """The days until today, the latest first."""
        rows = []
        for offset, bar in enumerate(bars):
            day = self.first + dt.timedelta(days=offset)
            if day > self.writing.today:
                break
            parts = []
            if bar.top_up:
                parts.append(_("%(n)s from top-ups") % {"n": self.writing.quantity(bar.top_up)})
            if bar.beyond:
                parts.append(_("%(n)s beyond") % {"n": self.writing.quantity(bar.beyond)})
            rows.append(
                Day(self.writing.weekday(day), self.writing.quantity(bar.total), ", ".join(parts))
            )
        return rows[::-1]

    def _labels(self) -> Iterator[LabelRow]:
        counted = [row for row in self.labels if row.quantity]
        total = sum((row.quantity for row in counted), ZERO)
        shown, rest = counted[:MOST_LABELS], counted[MOST_LABELS:]
        rows = [(row.label or _("Not labelled"), row.quantity) for row in shown]
        if rest:
            rows.append((_("Everything else"), sum((row.quantity for row in rest), ZERO)))
        for name, quantity in rows:
            yield LabelRow(
                name=name,
                quantity=self.writing.quantity(quantity),
                share=self.writing.share(quantity, total),
                bar=_svg(charts.share_bar(quantity, total)),
            )

    def _trouble(self) -> str:
        """How much of the work behind the units failed or was tried again."""
        events = sum(row.events for row in self.labels)
        errors = sum(row.errors for row in self.labels)
        retries = sum(row.retries for row in self.labels)
        if not errors and not retries:
            return ""
        return _(
            "Behind these figures are %(events)s requests. %(failed)s of them failed, which costs "
            "you no %(units)s, and %(again)s were tried again."
        ) % {
            "events": self.writing.quantity(Decimal(events)),
            "failed": self.writing.fine_share(Decimal(errors), Decimal(events)),
            "again": self.writing.fine_share(Decimal(retries), Decimal(events)),
            "units": self.unit.plural,
        }

    def _notice(self, coming: Forecast) -> Notice | None:
        balance = self.balance
        if self.left > 0 and not is_near(used=balance.used, granted=self.granted):
            return None
        if not balance.used and not self.held:
            return None
        band = best_band(
            [o.band for o in self.offers if o.client_may_buy] or [o.band for o in self.offers],
            coming.short_by,
        )
        offer = next((o for o in self.offers if o.band == band), None)
        where = {"units": self.unit.plural, "workspace": self.workspace.name}
        if self.left > 0:
            title = _("%(workspace)s: %(left)s left") % {
                **where,
                "left": self.writing.units(self.left, self.unit),
            }
            return Notice(
                "near", title, self._estimate(coming) or resets(self.writing, self.period), offer
            )
        title = _("%(workspace)s: all %(units)s are used up") % where
        return Notice("over", title, self._policy(), offer)


def _svg(shapes: str) -> SafeString:
    return mark_safe(shapes)  # noqa: S308 - numbers, class names and escaped titles only
