"""Top-ups that are bought automatically, as a client's pages say it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _

from agencyportal.portal import selectors
from agencyportal.portal.purchases import person
from agencyportal.portal.visits import Visit
from billing.models import (
    AutomaticPurchase,
    AutomaticTopUp,
    AutomaticTopUpEvent,
    AutomaticTopUpMonth,
    BillingPeriod,
    TopUpBand,
    TopUpConsent,
    TopUpOrder,
)
from billing.services.automatic_consent import buys_itself
from billing.services.automatic_standing import first_day_of
from billing.services.automatic_words import NEEDS_CONSENT, why
from clients.models import Client, UsageUnit, Workspace

HISTORY = 20
Key = tuple[int, int]
"""A workspace's id and a unit's."""


@dataclass(frozen=True, slots=True)
class AutomaticRow:
    """How it stands for one unit of one workspace. Texts are finished; ``tone`` is a badge's."""

    workspace: str
    units: str
    url: str
    state: str
    tone: str
    is_on: bool
    is_stopped: bool
    rule: str
    """ "When 200 or fewer are left: Growth 500, by card"; empty where it is off."""
    month: str
    """ "1 of 3 this month, $60.00 of $180.00"; empty where it is off."""
    why: str
    """Why nothing is bought now; empty where nothing stands against it."""


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """Something that happened to it."""

    at: str
    what: str
    more: str


def automatic_top_ups(client: Client) -> QuerySet[AutomaticTopUp]:
    """Those that somebody of a client has ever switched on."""
    return AutomaticTopUp.objects.for_client(client).select_related(
        "workspace", "unit", "client__agency", "consent__band", "consent__given_by"
    )


def rows_by_unit(visit: Visit) -> dict[Key, AutomaticRow]:
    """Those that are not off, by workspace and unit. Two queries."""
    found = automatic_top_ups(visit.client).exclude(state=AutomaticTopUp.State.OFF)
    return {
        (row.workspace_id, row.unit_id): row_of(visit, row.workspace, row.unit, row, months)
        for months in [_months(visit)]
        for row in found
    }


def all_rows(visit: Visit, periods: Iterable[BillingPeriod]) -> list[AutomaticRow]:
    """Every unit that can be bought automatically or is, by workspace; ``periods`` run now."""
    months = _months(visit)
    there = {(row.workspace_id, row.unit_id): row for row in automatic_top_ups(visit.client)}
    running = list(periods)
    on_sale = selectors.bands_on_sale({period.plan_version_id for period in running})
    found: dict[Key, tuple[Workspace, UsageUnit, AutomaticTopUp | None]] = {
        key: (row.workspace, row.unit, row)
        for key, row in there.items()
        if row.state != AutomaticTopUp.State.OFF
    }
    for period in running:
        for band in on_sale.get(period.plan_version_id, ()):
            key = (period.workspace_id, band.unit_id)
            if band.buyer == TopUpBand.Buyer.CLIENT and band.price:
                found.setdefault(key, (period.workspace, band.unit, there.get(key)))
    ordered = sorted(found.values(), key=lambda part: (part[0].name, part[1].plural))
    return [row_of(visit, *parts, months) for parts in ordered]


def row_of(
    visit: Visit,
    workspace: Workspace,
    unit: UsageUnit,
    automatic: AutomaticTopUp | None,
    months: Mapping[int, AutomaticTopUpMonth] | None = None,
) -> AutomaticRow:
    """One of them; ``automatic`` is none where it was never switched on."""
    consent = automatic.consent if automatic is not None else None
    state, tone = _state(automatic)
    known = _months(visit) if months is None else months
    return AutomaticRow(
        workspace=workspace.name,
        units=unit.plural,
        url=reverse("portal:automatic_one", args=[visit.client.pk, workspace.pk, unit.pk]),
        state=state,
        tone=tone,
        is_on=automatic is not None and automatic.state == AutomaticTopUp.State.ON,
        is_stopped=automatic is not None and automatic.state == AutomaticTopUp.State.STOPPED,
        rule="" if consent is None else _rule(visit, consent),
        month=""
        if automatic is None or consent is None
        else _month(visit, consent, known.get(automatic.pk)),
        why="" if automatic is None else _why(visit, automatic),
    )


def may_resume(automatic: AutomaticTopUp | None) -> bool:
    """Whether it goes on with what was agreed to."""
    is_stopped = automatic is not None and automatic.state == AutomaticTopUp.State.STOPPED
    return is_stopped and automatic is not None and automatic.reason not in NEEDS_CONSENT


def resting(period: BillingPeriod | None, unit: UsageUnit) -> str:
    """Why it rests though it is on; empty where it does not."""
    if period is None:
        return _("It rests: no package is running.")
    if period.is_trial:
        return _("It rests during the trial: nothing is bought automatically then.")
    if buys_itself(period, unit):
        return _(
            "It rests: your package buys top-ups by its own rule, so that none is bought twice."
        )
    return ""


def history(visit: Visit, automatic: AutomaticTopUp) -> list[HistoryRow]:
    """What was decided about it and what it set off, the latest first."""
    events = automatic.events.select_related("done_by", "consent__band")[:HISTORY]
    made = automatic.purchases.select_related("band", "order")[:HISTORY]
    rows = [(row.happened_at, _decided(visit, row)) for row in events]
    rows += [(row.made_at, _set_off(visit, row)) for row in made]
    rows.sort(key=lambda row: row[0], reverse=True)
    return [HistoryRow(visit.writing.at(at), *words) for at, words in rows[:HISTORY]]


def waiting_order(automatic: AutomaticTopUp | None) -> TopUpOrder | None:
    """The order that waits for the card's holder, at their bank or here; None where none does."""
    if automatic is None:
        return None
    open_one = automatic.purchases.filter(state=AutomaticPurchase.State.OPEN).first()
    order = open_one.order if open_one is not None else None
    if order is None or order.state != TopUpOrder.State.PENDING or order.intent_id is None:
        return None
    return order


def _months(visit: Visit) -> dict[int, AutomaticTopUpMonth]:
    first = first_day_of(visit.now, visit.client.timezone)
    rows = AutomaticTopUpMonth.objects.for_client(visit.client).filter(first_day=first)
    return {row.automatic_id: row for row in rows}


def _state(automatic: AutomaticTopUp | None) -> tuple[str, str]:
    states = AutomaticTopUp.State
    if automatic is None or automatic.state == states.OFF:
        return _("Off"), "accent"
    if automatic.state == states.STOPPED:
        return _("Stopped"), "bad"
    return (_("Waiting"), "warn") if automatic.reason else (_("On"), "good")


def _rule(visit: Visit, consent: TopUpConsent) -> str:
    by_card = consent.pay == TopUpConsent.Pay.CARD
    return _("When %(left)s or fewer are left: %(band)s, %(pay)s") % {
        "left": visit.writing.quantity(consent.threshold),
        "band": consent.band.name,
        "pay": _("charged to the saved card") if by_card else _("on your next invoice"),
    }


def _month(visit: Visit, consent: TopUpConsent, month: AutomaticTopUpMonth | None) -> str:
    count, amount = (month.count, month.amount) if month is not None else (0, Decimal(0))
    return _("%(count)s of %(most)s this month, %(amount)s of %(at_most)s with tax") % {
        "count": count,
        "most": consent.max_count,
        "amount": visit.writing.price(amount, consent.currency),
        "at_most": visit.writing.price(consent.max_amount, consent.currency),
    }


def _why(visit: Visit, automatic: AutomaticTopUp) -> str:
    words = why(automatic)
    if words and automatic.state == AutomaticTopUp.State.ON and automatic.look_at > visit.now:
        again = visit.writing.at(automatic.look_at)
        words = f"{words} " + _("It is tried again at %(time)s.") % {"time": again}
    return words


def _decided(visit: Visit, event: AutomaticTopUpEvent) -> tuple[str, str]:
    kinds = AutomaticTopUpEvent.Kind
    words = {
        kinds.CONSENTED: _("Terms accepted: %(band)s") % {"band": event.consent.band.name},
        kinds.REPLACED: _("The terms before ended"),
        kinds.SWITCHED_OFF: _("Switched off"),
        kinds.AGENCY_OFF: _("Switched off by %(agency)s") % {"agency": visit.agency.name},
        kinds.STOPPED: _("Stopped"),
        kinds.RESUMED: _("Resumed"),
    }[kinds(event.kind)]
    if event.kind == kinds.STOPPED:
        reason = AutomaticTopUp.Reason(event.reason)
        said = why(AutomaticTopUp(reason=reason, detail=event.detail))
        return words, said
    if event.kind == kinds.AGENCY_OFF:
        return words, event.detail
    return words, person(visit, event.done_by)


def _set_off(visit: Visit, made: AutomaticPurchase) -> tuple[str, str]:
    states = AutomaticPurchase.State
    amount = visit.writing.price(made.gross, made.currency)
    words = {
        states.OPEN: _("%(band)s for %(amount)s: under way"),
        states.BOUGHT: _("%(band)s bought for %(amount)s"),
        states.FAILED: _("%(band)s for %(amount)s: not bought"),
        states.KEPT: _("%(band)s: %(amount)s paid, on your balance"),
    }[states(made.state)] % {"band": made.band.name, "amount": amount}
    left = _("%(left)s were left") % {"left": visit.writing.quantity(made.left)}
    return words, made.failure or left
