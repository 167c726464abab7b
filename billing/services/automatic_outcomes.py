"""What came of a purchase that an automatic top-up set off: bought, declined, to be confirmed.

Called in the transaction in which its order moves, with the order locked, so that whatever follows
from it (the month, the pause, the mail) happens once, however often Stripe tells of it.

Lock order: the order (and its workspace) -> the automatic top-up -> its month.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from django.utils import translation

from agencyportal.core.formats import Formats
from billing.models import AutomaticPurchase, AutomaticTopUp, TopUpOrder, TopUpPurchase
from billing.runaway import NEEDS_A_PERSON, wait_after
from billing.stripe_gateway import decline_words, is_final_decline

from .automatic_mail import tell_declined, tell_to_confirm
from .automatic_standing import count_in, lock_automatic, stop, take_out, wait

CONFIRM_WITHIN: Final = dt.timedelta(hours=24)
"""How long an admin has to confirm a payment with the bank. Nothing else is bought meanwhile."""

NOT_CONFIRMED: Final = "payment_intent_authentication_failure"
"""The word for it where its holder was asked, and did not come."""

_Reason = AutomaticTopUp.Reason
_States = AutomaticPurchase.State


def is_automatic(order: TopUpOrder) -> bool:
    """Whether nobody is there who pays for it."""
    return AutomaticPurchase.objects.filter(order=order).exists()


def is_withdrawn(order: TopUpOrder) -> bool:
    """Whether it was set off under a consent that is not in force any more: the client, or its
    agency, has ended it since, or agreed to something else."""
    found = AutomaticPurchase.objects.select_related("automatic").filter(order=order).first()
    return found is not None and found.automatic.consent_id != found.consent_id


def note_asked(order: TopUpOrder, now: dt.datetime) -> None:
    """The bank asks for the card's holder: the admins are told where to confirm, once."""
    purchase = _of(order)
    if purchase is not None and purchase.state == _States.OPEN:
        tell_to_confirm(purchase=purchase, until=order.ordered_at + CONFIRM_WITHIN, now=now)


def note_failed(order: TopUpOrder, code: str, now: dt.datetime) -> None:
    """The order has ended unpaid: its month has room again, and it pauses or stops.

    ``code``: the bank's word; empty where somebody of the client cancelled it.
    """
    purchase = _of(order)
    if purchase is None or purchase.state != _States.OPEN:
        return
    automatic = lock_automatic(purchase.automatic_id)
    language = Formats(automatic.client.language, automatic.client.currency).language
    with translation.override(language):
        asked = not code or code in NEEDS_A_PERSON
        purchase.failure = decline_words(NOT_CONFIRMED if asked else code)
    _end(purchase, _States.FAILED, now, code=code)
    if not code and automatic.consent_id != purchase.consent_id:
        AutomaticTopUp.objects.filter(pk=automatic.pk).update(looked_used=None)
        return
    if automatic.state != AutomaticTopUp.State.ON:
        return
    _pause(automatic, purchase, now)
    tell_declined(automatic=automatic, purchase=purchase, now=now)


def note_bought(order: TopUpOrder, bought: TopUpPurchase, now: dt.datetime) -> None:
    """It is paid and granted. Looked at again: where still too little is left, the next follows."""
    purchase = _of(order)
    if purchase is None or purchase.state == _States.BOUGHT:
        return
    automatic = lock_automatic(purchase.automatic_id)
    purchase.purchase = bought
    _end(purchase, _States.BOUGHT, now)
    automatic.declines, automatic.looked_used = 0, None
    if automatic.state == AutomaticTopUp.State.ON:
        automatic.reason, automatic.detail, automatic.look_at = "", "", now
    automatic.save(update_fields=["declines", "looked_used", "reason", "detail", "look_at"])


def note_kept(order: TopUpOrder, now: dt.datetime) -> None:
    """It is paid, and the client's balance has the money: it stops, so that this does not happen
    again and again."""
    purchase = _of(order)
    if purchase is None or purchase.state not in (_States.OPEN, _States.FAILED):
        return
    automatic = lock_automatic(purchase.automatic_id)
    _end(purchase, _States.KEPT, now)
    stop(automatic, _Reason.NOT_GRANTED, now)


def note_never_charged(order: TopUpOrder, now: dt.datetime) -> None:
    """Somebody has looked at Stripe: nothing was charged. It goes on as if it had not been."""
    purchase = _of(order)
    if purchase is None or purchase.state != _States.OPEN:
        return
    automatic = lock_automatic(purchase.automatic_id)
    _end(purchase, _States.FAILED, now)
    AutomaticTopUp.objects.filter(pk=automatic.pk).update(looked_used=None)


def may_grant(order: TopUpOrder) -> bool:
    """Whether what is paid may be granted. One that had ended as not bought, and is paid after
    all, only where its month still has room: else the client's balance gets the money. Locks the
    automatic top-up, before whatever granting locks."""
    purchase = _of(order)
    if purchase is None:
        return True
    lock_automatic(purchase.automatic_id)
    if purchase.state != _States.FAILED:
        return True
    if not purchase.is_counted and count_in(purchase.month_id, purchase.gross):
        purchase.is_counted = True
        purchase.save(update_fields=["is_counted"])
    return purchase.is_counted


def _of(order: TopUpOrder) -> AutomaticPurchase | None:
    rows = AutomaticPurchase.objects.select_related("automatic__client__agency", "band")
    return rows.filter(order=order).first()


def _end(purchase: AutomaticPurchase, state: str, now: dt.datetime, *, code: str = "") -> None:
    """Write down what came of it. What was not bought leaves its month."""
    if state == _States.FAILED and purchase.is_counted:
        take_out(purchase.month_id, purchase.gross)
        purchase.is_counted = False
    purchase.state, purchase.failure_code, purchase.ended_at = state, code[:100], now
    purchase.save(
        update_fields=["state", "is_counted", "purchase", "failure", "failure_code", "ended_at"]
    )


def _pause(automatic: AutomaticTopUp, purchase: AutomaticPurchase, now: dt.datetime) -> None:
    """Wait before the next try, or stop after the last, or after what only a person can mend."""
    automatic.declines += 1
    automatic.save(update_fields=["declines"])
    code, words = purchase.failure_code, purchase.failure
    if not code or code in NEEDS_A_PERSON:
        stop(automatic, _Reason.UNCONFIRMED, now, tells=False)
        return
    pause = wait_after(automatic.declines)
    if pause is None or is_final_decline(code):
        stop(automatic, _Reason.DECLINED, now, detail=words, tells=False)
    else:
        wait(automatic, _Reason.DECLINED, now + pause, detail=words)
