"""What became of an agency's payouts: a row of every kind."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from clients.models import Agency, User
from payouts.models import CarriedOver, Payout
from payouts.services.adjustments import request_adjustment
from payouts.services.lifecycle import approve_payout, cancel_payout
from tests.tenancy.marks import mark_of


def decide(agency: Agency, who: User, now: dt.datetime) -> None:
    """The first payout is approved, and cancelled after all."""
    why = mark_of(agency.slug)
    payout = Payout.objects.for_agency(agency).earliest("month")
    approve_payout(payout=payout, approved_by=who, now=now, key=f"a:{payout.pk}", note=why)
    cancel_payout(payout=payout, reason=why, by=who, now=now, key=f"c:{payout.pk}")
    CarriedOver.objects.create(cancelled=payout, into=payout)
    request_adjustment(
        agency=agency,
        amount=Decimal("-4.50"),
        currency="USD",
        reason=why,
        requested_by=who,
        now=now,
        key="adjusted",
    )
