"""What became of an agency's payouts: a row of every kind."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from clients.models import Agency, User
from payouts.models import CarriedOver, DisputeReserve, Earning, Payout, StripeAccount
from payouts.services.adjustments import request_adjustment
from payouts.services.lifecycle import approve_payout, cancel_payout, mark_failed
from payouts.services.transfers import make_bank_file
from tests.payouts.accounts import give_account
from tests.tenancy.marks import mark_of


def decide(agency: Agency, who: User, now: dt.datetime) -> None:
    """The first payout is approved, put into a bank file, refused there, and cancelled."""
    why = mark_of(agency.slug)
    give_account(agency)
    payout = Payout.objects.for_agency(agency).earliest("month")
    approve_payout(payout=payout, approved_by=who, now=now, key=f"a:{payout.pk}", note=why)
    make_bank_file(month=payout.month, currency="USD", created_by=who, now=now, key=agency.slug)
    mark_failed(payout=payout, reason=why, by=who, now=now, key=f"f:{payout.pk}")
    cancel_payout(payout=payout, reason=why, by=who, now=now, key=f"c:{payout.pk}")
    CarriedOver.objects.create(cancelled=payout, into=payout)
    StripeAccount.objects.create(
        agency=agency, is_live=False, account_id=f"acct_{agency.slug}", created_at=now
    )
    earning = Earning.objects.for_agency(agency).latest("pk")
    DisputeReserve.objects.create(
        payout=payout,
        base=10,
        percent=10,
        amount=1,
        currency="USD",
        release_at=now + dt.timedelta(days=900),
        held=earning,
    )
    request_adjustment(
        agency=agency,
        amount=Decimal("-4.50"),
        currency="USD",
        reason=why,
        requested_by=who,
        now=now,
        key="adjusted",
    )
