"""What a paid order brings, once: purchase, grant, charge, and an invoice that is paid.

Keyed by the payment intent and the order, under the order's lock: however many webhooks, page
loads and workers hear of the payment, it is granted once.
"""

from __future__ import annotations

import datetime as dt
import logging
from decimal import Decimal
from typing import Final, cast

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext_noop

from agencyportal.core.locks import lock_row
from agencyportal.core.money import format_money
from agencyportal.core.periods import local_date
from billing.models import (
    BalanceEntry,
    BillingPeriod,
    Charge,
    Invoice,
    Payment,
    TopUpOrder,
    TopUpPurchase,
)
from billing.refusals import RefusedError
from billing.scenario import Starts
from billing.stripe_gateway import Intent
from clients.models import Platform, User, Workspace
from clients.services import windows

from . import automatic_outcomes as outcomes
from .caps import make_ready
from .client_balance import enter, lock_balance
from .drafting import CHARGE_PARTS, price_drafts, write_lines
from .invoicing import issue_invoices
from .purchases import book, next_bounds
from .stripe_attempts import note_trouble
from .stripe_payments import method_of

TO_BALANCE: Final = gettext_noop(
    "The package had changed when the payment came; the money is on your balance."
)

OVER_MAXIMUM: Final = gettext_noop(
    "It was paid after it had ended, and its month has no room for it; the money is on your "
    "balance."
)

_logger = logging.getLogger(__name__)


class OrderMismatchError(RefusedError):
    """What was paid is not what was ordered. Somebody has to look at it."""


def fulfil(*, order_id: int, intent: Intent, now: dt.datetime) -> TopUpOrder:
    """Grant what an order's intent has paid; done before, it changes nothing.

    Where no period runs that knows the unit any more, the client's balance gets the money. What
    goes wrong otherwise is logged, and stays on the order as its ``trouble``: the money has come,
    and the order says so. Owns its transactions.
    """
    try:
        return _fulfil(order_id, intent, now)
    except Exception as error:
        _logger.exception("the paid order %s could not be granted", order_id)
        said = f"{intent.id}: {type(error).__name__}: {error}"
        return note_trouble(TopUpOrder, order_id, said, now)


@transaction.atomic
def _fulfil(order_id: int, intent: Intent, now: dt.datetime) -> TopUpOrder:
    """Locks the order, then its workspace, the automatic top-up that set it off, the balances of
    caps, the client's balance and the series of invoices."""
    order = lock_row(TopUpOrder.objects.filter(pk=order_id))
    if order.state == TopUpOrder.State.PAID and not order.trouble:
        return order
    _refuse_mismatch(order, intent)
    make_ready(workspace=order.workspace, now=now)
    workspace = windows.lock_workspace(order.workspace_id)
    has_room = outcomes.may_grant(order)
    period = _period_to_grant_in(workspace, order, now) if has_room else None
    if period is None:
        _give_to_balance(order, now, by=None)
        outcomes.note_kept(order, now)
        return _settle(order, intent, now, failure=TO_BALANCE if has_room else OVER_MAXIMUM)
    purchase = book(
        workspace,
        order.band,
        period,
        at=now,
        key=f"order:{order.pk}",
        now=now,
        purchased_by=order.buyer,
        starts=_starts(order, period),
        is_paid=True,
    )
    _invoice(order, purchase, intent, now)
    outcomes.note_bought(order, purchase, now)
    return _settle(order, intent, now, purchase=purchase)


@transaction.atomic
def move_to_balance(*, order: TopUpOrder, moved_by: User | None, now: dt.datetime) -> BalanceEntry:
    """Put the money of an order in trouble on its client's balance, and end the trouble.

    Raises RefusedError for an order that is in none. Locks the order, then the balance.
    """
    locked = lock_row(TopUpOrder.objects.filter(pk=order.pk))
    if not locked.trouble or locked.state != TopUpOrder.State.PAID or locked.purchase_id:
        raise RefusedError("There is no trouble with this order any more.")
    entry = _give_to_balance(locked, now, by=moved_by)
    locked.trouble, locked.failure = "", TO_BALANCE
    locked.save(update_fields=["trouble", "failure"])
    outcomes.note_kept(locked, now)
    return entry


def _refuse_mismatch(order: TopUpOrder, intent: Intent) -> None:
    paid, asked = (intent.received, intent.currency), (order.gross, order.currency)
    if not intent.is_paid or paid != asked:
        raise OrderMismatchError(
            f"The payment {intent.id} is {intent.status} with "
            f"{format_money(intent.received, intent.currency)}; the order asks for "
            f"{format_money(order.gross, order.currency)}."
        )
    if intent.metadata.get("order") != str(order.pk) or order.intent_id not in (None, intent.id):
        raise OrderMismatchError(f"The payment {intent.id} is not of this order.")


def _period_to_grant_in(
    workspace: Workspace, order: TopUpOrder, now: dt.datetime
) -> BillingPeriod | None:
    """The running period, of whatever plan by now, if it knows the unit."""
    running = workspace.periods.open().filter(
        Q(currency=order.currency), start__lte=now, end__gt=now
    )
    period = running.select_related("subscription", "plan_version", "workspace").first()
    if period is None:
        return None
    knows = period.plan_version.allowances.filter(unit=order.band.unit_id).exists()
    return period if knows else None


def _starts(order: TopUpOrder, period: BillingPeriod) -> Starts:
    """As ordered; now, where no next period comes any more."""
    wanted = cast(Starts, order.starts)
    return wanted if wanted == "now" or next_bounds(period) is not None else "now"


def _invoice(order: TopUpOrder, purchase: TopUpPurchase, intent: Intent, now: dt.datetime) -> None:
    """An invoice over the purchase alone, issued paid, with its PDF and its message queued."""
    charge = Charge.objects.select_related(*CHARGE_PARTS).get(key=f"top_up:{purchase.pk}")
    invoice = Invoice(
        agency=order.agency,
        client=order.client,
        order_id=order.pk,
        currency=order.currency,
        bill_at=now,
        created_at=now,
    )
    today = local_date(now, Platform.objects.get().timezone)
    priced = price_drafts([(invoice, [charge])], day=today)
    invoice.save(force_insert=True)
    write_lines(priced)
    issue_invoices([invoice.pk], now=now, received={invoice.pk: _payment(order, intent, now)})


def _payment(order: TopUpOrder, intent: Intent, now: dt.datetime) -> Payment:
    return Payment(
        agency_id=order.agency_id,
        client_id=order.client_id,
        amount=intent.received,
        currency=order.currency,
        method=method_of(intent),
        reference=f"Stripe {intent.method}".strip(),
        provider_id=intent.id,
        received_at=now,
        recorded_by=order.buyer,
        key=f"order:{order.pk}",
        created_at=now,
    )


def _give_to_balance(order: TopUpOrder, now: dt.datetime, *, by: User | None) -> BalanceEntry:
    return enter(
        lock_balance(order.client, order.currency),
        kind=BalanceEntry.Kind.ADJUSTMENT,
        amount=Decimal(order.gross),
        now=now,
        key=f"order:{order.pk}",
        reason=f"{order}, paid and not granted",
        created_by=by,
    )


def _settle(
    order: TopUpOrder,
    intent: Intent,
    now: dt.datetime,
    *,
    purchase: TopUpPurchase | None = None,
    failure: str = "",
) -> TopUpOrder:
    order.state = TopUpOrder.State.PAID
    order.intent_id = intent.id
    order.paid_at = order.paid_at or now
    order.purchase = purchase
    order.failure, order.trouble, order.pay_url = failure, "", ""
    order.save(
        update_fields=[
            *("state", "intent_id", "paid_at", "purchase", "failure", "trouble", "pay_url"),
        ]
    )
    return order
