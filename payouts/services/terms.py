"""What an agency and the platform agreed on: when it is paid, and the platform's share."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, Final

from django.db import transaction

from agencyportal.core.locks import lock_row
from billing.refusals import in_words
from clients.models import Agency, User
from payouts.models import Earning, PayBy, PayoutTerms, PayoutTermsChange, PlatformFeeRule

from .payout_mail import queue_terms_mail

TERMS: Final = (
    "payout_day",
    "minimum_amount",
    "reserve_percent",
    "reserve_days",
    "pay_by",
    "account_hint",
)
"""What is agreed on about payouts."""


class TermsRefusedError(ValueError):
    """The terms cannot be agreed on as asked; the message says why and what to do."""


def set_payout_terms(
    *,
    agency: Agency,
    now: dt.datetime,
    payout_day: int = 1,
    minimum_amount: Decimal = Decimal(0),
    account_hint: str = "",
    pay_by: str = PayBy.BANK,
    reserve_percent: Decimal = Decimal(0),
    reserve_days: int = 90,
    changed_by: User | None = None,
) -> PayoutTerms:
    """State when and from what amount an agency is paid; holds for payouts built from now on.

    What changes is kept with who changed it, and the agency's owners are told by mail; terms that
    are those in force change nothing. Raises ValidationError for values that cannot be. Locks the
    agency, as building its payouts does.
    """
    values = {
        "payout_day": payout_day,
        "minimum_amount": minimum_amount,
        "account_hint": account_hint,
        "pay_by": pay_by,
        "reserve_percent": reserve_percent,
        "reserve_days": reserve_days,
    }
    PayoutTerms(agency=agency, **values).full_clean(exclude=["agency"], validate_unique=False)
    with transaction.atomic():
        lock_row(Agency.objects.filter(pk=agency.pk))
        before = PayoutTerms.objects.filter(agency=agency).first()
        if before is not None and _values_of(before) == values:
            return before
        terms, _created = PayoutTerms.objects.update_or_create(agency=agency, defaults=values)
        change = PayoutTermsChange.objects.create(
            terms=terms, changed_by=changed_by, changed_at=now, **values
        )
        if before is not None:
            queue_terms_mail(change, before=before, now=now)
        return terms


def _values_of(terms: PayoutTerms) -> dict[str, Any]:
    return {name: getattr(terms, name) for name in TERMS}


def add_fee_rule(
    *,
    agency: Agency,
    percent: Decimal,
    effective_from: dt.datetime,
    now: dt.datetime,
    line_kind: str = "",
    created_by: User | None = None,
) -> PlatformFeeRule:
    """Add the platform's share of lines of a kind (empty: any) from an instant on.

    The same rule again is returned as it is. Rules are never edited: a later one takes over.
    Raises TermsRefusedError for a rule that would reach back over payments whose fee is posted,
    and for another percentage at the same instant.

    Locks the agency, as building its payouts does.
    """
    with transaction.atomic():
        lock_row(Agency.objects.filter(pk=agency.pk))
        same = PlatformFeeRule.objects.filter(
            agency=agency, line_kind=line_kind, effective_from=effective_from
        ).first()
        if same is not None:
            return _unchanged(same, percent)
        refuse_posted_fees(agency=agency, since=effective_from)
        return PlatformFeeRule.objects.create(
            agency=agency,
            line_kind=line_kind,
            percent=percent,
            effective_from=effective_from,
            created_by=created_by,
            created_at=now,
        )


def refuse_posted_fees(*, agency: Agency, since: dt.datetime) -> None:
    """Raise TermsRefusedError where a rule from ``since`` on would reach back over payments whose
    fee is posted."""
    posted = Earning.objects.for_agency(agency).filter(
        kind__in=(Earning.Kind.REVENUE, Earning.Kind.REFUND, Earning.Kind.DISPUTE),
        occurred_at__gte=since,
    )
    if posted.exists():
        raise TermsRefusedError(
            f"The fee of payments since {in_words(since)} is posted already. "
            "Let the rule begin later."
        )


def _unchanged(rule: PlatformFeeRule, percent: Decimal) -> PlatformFeeRule:
    if rule.percent != percent:
        raise TermsRefusedError(
            f"From {in_words(rule.effective_from)} the fee is {rule.percent} % already. "
            "Let another one begin later."
        )
    return rule
