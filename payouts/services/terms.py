"""What an agency and the platform agreed on: when it is paid, and the platform's share."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from django.db import transaction

from agencyportal.core.locks import lock_row
from billing.refusals import in_words
from clients.models import Agency
from payouts.models import Earning, PayoutTerms, PlatformFeeRule


class TermsRefusedError(ValueError):
    """The terms cannot be agreed on as asked; the message says why and what to do."""


def set_payout_terms(
    *,
    agency: Agency,
    payout_day: int = 1,
    minimum_amount: Decimal = Decimal(0),
    account_hint: str = "",
) -> PayoutTerms:
    """State when and from what amount an agency is paid; holds for payouts built from now on."""
    values = {
        "payout_day": payout_day,
        "minimum_amount": minimum_amount,
        "account_hint": account_hint,
    }
    PayoutTerms(agency=agency, **values).clean_fields(exclude=["agency"])
    terms, _created = PayoutTerms.objects.update_or_create(agency=agency, defaults=values)
    return terms


def add_fee_rule(
    *,
    agency: Agency,
    percent: Decimal,
    effective_from: dt.datetime,
    now: dt.datetime,
    line_kind: str = "",
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
