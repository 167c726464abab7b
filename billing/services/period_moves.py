"""Moves the ends of periods that are made already, and withdraws those made beyond an end.

Everything here runs inside the caller's transaction, under the locks of the client's row and
of the workspace's, so that no charge comes onto an invoice between being looked at and being
taken back. Rows of money stay as they are: charges on no invoice yet get a `ChargeVoid`, others a
credit line; the allowance of a withdrawn period goes with its period.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import ProtectedError

from agencyportal.core.money import plain
from agencyportal.core.periods import Period
from billing.charge_words import CREDIT, fee_in_words
from billing.lifecycle import FeeLines, FeeRule, fee_due, fee_lines
from billing.models import (
    BillingPeriod,
    Charge,
    ChargeVoid,
    CreditGrant,
    LineKind,
    PeriodMove,
    PlanFee,
    Reservation,
    Subscription,
    SubscriptionChange,
)
from billing.plan_documents import FeeDocument
from billing.proration import share_of
from billing.refusals import RefusedError
from billing.selectors.periods import asking_for, bounds_of, fees_time_of
from billing.terms import opening_allowance
from billing.waterfall import GrantKind
from clients.models import UsageWindow, Workspace
from clients.services import window_ends

from .discounts import settle_moved
from .periods import period_grant, until_of
from .plans import Terms, terms_of

ZERO = Decimal(0)


def fit_periods(
    subscription: Subscription,
    workspace: Workspace,
    change: SubscriptionChange,
    *,
    ends: dt.datetime | None,
    rule: FeeRule,
    keeps_once: bool = False,
) -> list[UsageWindow]:
    """Let the periods that are made fit the subscription's new end, and write down what moved.

    Periods that start at ``ends`` or later are withdrawn; the one around it ends there; the last
    one runs to its boundary again where ``ends`` is later, or None. What time its fees are for
    ends there, too, or at its own boundary, though an earlier period, closed perhaps, asked for
    them. ``rule`` says what becomes of the fees of a time that is shortened or extended; with
    ``keeps_once``, fees asked once stay due even if their period is withdrawn.

    Returns windows that could not be taken back, because something was reserved in them: another
    period has to take them over (`take_over`). Raises RefusedError where a period that would have
    to move is closed.
    """
    left: list[UsageWindow] = []
    agreed = terms_of(subscription.plan_version)
    for period in subscription.periods.order_by("-start"):
        terms = agreed.of(period)
        if ends is not None and period.start >= ends:
            left += withdraw(period, workspace, change, terms, keeps_once=keeps_once)
            continue
        _fit_last(period, workspace, change, terms, ends=ends, rule=rule)
        break
    return left


def _fit_last(
    period: BillingPeriod,
    workspace: Workspace,
    change: SubscriptionChange,
    terms: Terms,
    *,
    ends: dt.datetime | None,
    rule: FeeRule,
) -> None:
    """Let the last period that stays fit the end, and the fees that are asked for its time."""
    asking = asking_for(period)
    fees_end = asking.fees_full_end
    if fees_end is not None and ends is not None:
        fees_end = min(ends, fees_end)
    for each in dict.fromkeys((period, asking)):
        end = each.end
        if each == period:
            end = period.full_end if ends is None else min(ends, period.full_end)
        own = fees_end if each == asking else None
        if (end, own) != (each.end, each.fees_end):
            move(each, workspace, change, terms, end=end, fees_end=own, rule=rule)


def move(
    period: BillingPeriod,
    workspace: Workspace,
    change: SubscriptionChange,
    terms: Terms,
    *,
    end: dt.datetime,
    rule: FeeRule,
    full_end: dt.datetime | None = None,
    fees_end: dt.datetime | None = None,
    fees_full_end: dt.datetime | None = None,
) -> PeriodMove:
    """Let a period end at ``end``: its windows, and its fees by ``rule``.

    ``fees_end``: until when its fees are asked for, where that is not until it ends; they alone
    may move, of a closed period, too. ``full_end`` and ``fees_full_end``: other boundaries than
    there are.
    """
    before, asked_before = bounds_of(period), fees_time_of(period)
    if end != before.end:
        _refuse_closed(period)
    row = PeriodMove.objects.create(
        change=change,
        period=period,
        fees=rule.value,
        end_before=period.end,
        end_after=end,
        full_end_before=period.full_end,
        full_end_after=full_end or period.full_end,
        fees_end_before=period.fees_end,
        fees_end_after=fees_end,
        fees_full_end_before=period.fees_full_end,
        fees_full_end_after=fees_full_end or period.fees_full_end,
    )
    if end != before.end:
        for window in _windows_of(period, terms):
            window_ends.move_end(workspace=workspace, window=window, end=end)
    period.due_at += end - period.end
    period.end, period.full_end = end, full_end or period.full_end
    period.fees_end, period.fees_full_end = fees_end, fees_full_end or period.fees_full_end
    period.save(update_fields=["end", "full_end", "fees_end", "fees_full_end", "due_at"])
    if rule is not FeeRule.KEPT:
        if asked_before is not None:
            _Fees(row, period, terms, rule, asked_before, fees_time_of(period)).write()
        if end > before.end:
            _complete_allowances(row, period, terms)
    settle_moved(row, {period.plan_version_id: terms})
    return row


def _complete_allowances(row: PeriodMove, period: BillingPeriod, terms: Terms) -> None:
    """Give what an extended period includes beyond what was given for fewer days. What a
    shortened one includes too much is taken back when it closes."""
    of_unit: defaultdict[int, Decimal] = defaultdict(Decimal)
    for grant in period.grants.filter(kind=CreditGrant.Kind.ALLOWANCE):
        of_unit[grant.unit_id] += grant.quantity
    more = []
    for allowance in terms.plan.allowances:
        unit = terms.units[allowance.unit]
        planned = opening_allowance(
            allowance, bounds_of(period), period.timezone, places=unit.decimals
        )
        if planned > of_unit[unit.pk]:
            more.append(
                period_grant(
                    period,
                    unit.pk,
                    GrantKind.ALLOWANCE,
                    key=f"allowance-more:{row.pk}:{unit.pk}",
                    quantity=planned - of_unit[unit.pk],
                    now=row.change.made_at,
                )
            )
    CreditGrant.objects.bulk_create(more)


def withdraw(
    period: BillingPeriod,
    workspace: Workspace,
    change: SubscriptionChange,
    terms: Terms,
    *,
    keeps_once: bool,
) -> list[UsageWindow]:
    """Take a period back: windows, fees, and with its state its allowance.

    Returns the windows in which something was reserved; they stay.
    """
    _refuse_closed(period)
    row = PeriodMove.objects.create(
        change=change,
        period=period,
        fees=PeriodMove.Fees.WITHDRAWN,
        end_before=period.end,
        full_end_before=period.full_end,
        fees_end_before=period.fees_end,
        fees_full_end_before=period.fees_full_end,
    )
    left = []
    for window in _windows_of(period, terms):
        try:
            window_ends.withdraw(workspace=workspace, window=window)
        except ProtectedError:
            left.append(window)
    asked = fees_time_of(period)
    if asked is not None:
        _Fees(row, period, terms, FeeRule.WITHDRAWN, asked, None, keeps_once).write()
    settle_moved(row, {period.plan_version_id: terms})
    period.state = BillingPeriod.State.WITHDRAWN
    period.save(update_fields=["state"])
    return left


def take_over(workspace: Workspace, left: Iterable[UsageWindow], bounds: Period | None) -> None:
    """Let windows that had to stay be those of a period ``bounds`` that is about to be made.

    Raises RefusedError for those that it has no use for.
    """
    for window in left:
        if bounds is None or window.start != bounds.start:
            raise RefusedError(
                f"{window.unit.plural} were reserved from {window.start:%Y-%m-%d %H:%M} UTC on, in "
                "a period that would have to be taken back; choose a time after that period began."
            )
        window_ends.move_end(workspace=workspace, window=window, end=bounds.end)


def rehouse_reservations(workspace: Workspace) -> None:
    """Move what is held to the window that its time falls into by now; without one it stays."""
    windows = list(workspace.windows.order_by("pk"))
    by_id = {window.pk: window for window in windows}
    moved: set[int] = set()
    for held in Reservation.objects.open().filter(workspace=workspace).order_by("pk"):
        old = by_id[held.window_id]
        if old.start <= held.reserved_at < old.end:
            continue
        for new in windows:
            if new.unit_id == held.unit_id and new.start <= held.reserved_at < new.end:
                held.window = new
                held.save(update_fields=["window"])
                old.reserved -= held.quantity
                new.reserved += held.quantity
                moved |= {old.pk, new.pk}
                break
    for window_id in sorted(moved):
        by_id[window_id].save(update_fields=["reserved"])


def _windows_of(period: BillingPeriod, terms: Terms) -> list[UsageWindow]:
    return list(
        UsageWindow.objects.filter(
            workspace=period.workspace_id,
            unit__in=[unit.pk for unit in terms.units.values()],
            start=period.start,
        )
        .select_related("unit")
        .order_by("pk")
    )


def _refuse_closed(period: BillingPeriod) -> None:
    if period.state == BillingPeriod.State.CLOSED:
        raise RefusedError(
            f"The period from {period.start:%Y-%m-%d %H:%M} to {period.end:%Y-%m-%d %H:%M} UTC is "
            "closed; choose a time after it."
        )


@dataclass(frozen=True, slots=True)
class _Fees:
    """The fees that one period asked for, for the time ``before``, and what is written about them
    now that they are for ``after``."""

    move: PeriodMove
    period: BillingPeriod
    terms: Terms
    rule: FeeRule
    before: Period
    after: Period | None
    keeps_once: bool = False

    def write(self) -> None:
        """Void what is on no invoice yet, and write what brings the rest to what is due."""
        of_fee = self._charges()
        waiting = self._waiting()
        voids: list[ChargeVoid] = []
        lines: list[Charge] = []
        for fee, row in zip(self.terms.plan.fees, self.terms.fees, strict=True):
            charges = of_fee.get(row.pk, [])
            if not charges or (self.keeps_once and fee.when == "once"):
                continue
            standing = [charge for charge in charges if not hasattr(charge, "void")]
            charged = sum((charge.amount for charge in standing), ZERO)
            due = self._due(fee, charged)
            if due == charged and self.rule is not FeeRule.WITHDRAWN:
                continue
            taken = [charge for charge in standing if charge.pk in waiting]
            voids += (ChargeVoid(charge=charge, move=self.move) for charge in taken)
            invoiced = charged - sum((charge.amount for charge in taken), ZERO)
            written = fee_lines(due=due, rule=self.rule, invoiced=invoiced, voided=bool(taken))
            lines += self._lines(fee, row, written, in_advance=bool(taken))
        ChargeVoid.objects.bulk_create(voids)
        Charge.objects.bulk_create(lines)

    def _charges(self) -> dict[int, list[Charge]]:
        """By fee, every charge of the period that was ever made of it, the first one first."""
        of_fee: defaultdict[int, list[Charge]] = defaultdict(list)
        for charge in self.period.charges.select_related("void").order_by("pk"):
            if "fee" in charge.details:
                of_fee[charge.details["fee"]].append(charge)
        return of_fee

    def _waiting(self) -> set[int]:
        """Charges on no invoice, not even on a draft. With the client locked they stay so."""
        return set(
            self.period.charges.filter(line=None, credit_line=None).values_list("pk", flat=True)
        )

    def _due(self, fee: FeeDocument, charged: Decimal) -> Decimal:
        return fee_due(
            fee,
            self.rule,
            charged=charged,
            before=self.before,
            after=self.after,
            timezone=self.period.timezone,
            currency=self.period.currency,
        )

    def _lines(
        self, fee: FeeDocument, row: PlanFee, lines: FeeLines, *, in_advance: bool
    ) -> Iterator[Charge]:
        """A credit names the fee, a charge the days it is for as well. What takes the place of a
        charge in advance is due when that was; everything else when the period ends."""
        details: dict[str, object] = {
            "fee": row.pk,
            "amount": plain(fee.amount),
            "when": fee.when,
            "move": self.move.pk,
        }
        share, end = None, self.before.start
        if self.after is not None:
            share = share_of(self.after, self.period.timezone)
            end = self.after.end
            details |= {"days": share.days, "full_days": share.full_days}
            details |= until_of(fee, self.after, self.period)
        bill_at = self.before.start if in_advance else end
        for name, kind, amount, description in (
            ("credit", LineKind.CREDIT.value, lines.credit, CREDIT % {"fee": fee.name}),
            ("charge", fee.kind, lines.charge, fee_in_words(fee.name, share)),
        ):
            if amount:
                yield Charge(
                    agency_id=self.period.agency_id,
                    client_id=self.period.client_id,
                    workspace_id=self.period.workspace_id,
                    period=self.period,
                    kind=kind,
                    description=description,
                    amount=amount,
                    currency=self.period.currency,
                    collected_by=fee.collected_by,
                    details=details,
                    bill_at=bill_at,
                    key=f"{name}:{self.move.pk}:{row.pk}",
                    created_at=self.move.change.made_at,
                )
