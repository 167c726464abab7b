"""What a payout's statement says, gathered from rows when the payout is built (and proved)."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any, cast

from django.db.models import Sum
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agencyportal.core.formats import Formats
from agencyportal.core.money import round_money
from agencyportal.core.periods import local_date
from billing.charge_words import in_words
from billing.documents.invoice_view import KINDS
from billing.models import BillingPeriod, CollectedBy, InvoiceLine, PeriodUsage
from billing.services.conversion_notes import conversion_notes
from billing.services.invoice_snapshot import brand_of, locale_of, party_of
from clients.conversions import rates_used
from clients.models import Client, Platform, UsageUnit, Workspace
from payouts.documents.statement_snapshot import (
    AdjustmentKind,
    AdjustmentLine,
    ClientEarnings,
    CollectedByAgency,
    EarningLine,
    PaidInvoice,
    StatementSnapshot,
    StatementTotals,
    WorkspaceEarnings,
)
from payouts.facts import facts_of
from payouts.models import Earning, Payout
from payouts.statement import ONE_BY_ONE, EarningKind, Share, Source, breakdown

ZERO = Decimal(0)

MOVEMENTS: dict[str, Promise] = {
    "payment": gettext_lazy("Payment"),
    "reversal": gettext_lazy("Payment returned"),
    "credit_note": gettext_lazy("Credit note"),
    "dispute_opened": gettext_lazy("Dispute opened"),
    "dispute_won": gettext_lazy("Dispute won"),
    "dispute_lost": gettext_lazy("Dispute lost"),
}
"""What happened to an invoice, by the kind of its movement."""


def statement_snapshot(
    payout: Payout, earnings: Sequence[Earning], *, account_hint: str, issue_date: dt.date
) -> StatementSnapshot:
    """The statement of a payout whose figures and number are set, from its earnings.

    ``earnings`` come with invoice line, payment and invoice. Reads names and addresses as they
    stand, and words them in the agency's language: what it returns is stored and never gathered
    again. Raises SnapshotError when the figures do not tie out.
    """
    with translation.override(payout.agency.language):
        return _snapshot(payout, earnings, account_hint=account_hint, issue_date=issue_date)


def _snapshot(
    payout: Payout, earnings: Sequence[Earning], *, account_hint: str, issue_date: dt.date
) -> StatementSnapshot:
    agency = payout.agency
    shares = list(breakdown(facts_of(earnings)).values())
    return StatementSnapshot(
        number=payout.number,
        issue_date=issue_date,
        month=payout.month,
        timezone=agency.timezone,
        currency=payout.currency,
        state="draft",
        agency=party_of(agency),
        brand=brand_of(agency),
        payer=party_of(the_platform()),
        totals=_totals(payout, shares),
        payout_account=account_hint,
        clients=_clients(shares, _used_in(earnings), payout.currency),
        adjustments=_adjustments(earnings, agency.timezone),
        invoices=_invoices(earnings, agency.timezone),
        collected_by_agency=_collected(payout),
        notes=_conversions(payout, earnings),
        locale=locale_of(agency),
    )


def the_platform() -> Platform:
    """The operator, who pays. Raises RuntimeError while nobody has said who that is."""
    platform = Platform.objects.first()
    if platform is None:
        raise RuntimeError(
            "There is no platform row, so statements have no payer. "
            "Add the operator's name and address (Platform) first."
        )
    return platform


def _totals(payout: Payout, shares: Sequence[Share]) -> StatementTotals:
    revenue = {
        source: sum((s.revenue for s in shares if s.place.source is source), ZERO)
        for source in Source
    }
    amounts = {
        "opening": payout.opening,
        "usage_revenue": revenue[Source.USAGE],
        "fee_revenue": revenue[Source.FEE],
        "routed_cost": -payout.routed_cost,
        "platform_fees": -payout.platform_fee,
        "refunds": payout.refunds,
        "disputes": payout.disputes,
        "reserve": payout.reserve,
        "adjustments": payout.adjustments,
        "paid_out": payout.amount,
        "closing": payout.closing,
    }
    # With the currency's digits, which the stored four places exceed.
    return StatementTotals(**{k: round_money(v, payout.currency) for k, v in amounts.items()})


# --- By client, workspace and unit -------------------------------------------------------------


def _conversions(payout: Payout, earnings: Sequence[Earning]) -> tuple[str, ...]:
    """The exchange rates behind routed costs of this statement, if there are any."""
    ids = {e.period_id for e in earnings if e.kind == EarningKind.ROUTED_COST and e.period_id}
    periods = BillingPeriod.objects.filter(pk__in=ids).values_list("workspace_id", "start", "end")
    if not periods:
        return ()
    workspaces, starts, ends = zip(*periods, strict=True)
    used = rates_used(workspace_ids=set(workspaces), start=min(starts), end=max(ends))
    formats = Formats(locale_of(payout.agency), payout.currency)
    return tuple(conversion_notes(used, formats, payout.agency.timezone))


def _used_in(earnings: Sequence[Earning]) -> dict[tuple[int, int], Decimal]:
    """Units used, by workspace and unit, in the periods whose routed cost is on the statement."""
    periods = {e.period_id for e in earnings if e.kind == EarningKind.ROUTED_COST}
    rows = (
        PeriodUsage.objects.filter(period__in=periods)
        .values_list("period__workspace_id", "unit_id")
        .annotate(units=Sum("used"))
    )
    return {(workspace, unit): units for workspace, unit, units in rows}


def _clients(
    shares: Sequence[Share], used: dict[tuple[int, int], Decimal], currency: str
) -> tuple[ClientEarnings, ...]:
    clients = Client.objects.in_bulk({s.place.client for s in shares if s.place.client})
    spaces = Workspace.objects.in_bulk({s.place.workspace for s in shares if s.place.workspace})
    units = UsageUnit.objects.in_bulk({s.place.unit for s in shares if s.place.unit})

    def order(share: Share) -> Any:
        client = clients.get(share.place.client or 0)
        space = spaces.get(share.place.workspace or 0)
        return (
            (client.name, client.pk) if client else ("", 0),
            (space.name, space.pk) if space else ("", 0),
            share.place.source is Source.FEE,
            _description(share, units),
            share.place.unit or 0,
        )

    made = []
    for client_id, of_client in groupby(sorted(shares, key=order), lambda s: s.place.client):
        workspaces = []
        for space_id, of_space in groupby(of_client, lambda s: s.place.workspace):
            space = spaces.get(space_id or 0)
            workspaces.append(
                WorkspaceEarnings(
                    name=space.name if space else "",
                    slug=space.slug if space else "",
                    lines=tuple(_line(share, units, used, currency) for share in of_space),
                )
            )
        client = clients.get(client_id or 0)
        made.append(
            ClientEarnings(name=client.name if client else "", workspaces=tuple(workspaces))
        )
    return tuple(made)


def _description(share: Share, units: dict[int, UsageUnit]) -> str:
    place = share.place
    if place.source is Source.USAGE and place.unit:
        return units[place.unit].plural
    return str(KINDS[place.kind]) if place.kind else _("Usage")


def _line(
    share: Share,
    units: dict[int, UsageUnit],
    used: dict[tuple[int, int], Decimal],
    currency: str,
) -> EarningLine:
    place = share.place
    is_usage = place.source is Source.USAGE
    return EarningLine(
        description=_description(share, units),
        source="usage" if is_usage else "fee",
        revenue=round_money(share.revenue, currency),
        routed_cost=round_money(share.routed_cost, currency),
        platform_fee=round_money(share.platform_fee, currency),
        net=round_money(share.net, currency),
        quantity=used.get((place.workspace or 0, place.unit or 0)) if is_usage else None,
    )


# --- One by one --------------------------------------------------------------------------------


def _adjustments(earnings: Iterable[Earning], timezone: str) -> tuple[AdjustmentLine, ...]:
    """Refunds, disputes, reserves and adjustments, each of its cause in one line."""
    by_cause: dict[tuple[Any, ...], list[Earning]] = {}
    for earning in earnings:
        if EarningKind(earning.kind) in ONE_BY_ONE:
            by_cause.setdefault(_cause_of(earning), []).append(earning)
    lines = []
    for rows in by_cause.values():
        amount = sum((row.amount for row in rows), ZERO)
        if not amount and rows[0].kind != EarningKind.ADJUSTMENT:
            continue
        first = rows[0]
        lines.append(
            AdjustmentLine(
                kind=cast(AdjustmentKind, first.kind),
                description=_words_of(first),
                happened_on=local_date(first.occurred_at, timezone),
                amount=round_money(amount, first.currency),
                client=first.client.name if first.client else "",
            )
        )
    return tuple(lines)


def _cause_of(earning: Earning) -> tuple[Any, ...]:
    """What earnings of one line have in common."""
    if earning.movement_id is not None:
        return "movement", earning.movement_id
    if earning.credit_line is not None:
        return "credit note", earning.credit_line.credit_note_id
    return "earning", earning.pk


def _words_of(earning: Earning) -> str:
    movement, line = earning.movement, earning.credit_line
    if line is not None:
        return _("Credit note %(number)s") % {"number": line.credit_note.number}
    if movement is None:
        return earning.description
    what = str(MOVEMENTS[movement.kind])
    if movement.credit_note is not None:
        what = f"{what} {movement.credit_note.number}"
    return _("%(what)s, invoice %(number)s") % {"what": what, "number": movement.invoice.number}


def _invoices(earnings: Iterable[Earning], timezone: str) -> tuple[PaidInvoice, ...]:
    """Each payment with what it brought, in the order in which money came in."""
    brought: dict[int, Decimal] = defaultdict(Decimal)
    payments = {}
    for earning in earnings:
        if earning.kind == EarningKind.REVENUE and earning.payment is not None:
            brought[earning.payment.pk] += earning.amount
            payments[earning.payment.pk] = earning.payment
    return tuple(
        PaidInvoice(
            number=payment.invoice.number or "",
            client=payment.invoice.client.name,
            paid_on=local_date(payment.received_at, timezone),
            net=round_money(brought[payment.pk], payment.currency),
            partial=payment.amount < payment.invoice.total,
        )
        for payment in sorted(payments.values(), key=lambda p: (p.received_at, p.pk))
    )


def _collected(payout: Payout) -> tuple[CollectedByAgency, ...]:
    """Fees on invoices issued in the month that the agency collects itself."""
    lines = (
        InvoiceLine.objects.filter(
            invoice__agency_id=payout.agency_id,
            invoice__issued_at__gte=payout.month_start,
            invoice__issued_at__lt=payout.month_end,
            collected_by=CollectedBy.AGENCY,
            currency=payout.currency,
        )
        .select_related("invoice__client", "workspace")
        .order_by("invoice__number", "position")
    )
    formats = Formats(locale_of(payout.agency), payout.currency)
    return tuple(
        CollectedByAgency(
            client=line.invoice.client.name,
            description=in_words(line.description, formats),
            amount=round_money(line.net, line.currency),
            workspace=line.workspace.name,
            invoice=line.invoice.number or "",
        )
        for line in lines
    )
