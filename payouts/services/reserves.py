"""Keeps back a part of a month for disputes, and gives it back when its days are over.

Both are earnings, so a statement's equation holds as ever: the one that holds is in the payout that
it is worked out from, the one that releases comes like any other.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

from django.db import transaction

from agencyportal.core.locks import lock_row
from agencyportal.core.money import format_money, plain
from agencyportal.core.periods import local_date
from clients.models import Agency
from payouts.facts import facts_of
from payouts.models import DisputeReserve, Earning, Payout, PayoutTerms
from payouts.months import Month
from payouts.reserve import exposed, held_back


def reserve_for(
    agency: Agency,
    currency: str,
    month: Month,
    terms: PayoutTerms,
    earnings: Sequence[Earning],
    *,
    opening: Decimal,
    now: dt.datetime,
) -> DisputeReserve | None:
    """What is kept back of a payout that is being made up: a reserve with its earning, neither of
    them saved; None where nothing is."""
    facts = facts_of(earnings)
    base = exposed(facts)
    balance = opening + sum((fact.amount for fact in facts), Decimal(0))
    amount = held_back(base, terms.reserve_percent, balance=balance, currency=currency)
    if not amount:
        return None
    end = month.end(agency.timezone)
    release_at = end + dt.timedelta(days=terms.reserve_days)
    until = local_date(release_at, agency.timezone)
    of = f"{plain(terms.reserve_percent)} % of {format_money(base, currency)}"
    held = Earning(
        agency=agency,
        kind=Earning.Kind.RESERVE,
        amount=-amount,
        currency=currency,
        occurred_at=end - dt.timedelta(microseconds=1),
        description=f"Reserve for disputes, {of}, until {until:%-d %B %Y}",
        key=f"reserve:{agency.pk}:{currency}:{month}:held",
        created_at=now,
    )
    return DisputeReserve(
        base=base,
        percent=terms.reserve_percent,
        amount=amount,
        currency=currency,
        release_at=release_at,
        held=held,
    )


def write_reserve(reserve: DisputeReserve, payout: Payout) -> None:
    """Write a reserve down with the payout that it is of; its earning is there already."""
    reserve.payout = payout
    reserve.save(force_insert=True)


def release_reserve(*, reserve_id: int, now: dt.datetime) -> int:
    """Give back what was kept, once its days are over; returns the new rows. Locks the agency,
    as building its payouts does, then the reserve."""
    with transaction.atomic():
        found = DisputeReserve.objects.select_related("payout__agency").get(pk=reserve_id)
        lock_row(Agency.objects.filter(pk=found.payout.agency_id))
        reserve = lock_row(DisputeReserve.objects.filter(pk=reserve_id))
        if reserve.released_id is not None or reserve.release_at > now:
            return 0
        payout = found.payout
        reserve.released = Earning.objects.create(
            agency_id=payout.agency_id,
            kind=Earning.Kind.RESERVE,
            amount=reserve.amount,
            currency=reserve.currency,
            occurred_at=reserve.release_at,
            description=f"Reserve for disputes of {payout.month:%B %Y}, released",
            key=f"reserve:{payout.agency_id}:{payout.currency}:{Month(payout.month)}:released",
            created_at=now,
        )
        reserve.save(update_fields=["released"])
        return 1
