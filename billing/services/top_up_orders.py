"""Buying a top-up that is paid at once, on Stripe's page or by the saved card.

The intent is committed first; Stripe is asked outside of any transaction, with the order's key;
what came of it is read from Stripe, never assumed: by the page that the buyer comes back to, by
Stripe's events, and by a tick. All three call `look_at_order`.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from agencyportal.core.money import round_money
from agencyportal.core.periods import local_date
from billing import stripe_gateway as gateway
from billing.models import BillingPeriod, TopUpBand, TopUpOrder
from billing.models.attempts import AUTHENTICATE
from billing.refusals import RefusedError, refuse_unfit_key
from billing.scenario import Starts
from billing.stripe_amounts import UnchargeableError, to_stripe
from billing.stripe_gateway import CheckoutLine, DeclinedError, Intent, RejectedError
from billing.tax import TaxableLine, TaxedDocument, tax_document
from clients.models import Client, Platform, User, Workspace
from clients.services import windows

from . import automatic_outcomes as outcomes
from .caps import make_ready
from .order_fulfilment import fulfil
from .purchases import book, period_to_buy_in, refuse_buyer
from .stripe_attempts import (
    ASKED_AGAIN_FOR,
    LOST,
    charge_card,
    find_lost,
    locked_attempt,
    look_at_each,
    open_page,
    payment_found,
    record,
)
from .stripe_attempts import close_without_payment as close_attempt
from .stripe_customers import customer_of
from .stripe_standing import Standing, declined, read_standing, standing_of
from .tax import treatments_of

LONGEST_KEY: Final = 200

_States = TopUpOrder.State


def page_of(order: TopUpOrder) -> str:
    """The portal's page of an order, to which Stripe sends the buyer back."""
    return f"{settings.PORTAL_BASE_URL}/portal/{order.client_id}/orders/{order.pk}/"


def price_of(*, client: Client, band: TopUpBand, currency: str, now: dt.datetime) -> TaxedDocument:
    """What a band comes to for a client on the day of ``now``, with tax, as its invoice says it."""
    platform = Platform.objects.first()
    today = local_date(now, platform.timezone if platform else "UTC")
    treatment = treatments_of([client], on=today)[client.pk]
    return tax_document([TaxableLine(round_money(band.price, currency), treatment)], currency)


# --- Ordering --------------------------------------------------------------------------------


@transaction.atomic
def place_order(
    *,
    workspace: Workspace,
    band: TopUpBand,
    method: str,
    now: dt.datetime,
    key: str,
    buyer: User | None,
    starts: Starts = "now",
    saves_card: bool = False,
) -> TopUpOrder:
    """Write down that somebody wants to pay for a band; nothing is asked of Stripe yet.

    ``key`` makes one form one order: the same key and band is the order that is there. Raises
    RefusedError for what could not be bought on account either (`purchases.buy_on_account`), for a
    price that Stripe cannot charge, and without a saved card where it is to be charged;
    NotAdmittedError where a cap leaves no room; OffError without Stripe. Locks the workspace's
    row, then the balances of caps.
    """
    gateway.refuse_off()
    refuse_unfit_key(key, longest=LONGEST_KEY)
    make_ready(workspace=workspace, now=now)
    locked = windows.lock_workspace(workspace.pk)
    if earlier := locked.top_up_orders.select_related("band").filter(key=key).first():
        if earlier.band_id != band.pk:
            raise RefusedError(f"This form has ordered {earlier.band} already; open a new one.")
        return earlier
    period = period_to_buy_in(locked, band, now)
    refuse_buyer(band, period, buyer)
    return write_order(
        locked,
        band,
        period,
        method=method,
        now=now,
        key=key,
        buyer=buyer,
        starts=starts,
        saves_card=saves_card,
    )


def write_order(
    locked: Workspace,
    band: TopUpBand,
    period: BillingPeriod,
    *,
    method: str,
    now: dt.datetime,
    key: str,
    buyer: User | None,
    starts: Starts = "now",
    saves_card: bool = False,
) -> TopUpOrder:
    """The order of a band that the running period offers, for a workspace held alone. Raises as
    `place_order` does."""
    card_id = _saved_card(locked.client) if method == TopUpOrder.Method.CARD else ""
    _rehearse(locked, band, period, now, starts, key)
    price = price_of(client=locked.client, band=band, currency=period.currency, now=now)
    _refuse_unchargeable(price.gross, period.currency)
    return TopUpOrder.objects.create(
        agency_id=locked.agency_id,
        client_id=locked.client_id,
        workspace=locked,
        band=band,
        quantity=band.quantity,
        net=price.net,
        tax=price.tax,
        gross=price.gross,
        currency=period.currency,
        starts=starts,
        method=method,
        saves_card=saves_card,
        card_id=card_id,
        buyer=buyer,
        key=key,
        is_live=settings.STRIPE_LIVE_MODE,
        ordered_at=now,
        look_at=now + dt.timedelta(minutes=1),
        created_at=now,
    )


def _saved_card(client: Client) -> str:
    customer = customer_of(client)
    if customer is None or not customer.has_card:
        raise RefusedError("There is no saved card any more; pay on Stripe's page.")
    return customer.card_id


def _rehearse(
    locked: Workspace,
    band: TopUpBand,
    period: BillingPeriod,
    now: dt.datetime,
    starts: Starts,
    key: str,
) -> None:
    """Buy it and take that back: whatever would refuse it after it is paid refuses it now."""
    savepoint = transaction.savepoint()
    try:
        book(
            locked,
            band,
            period,
            at=now,
            key=f"rehearsal:{key}"[:LONGEST_KEY],
            now=now,
            starts=starts,
        )
    finally:
        transaction.savepoint_rollback(savepoint)


def _refuse_unchargeable(gross: Decimal, currency: str) -> None:
    try:
        to_stripe(gross, currency)
    except UnchargeableError as error:
        raise RefusedError(f"{error} Buy it on account.") from error


# --- Paying ----------------------------------------------------------------------------------


def begin_payment(*, order: TopUpOrder, now: dt.datetime) -> TopUpOrder:
    """Ask Stripe for what the order needs: a page to pay on, or a charge of the saved card.

    Safe to repeat: the order's key asks for the same thing. A decline is the order's outcome, not
    an error. Raises GatewayError where Stripe did not do it, or nobody knows: the tick asks again.
    """
    if order.state != _States.PENDING or order.session_id or order.intent_id:
        return order
    if order.method == TopUpOrder.Method.CARD:
        return _charge(order, now)
    return open_page(
        order,
        lines=_lines(order),
        description=_description(order),
        metadata=_metadata(order),
        key=f"order:{order.pk}",
        address=page_of(order),
        now=now,
        saves_card=order.saves_card,
    )


def _charge(order: TopUpOrder, now: dt.datetime) -> TopUpOrder:
    """Charge the saved card: its holder is there, and may have to confirm it, or nobody is."""
    found = charge_card(
        order,
        amount=order.gross,
        description=_description(order),
        metadata=_metadata(order),
        key=f"order:{order.pk}",
        now=now,
        address="" if outcomes.is_automatic(order) else page_of(order),
    )
    return _take_in(order, found, now)


def confirm_payment(*, order: TopUpOrder, now: dt.datetime) -> TopUpOrder:
    """Go on with an order whose bank asks for the card's holder, who is here now: it comes back
    with where to confirm it, or paid. Others stay as they are.

    It is the payment of before, so it is made once, however often this is asked. Raises
    RefusedError without a saved card; GatewayError.
    """
    if not order.waits_for_holder or order.intent_id is None:
        return order
    card_id = _saved_card(order.client)  # which may have taken the place of the one of then
    try:
        intent = gateway.confirm_intent(
            intent_id=order.intent_id,
            card_id=card_id,
            return_url=f"{page_of(order)}?back=paid",
            key=f"order:{order.pk}:confirm:{card_id}",
        )
    except DeclinedError as error:
        return _take_in(order, declined(error), now)
    except RejectedError:  # it was paid or cancelled meanwhile, or its card taken off
        return look_at_order(order=order, now=now)
    return _take_in(order, standing_of(intent), now)


def _lines(order: TopUpOrder) -> list[CheckoutLine]:
    with translation.override(order.client.language):
        lines = [CheckoutLine(order.band.name, order.net, str(order.workspace))]
        if order.tax:
            lines.append(CheckoutLine(_("Tax"), order.tax))
    return lines


def _description(order: TopUpOrder) -> str:
    return f"{order.band} for {order.workspace}"


def _metadata(order: TopUpOrder) -> dict[str, str]:
    return {"order": str(order.pk), "agency": order.agency.slug, "client": order.client.slug}


# --- How it stands ---------------------------------------------------------------------------


def look_at_order(*, order: TopUpOrder, now: dt.datetime) -> TopUpOrder:
    """Read from Stripe how the order's payment stands, and bring the order to it; done twice, it
    changes nothing. Raises GatewayError where Stripe cannot be read."""
    if order.state == _States.PAID and not order.trouble:
        return order
    found = read_standing(order.session_id, order.intent_id)
    return order if found is None else _take_in(order, found, now)


def look_at_open_orders(*, now: dt.datetime, limit: int) -> int:
    """Look at orders that may have been paid without anybody hearing of it; how many."""
    return look_at_each(TopUpOrder.objects.all(), _follow_up, now=now, limit=limit)


def cancel_order(*, order: TopUpOrder, now: dt.datetime) -> TopUpOrder:
    """Make sure that an order is not paid any more. One that is paid by now stays so. Raises
    GatewayError, also while a charge is on its way that Stripe has not answered about."""
    if order.state == _States.PENDING and order.method == TopUpOrder.Method.CARD:
        order = _look_for(order, now)
    if order.state != _States.PENDING:
        return order
    try:
        if order.session_id:
            gateway.close_checkout(order.session_id)
        elif order.intent_id:
            gateway.cancel_intent(order.intent_id)
    except RejectedError:
        return look_at_order(order=order, now=now)
    return _record(order, _States.CANCELLED, now)


def _look_for(order: TopUpOrder, now: dt.datetime) -> TopUpOrder:
    """Bring an order to its charge, where Stripe has one and its answer was lost."""
    if order.intent_id:
        return order
    made = find_lost(order, named="order", now=now)
    return order if made is None else _take_in(order, made, now)


def take_payment(*, order: TopUpOrder, intent_id: str, now: dt.datetime) -> TopUpOrder:
    """Look at an order by a payment that somebody found for it at Stripe. Raises RefusedError where
    the order has another one, or the payment is another order's; GatewayError."""
    return _take_in(order, payment_found(order, intent_id, named="order"), now)


@transaction.atomic
def close_without_payment(*, order: TopUpOrder, now: dt.datetime) -> None:
    """End the trouble of an order that nobody was charged for; an automatic top-up that set it off
    goes on. Raises RefusedError for one that is paid, or in no trouble. Locks the order, then the
    automatic top-up."""
    close_attempt(order)
    outcomes.note_never_charged(order, now)


def _follow_up(order: TopUpOrder, now: dt.datetime) -> None:
    if order.session_id or order.intent_id:
        _unless_too_late(look_at_order(order=order, now=now), now)
    elif order.method == TopUpOrder.Method.PAGE:
        _record(order, _States.EXPIRED, now)  # nobody ever saw a page to pay it on
    elif now - order.ordered_at < ASKED_AGAIN_FOR:
        if outcomes.is_withdrawn(order):  # nobody wants it charged any more
            cancel_order(order=order, now=now)
        else:
            begin_payment(order=order, now=now)
    else:
        _record(order, _States.FAILED, now, trouble=LOST)


def _unless_too_late(order: TopUpOrder, now: dt.datetime) -> None:
    """What nobody has confirmed with the bank for a day is not paid any more."""
    is_late = now - order.ordered_at >= outcomes.CONFIRM_WITHIN
    if is_late and order.state == _States.PENDING and outcomes.is_automatic(order):
        cancel_order(order=order, now=now)


def _take_in(order: TopUpOrder, found: Standing, now: dt.datetime) -> TopUpOrder:
    """Bring an order to how its payment stands."""
    if found.paid is not None:
        return fulfil(order_id=order.pk, intent=found.paid, now=now)
    if found.state == _States.FAILED and outcomes.is_automatic(order):
        paid = _make_unpayable(found.facts["intent_id"])
        if paid is not None:
            return fulfil(order_id=order.pk, intent=paid, now=now)
    return _record(order, found.state, now, failure_code=found.failure_code, **found.facts)


def _make_unpayable(intent_id: str) -> Intent | None:
    """Cancel a payment that failed, so that nothing can come of it once another is asked for;
    the payment where it was made after all. Raises GatewayError."""
    if not intent_id:
        return None
    try:
        gateway.cancel_intent(intent_id)
    except RejectedError:
        found = gateway.read_intent(intent_id)
        return found if found.is_paid else None
    return None


@transaction.atomic
def _record(
    order: TopUpOrder, state: str, now: dt.datetime, *, failure_code: str = "", **facts: Any
) -> TopUpOrder:
    """Write down how an order stands, and what follows for the automatic top-up that set it off.
    An automatic one that has ended stays so: another may have followed it.

    Locks the order, then the automatic top-up.
    """
    before = locked_attempt(TopUpOrder, order.pk)
    if before.state == _States.PAID or (before.has_ended and outcomes.is_automatic(before)):
        return before
    locked = record(order, state, **facts)
    if locked.has_ended and not locked.trouble:
        outcomes.note_failed(locked, failure_code, now)
    elif failure_code == AUTHENTICATE:
        outcomes.note_asked(locked, now)
    return locked
