"""What whoever approves a payout has to know: changes, what is unusual, what stops it, and whose
hand was in it. Reads only, of one payout."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.db.models import Exists, OuterRef, Q, QuerySet

from agencyportal.core.money import format_money
from billing import stripe_gateway as gateway
from billing.refusals import in_words
from payouts.anomalies import Anomaly, Month, anomalies, change_percent
from payouts.models import (
    AdjustmentRequest,
    BankAccount,
    Payout,
    PayoutTermsChange,
    PayoutTransition,
    PlatformFeeRule,
    StripeAccount,
)
from payouts.models.payouts import PayoutQuerySet
from payouts.reconcile.findings import Difference
from payouts.reconcile.payouts import check_payout
from payouts.services.bank_accounts import account_of
from payouts.services.earnings import unposted_before
from payouts.services.stripe_accounts import pays_through_stripe, stripe_account_of

_States = Payout.State

FIGURES: Final = (
    "revenue",
    "routed_cost",
    "platform_fee",
    "refunds",
    "disputes",
    "reserve",
    "adjustments",
    "amount",
)
"""What is compared with the payout before."""


@dataclass(frozen=True, slots=True)
class Blocker:
    """Why a payout cannot be approved. ``name``: the rule's; ``words``: for people."""

    name: str
    words: str


@dataclass(frozen=True, slots=True)
class Involved:
    """Somebody who had a hand in a payout, and so does not approve it. ``deed``: after "you"."""

    user_id: int
    name: str
    deed: str


@dataclass(frozen=True, slots=True)
class Variance:
    """A figure and that of the payout before; ``percent`` is None where there was nothing."""

    figure: str
    now: Decimal
    before: Decimal
    percent: Decimal | None


@dataclass(frozen=True, slots=True)
class Review:
    """A payout as whoever approves it sees it."""

    payout: Payout
    before: Payout | None
    variances: list[Variance]
    blockers: list[Blocker]
    anomalies: list[Anomaly]
    involved: list[Involved]


def review(payout: Payout, *, now: dt.datetime) -> Review:
    """Everything at once, as of ``now``; ``payout`` comes with its agency."""
    before = payout_before(payout)
    is_draft = payout.state in (_States.DRAFT, _States.FAILED)
    return Review(
        payout=payout,
        before=before,
        variances=list(_variances(payout, before)),
        blockers=blockers_of(payout, now=now) if is_draft else [],
        anomalies=[
            *anomalies(_month(payout), None if before is None else _month(before)),
            *_late(payout),
        ],
        involved=involved_in(payout),
    )


def payout_before(payout: Payout) -> Payout | None:
    """The agency's payout before it in that currency."""
    return _chain(payout).filter(month__lt=payout.month).order_by("-month").first()


def blockers_of(payout: Payout, *, now: dt.datetime) -> list[Blocker]:
    """Why a payout cannot be approved, whoever wants to."""
    return list(_blockers(payout, now))


def _blockers(payout: Payout, at: dt.datetime) -> Iterator[Blocker]:
    if payout.amount <= 0:
        yield Blocker("nothing_to_pay", "There is nothing to pay: its balance is carried forward.")
    earlier = (
        _chain(payout).filter(month__lt=payout.month, state=_States.DRAFT).order_by("month").first()
    )
    if earlier is not None:
        yield Blocker("earlier_draft", f"{earlier} of {earlier.month:%B %Y} comes before it.")
    if payout.amount > 0:
        yield from _account(payout, at)
    found = [finding for finding in check_payout(payout) if isinstance(finding, Difference)]
    if found:
        yield Blocker("unreconciled", f"It does not reconcile: {found[0]}.")


def _account(payout: Payout, at: dt.datetime) -> Iterator[Blocker]:
    """What is missing for the agency to be paid, the way it is paid."""
    if not pays_through_stripe(payout.agency):
        if account_of(agency=payout.agency, at=at) is None:
            yield _no_account(payout)
        return
    account = stripe_account_of(payout.agency)
    if not gateway.is_on():
        yield Blocker("stripe_off", "It is paid through Stripe, which is not switched on.")
    elif account is None:
        yield Blocker("no_account", f"{payout.agency} has no account at Stripe yet.")
    elif not account.is_ready:
        yield Blocker("account_not_ready", f"The account at Stripe: {account.standing}.")


def _no_account(payout: Payout) -> Blocker:
    waiting = BankAccount.objects.filter(agency_id=payout.agency_id, stopped_at=None).last()
    if waiting is None:
        return Blocker("no_account", f"{payout.agency} has no bank account to be paid to.")
    return Blocker(
        "account_waits", f"The bank account {waiting} waits until {in_words(waiting.usable_from)}."
    )


def involved_in(payout: Payout, *, until: dt.datetime | None = None) -> list[Involved]:
    """Who changed what the payout rests on since the last one that somebody approved was made up:
    fee rules, payout terms, bank accounts; and who asked for an adjustment in it. ``until``: as it
    was then; by default now."""
    return list(_involved(payout, _since(payout), until))


def _since(payout: Payout) -> dt.datetime | None:
    approved = PayoutTransition.objects.filter(payout=OuterRef("pk"), to_state=_States.APPROVED)
    last = (
        _chain(payout).filter(Exists(approved), month__lt=payout.month).order_by("-month").first()
    )
    return last.built_at if last else None


def _involved(
    payout: Payout, since: dt.datetime | None, until: dt.datetime | None
) -> Iterator[Involved]:
    """Fee rules that take effect later count until then."""
    for rows, by, at, deed in _deeds(payout.agency_id):
        if since is not None:
            later = Q(**{f"{at}__gt": since})
            if rows.model is PlatformFeeRule:
                later |= Q(effective_from__gt=since)
            rows = rows.filter(later)
        if until is not None:
            rows = rows.filter(**{f"{at}__lte": until})
        for row in rows.filter(**{f"{by}__isnull": False}).select_related(by).order_by("pk"):
            person = getattr(row, by)
            yield Involved(person.pk, str(person), deed(row))
    requests = AdjustmentRequest.objects.filter(earning__item__payout=payout)
    for asked in requests.select_related("requested_by", "agency").order_by("pk"):
        words = f"asked for an adjustment of {format_money(asked.amount, asked.currency)} in it"
        yield Involved(asked.requested_by.pk, str(asked.requested_by), words)


def _deeds(agency_id: int) -> Iterator[tuple[QuerySet[Any], str, str, Callable[[Any], str]]]:
    """What people can have done to what an agency's payouts rest on: the rows, who, when, and
    words for it."""
    yield (
        PlatformFeeRule.objects.filter(agency_id=agency_id),
        "created_by",
        "created_at",
        lambda rule: f"set the platform fee of {rule}",
    )
    yield (
        PayoutTermsChange.objects.filter(terms__agency_id=agency_id),
        "changed_by",
        "changed_at",
        lambda change: f"changed the payout terms on {change.changed_at:%-d %B %Y}",
    )
    yield (
        BankAccount.objects.filter(agency_id=agency_id),
        "added_by",
        "added_at",
        lambda account: f"added the bank account {account}",
    )
    yield (
        StripeAccount.objects.filter(agency_id=agency_id),
        "created_by",
        "created_at",
        lambda account: f"set the account {account} up",
    )


def _late(payout: Payout) -> Iterator[Anomaly]:
    if unposted_before(agency_id=payout.agency_id, until=payout.month_end):
        yield Anomaly(
            "posted_late",
            "Something of this month is not posted yet; it will be in the next payout.",
        )


def _variances(payout: Payout, before: Payout | None) -> Iterator[Variance]:
    for name in FIGURES:
        now = getattr(payout, name)
        then = getattr(before, name) if before is not None else Decimal(0)
        yield Variance(name.replace("_", " "), now, then, change_percent(now, then))


def _month(payout: Payout) -> Month:
    return Month(
        revenue=payout.revenue,
        routed_cost=payout.routed_cost,
        platform_fee=payout.platform_fee,
        refunds=payout.refunds,
        disputes=payout.disputes,
        adjustments=payout.adjustments,
    )


def _chain(payout: Payout) -> PayoutQuerySet:
    rows = Payout.objects.filter(agency_id=payout.agency_id, currency=payout.currency)
    return rows.defer("snapshot")
