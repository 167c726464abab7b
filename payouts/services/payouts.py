"""Makes up payouts: every agency, currency and finished month, in order, once.

Lock order: agency, then the number series. Whoever builds holds the agency's row, so two builders
take turns, and the second finds the payout there. Earnings that are posted meanwhile are not seen
and go into the next payout.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable
from decimal import Decimal

from django.db import transaction
from django.db.models import Min

from agencyportal.core.locks import lock_row
from agencyportal.core.periods import local_date
from billing.services.series import take_number
from clients.models import Agency
from payouts.facts import facts_of
from payouts.models import (
    CarriedOver,
    Earning,
    Payout,
    PayoutItem,
    PayoutTerms,
    StatementDocument,
)
from payouts.months import Month
from payouts.services.bank_accounts import account_of
from payouts.services.reserves import reserve_for, write_reserve
from payouts.services.statement_mail import queue_statement_mail
from payouts.services.statements import statement_snapshot, the_platform
from payouts.statement import Figures, figures

_logger = logging.getLogger(__name__)

ZERO = Decimal(0)


class PayoutsNotBuiltError(Exception):
    """Some agencies' payouts could not be built; all others were. ``failures`` says which."""

    def __init__(self, built: list[Payout], failures: list[str]) -> None:
        super().__init__("; ".join(failures))
        self.built = built
        self.failures = failures


def build_payouts(*, now: dt.datetime, agency: Agency | None = None) -> list[Payout]:
    """Build every payout whose day has come by ``now``; returns the new ones, oldest first.

    Months are built in order, each with what the one before carried forward. A month without
    earnings and without anything carried into it has no payout. What cannot be built holds up no
    other agency: PayoutsNotBuiltError is raised when the others are done. One transaction per
    payout.
    """
    built: list[Payout] = []
    failures = []
    for agency_id, currency in sorted(_candidates(agency)):
        try:
            while payout := build_next_payout(agency_id=agency_id, currency=currency, now=now):
                built.append(payout)
        except Exception as error:
            _logger.exception("payout of agency %s in %s was not built", agency_id, currency)
            failures.append(f"agency {agency_id} in {currency}: {error}")
    if failures:
        raise PayoutsNotBuiltError(built, failures)
    return built


def _candidates(agency: Agency | None) -> set[tuple[int, str]]:
    """Agencies and currencies with earnings in no payout yet, or with something carried."""
    earnings = Earning.objects.unpaid()
    payouts = Payout.objects.exclude(closing=ZERO) | Payout.objects.to_carry_over()
    if agency is not None:
        earnings, payouts = earnings.for_agency(agency), payouts.for_agency(agency)
    pairs: set[tuple[int, str]] = set()
    for rows in (earnings, payouts):
        pairs.update(rows.order_by().values_list("agency_id", "currency").distinct())
    return pairs


def build_next_payout(*, agency_id: int, currency: str, now: dt.datetime) -> Payout | None:
    """Build the earliest payout of an agency and currency that is missing; None if none is due.

    Freezes its earnings, figures, number and statement, and writes down the statement's file and
    mail as things to do. It opens with what the one before left, and with the amounts of payouts
    that were cancelled since, and keeps back what the terms say for disputes. Holds the agency's
    row meanwhile.
    """
    with transaction.atomic():
        agency = lock_row(Agency.objects.filter(pk=agency_id))
        terms = PayoutTerms.objects.filter(agency=agency).first() or PayoutTerms(agency=agency)
        last = _last_payout(agency, currency)
        cancelled = list(Payout.objects.to_carry_over().filter(agency=agency, currency=currency))
        opening = sum((payout.amount for payout in cancelled), last.closing if last else ZERO)
        month = _next_month(agency, currency, last, carried=bool(opening))
        if month is None or month.payable_at(terms.payout_day, agency.timezone) > now:
            return None
        earnings = _earnings(agency, currency, month.end(agency.timezone))
        reserve = reserve_for(agency, currency, month, terms, earnings, opening=opening, now=now)
        if reserve is not None:
            reserve.held.save(force_insert=True)
            earnings.append(reserve.held)
        made = figures(facts_of(earnings), opening=opening, minimum=terms.minimum_amount)
        payout = _payout(agency, currency, month, made, now)
        _freeze(payout, earnings, terms, now)
        if reserve is not None:
            write_reserve(reserve, payout)
        CarriedOver.objects.bulk_create(
            CarriedOver(cancelled=before, into=payout) for before in cancelled
        )
        return payout


def _last_payout(agency: Agency, currency: str) -> Payout | None:
    return Payout.objects.filter(agency=agency, currency=currency).order_by("-month").first()


def _next_month(
    agency: Agency, currency: str, last: Payout | None, *, carried: bool
) -> Month | None:
    """The month after the last payout's; without a balance to carry on, that of the next earning.

    An earning that came too late for its own month's payout never reaches back behind it.
    """
    following = Month(last.month).following if last else None
    if following and carried:
        return following
    unpaid = Earning.objects.unpaid().filter(agency=agency, currency=currency)
    first = unpaid.aggregate(first=Min("occurred_at"))["first"]
    if first is None:
        return None
    earned = Month.of(first, agency.timezone)
    return max(earned, following) if following else earned


def _earnings(agency: Agency, currency: str, until: dt.datetime) -> list[Earning]:
    """Every earning before ``until`` that is in no payout, in the order it was posted."""
    return list(
        Earning.objects.unpaid()
        .filter(agency=agency, currency=currency, occurred_at__lt=until)
        .select_related(
            "invoice_line__charge",
            "credit_line__charge",
            "credit_line__credit_note",
            "payment__invoice__client",
            "movement__invoice",
            "movement__credit_note",
            "client",
        )
        .order_by("pk")
    )


def _payout(agency: Agency, currency: str, month: Month, made: Figures, now: dt.datetime) -> Payout:
    return Payout(
        agency=agency,
        currency=currency,
        month=month.first,
        month_start=month.start(agency.timezone),
        month_end=month.end(agency.timezone),
        state=made.state.value,
        opening=made.opening,
        revenue=made.revenue,
        routed_cost=made.routed_cost,
        platform_fee=made.platform_fee,
        refunds=made.refunds,
        disputes=made.disputes,
        reserve=made.reserve,
        adjustments=made.adjustments,
        amount=made.amount,
        closing=made.closing,
        built_at=now,
        created_at=now,
    )


def _freeze(
    payout: Payout, earnings: Iterable[Earning], terms: PayoutTerms, now: dt.datetime
) -> Payout:
    """Number the payout and write it down with its items, its statement and what is to be sent."""
    earnings = list(earnings)
    issue_date = local_date(now, the_platform().timezone)
    account = account_of(agency=payout.agency, at=now)
    payout.series, payout.sequence, payout.number = take_number(
        code=f"payout-{issue_date.year}", prefix=f"PAY-{issue_date.year}-"
    )
    payout.snapshot = statement_snapshot(
        payout,
        earnings,
        account_hint=account.hint if account is not None else terms.account_hint,
        issue_date=issue_date,
    ).to_dict()
    payout.save(force_insert=True)
    PayoutItem.objects.bulk_create(
        PayoutItem(payout=payout, earning=earning) for earning in earnings
    )
    path = f"{payout.agency.slug}/{issue_date.year}/{payout.number}.pdf"
    StatementDocument.objects.create(payout=payout, path=path)
    queue_statement_mail(payout, path=path, now=now)
    return payout
