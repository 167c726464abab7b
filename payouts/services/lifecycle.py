"""What happens to a payout after it is made up: approved, paid, failed, cancelled.

Everything up to approval happens by itself; from there people decide, and each decision is a row
with who and when. Lock order: agency (as building and changing terms do), payout, transfer. So what
an approval has looked at cannot change while it is written.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Final

from django.db import transaction

from agencyportal.core.locks import lock_row
from billing.refusals import RefusedError, in_words, refuse_unfit_key
from clients.models import Agency, User
from payouts.models import BankFile, Payout, PayoutTransition, Transfer
from payouts.selectors.review import blockers_of, involved_in

from .payout_mail import queue_state_mail
from .stripe_accounts import pays_through_stripe, stripe_account_of
from .transfers import begin_transfer, settle_transfer

_States = Payout.State

MOVES: Final[Mapping[str, frozenset[str]]] = {
    _States.DRAFT: frozenset({_States.APPROVED, _States.CANCELLED}),
    _States.APPROVED: frozenset({_States.DRAFT, _States.PAID, _States.FAILED, _States.CANCELLED}),
    _States.FAILED: frozenset({_States.APPROVED, _States.CANCELLED}),
    _States.PAID: frozenset({_States.FAILED}),
    _States.CANCELLED: frozenset(),
    _States.CARRIED: frozenset(),
}
"""From where to where a payout may go. What was paid can still come back from the bank."""

SETTLED: Final[Mapping[str, str]] = {
    _States.PAID: Transfer.State.PAID,
    _States.FAILED: Transfer.State.FAILED,
}
"""What the transfer of a payout is with it."""

UNPAID: Final = frozenset({_States.DRAFT, _States.CANCELLED})
"""Where a payout does not go while money may be on its way."""

LONGEST_KEY: Final = 200


def approve_payout(
    *, payout: Payout, approved_by: User, now: dt.datetime, key: str, note: str = ""
) -> PayoutTransition:
    """Release a payout to be paid; of an agency that is paid through Stripe, write its transfer
    down with it.

    Raises RefusedError where something blocks it (`blockers_of`), where ``approved_by`` changed
    the agency's terms since the last approved payout or asked for an adjustment in this one
    (`involved_in`), and for a payout that is no draft and has not failed. ``key`` makes it this
    approval: the same again returns it.
    """

    def check(locked: Payout) -> None:
        for person in involved_in(locked):
            if person.user_id == approved_by.pk:
                raise RefusedError(f"Somebody else has to approve it: you {person.deed}.")
        if blockers := blockers_of(locked, now=now):
            raise RefusedError(" ".join(blocker.words for blocker in blockers))

    def pay(locked: Payout) -> None:
        if pays_through_stripe(locked.agency):
            begin_transfer(
                locked,
                method=Transfer.Method.STRIPE,
                stripe_account=stripe_account_of(locked.agency),
                by=approved_by,
                now=now,
            )

    return _move(
        payout,
        _States.APPROVED,
        by=approved_by,
        now=now,
        key=key,
        reason=note,
        check=check,
        then=pay,
    )


def withdraw_approval(
    *, payout: Payout, reason: str, by: User | None, now: dt.datetime, key: str
) -> PayoutTransition:
    """Make an approved payout that nobody has begun to pay a draft again."""
    return _move(payout, _States.DRAFT, by=by, now=now, key=key, reason=_needed(reason))


def mark_paid(
    *,
    payout: Payout,
    reference: str,
    paid_at: dt.datetime,
    by: User | None,
    now: dt.datetime,
    key: str,
    through_stripe: bool = False,
) -> PayoutTransition:
    """Record that an approved payout has left the platform's account. Raises RefusedError for one
    that is not approved, without a reference, or at a time to come; and for one that Stripe pays,
    unless it is Stripe that says so."""
    if not reference.strip():
        raise RefusedError("Say the reference, as on the bank statement.", field="reference")
    return _move(
        payout,
        _States.PAID,
        by=by,
        now=now,
        key=key,
        reference=reference.strip(),
        at=paid_at,
        check=None if through_stripe else _refuse_stripes,
    )


def mark_file_paid(
    *,
    file: BankFile,
    reference: str,
    paid_at: dt.datetime,
    by: User | None,
    now: dt.datetime,
    key: str,
) -> int:
    """Record that the bank has carried out a file: every payout that is on its way in it is paid.
    Returns how many. One transaction for each; what was marked before stays as it was."""
    waiting = Payout.objects.filter(
        transfers__bank_file=file, transfers__state=Transfer.State.PENDING
    )
    payouts = list(waiting.order_by("agency_id", "pk"))
    for payout in payouts:
        mark_paid(
            payout=payout,
            reference=reference,
            paid_at=paid_at,
            by=by,
            now=now,
            key=f"{key}:{payout.pk}",
        )
    return len(payouts)


def mark_failed(
    *,
    payout: Payout,
    reason: str,
    by: User | None,
    now: dt.datetime,
    key: str,
    through_stripe: bool = False,
) -> PayoutTransition:
    """Record that paying did not work, or that what was paid came back. The amount stays owed: it
    is approved again, or cancelled and carried into the next payout. Raises RefusedError for one
    that Stripe pays or has paid, unless it is Stripe that says so."""
    return _move(
        payout,
        _States.FAILED,
        by=by,
        now=now,
        key=key,
        reason=_needed(reason),
        check=None if through_stripe else _refuse_stripes,
    )


def cancel_payout(
    *, payout: Payout, reason: str, by: User | None, now: dt.datetime, key: str
) -> PayoutTransition:
    """Give up a payout that is not paid. Its earnings stay in it; its amount opens the next one."""
    return _move(payout, _States.CANCELLED, by=by, now=now, key=key, reason=_needed(reason))


def _needed(reason: str) -> str:
    if not reason.strip():
        raise RefusedError("Say why; it is kept with the payout.", field="reason")
    return reason.strip()


def _refuse_stripes(payout: Payout) -> None:
    """What Stripe pays is said by Stripe alone: a person who is wrong about it pays twice."""
    if payout.transfers.live().filter(method=Transfer.Method.STRIPE).exists():
        raise RefusedError(
            "Stripe pays it, and says what became of it. What is paid there is taken back on the "
            "transfer's page."
        )


def _refuse_on_its_way(payout: Payout) -> None:
    transfer = payout.transfers.live().select_related("bank_file").first()
    if transfer is not None:
        where = f"in {transfer.bank_file}" if transfer.bank_file else "on its way"
        raise RefusedError(f"It is {where}. Mark it as failed first, if it was not paid.")


@transaction.atomic
def _move(
    payout: Payout,
    to: Payout.State,
    *,
    by: User | None,
    now: dt.datetime,
    key: str,
    reason: str = "",
    reference: str = "",
    at: dt.datetime | None = None,
    check: Callable[[Payout], None] | None = None,
    then: Callable[[Payout], None] | None = None,
) -> PayoutTransition:
    """One step, once by its key; the agency and the payout are locked meanwhile."""
    refuse_unfit_key(key, longest=LONGEST_KEY)
    if at is not None and at > now:
        raise RefusedError(f"{in_words(at)} has not come yet.", field="paid_at")
    lock_row(Agency.objects.filter(pk=payout.agency_id))
    locked = lock_row(Payout.objects.select_related("agency").filter(pk=payout.pk))
    if earlier := PayoutTransition.objects.filter(key=key, payout=locked).first():
        return earlier
    if to not in MOVES[locked.state]:
        raise RefusedError(
            f"{locked} is {locked.get_state_display().lower()}: it cannot become "
            f"{to.label.lower()}."
        )
    if check is not None:
        check(locked)
    if to in UNPAID:
        _refuse_on_its_way(locked)
    transition = PayoutTransition.objects.create(
        payout=locked,
        number=locked.transitions.count() + 1,
        from_state=locked.state,
        to_state=to,
        by=by,
        happened_at=at or now,
        recorded_at=now,
        reason=reason[:500],
        reference=reference[:200],
        key=key,
    )
    locked.state = to
    locked.save(update_fields=["state"])
    if to in SETTLED:
        settle_transfer(
            locked, SETTLED[to], at=at or now, by=by, now=now, reference=reference, failure=reason
        )
    if then is not None:
        then(locked)
    queue_state_mail(transition, now=now)
    return transition
