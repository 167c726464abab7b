"""Buys what automatic top-ups call for: looked for by a tick, one purchase at a time.

Recording only counts: a window whose usage has changed since the last look is what the tick finds.
It reads what is left again with the workspace held alone, and writes the intent (the order, the
purchase and its place in the month) in one transaction; then Stripe is asked. So any number of
triggers and workers find one of three things: enough is left, a purchase is open, or the number
that they ask for is taken.

Lock order: the workspace alone -> the automatic top-up -> its month; balances of caps after those.
"""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from billing import stripe_gateway as gateway
from billing.models import (
    AutomaticPurchase,
    AutomaticTopUp,
    AutomaticTopUpMonth,
    BillingPeriod,
    TopUpBand,
    TopUpConsent,
    TopUpOrder,
    TopUpPurchase,
)
from billing.refusals import NotAdmittedError, RefusedError
from billing.runaway import BURST, HOUR, PACE_LOOKS_BACK, is_burst, runs_wild
from billing.selectors.balances import Balance, balances
from billing.stripe_gateway import GatewayError
from clients.models import UsageWindow, Workspace
from clients.selectors import counted_quarters_by_unit
from clients.services import windows

from .automatic_consent import buys_itself
from .automatic_mail import tell_maximum
from .automatic_standing import count_in, lock_automatic, month_of, next_month_at, stop, wait
from .automatic_terms import TERMS_VERSION
from .caps import make_ready
from .purchases import book
from .stripe_customers import customer_of
from .suspensions import refusal_for
from .top_up_orders import begin_payment, price_of, write_order

LOOKED_AT_AGAIN: Final = HOUR
"""What is in the way may be gone by then: a limit on spending, an invoice that is not paid."""

_Reason = AutomaticTopUp.Reason
_logger = logging.getLogger(__name__)


def look_at_all(*, now: dt.datetime, limit: int) -> int:
    """Look at what may call for a purchase; how many were set off. Each in its own transaction;
    one that fails is logged and holds up no other."""
    made = 0
    for automatic_id in list(_due(now)[:limit]):
        try:
            made += look(automatic_id=automatic_id, now=now) is not None
        except Exception:
            _logger.exception("the automatic top-up %s was not looked at", automatic_id)
    return made


def look(*, automatic_id: int, now: dt.datetime) -> AutomaticPurchase | None:
    """Buy one band if little enough is left and nothing speaks against it; what was set off.

    Owns its transaction, and asks Stripe after it. A payment that Stripe does not answer for is
    asked for again by the tick of orders, under its own key.
    """
    rows = AutomaticTopUp.objects.select_related("workspace__client", "consent")
    found = rows.get(pk=automatic_id)
    if _has_enough(found, now):
        return None
    make_ready(workspace=found.workspace, now=now)
    with transaction.atomic():
        workspace = windows.lock_workspace(found.workspace_id, changes_credit=False)
        automatic = lock_automatic(automatic_id)
        made = _decide(workspace, automatic, now)
    if made is not None and made.order is not None:
        try:
            begin_payment(order=made.order, now=now)
        except GatewayError as error:
            _logger.warning("%s: %s", made.order, error)
    return made


def _due(now: dt.datetime) -> list[int]:
    """Those that are on, whose usage or standing has changed since they were looked at."""
    mine = UsageWindow.objects.filter(
        workspace=OuterRef("workspace"), unit=OuterRef("unit"), start__lte=now, end__gt=now
    )
    changed = mine.exclude(start=OuterRef("looked_start"), used=OuterRef("looked_used"))
    on = AutomaticTopUp.objects.filter(state=AutomaticTopUp.State.ON, look_at__lte=now)
    due = on.filter(Q(looked_used=None) | Exists(changed)).order_by("look_at", "pk")
    return list(due.values_list("pk", flat=True))


def _has_enough(automatic: AutomaticTopUp, now: dt.datetime) -> bool:
    """Whether more is left than agreed, as mostly: found out without holding up who records.

    What is noted then holds only where nobody has said anything about it meanwhile.
    """
    consent = automatic.consent
    if consent is None or consent.terms_version != TERMS_VERSION:
        return False
    looked = _looked(automatic, now)
    balance = _balance(automatic.workspace, automatic, now)
    if balance is None or balance.remaining <= consent.threshold:
        return False
    same = AutomaticTopUp.objects.filter(pk=automatic.pk, consent=consent, since=automatic.since)
    same.filter(looked_used=automatic.looked_used).update(**looked)
    return True


def _balance(workspace: Workspace, automatic: AutomaticTopUp, now: dt.datetime) -> Balance | None:
    found = balances(workspace=workspace, now=now)
    return next((row for row in found if row.unit.pk == automatic.unit_id), None)


@dataclass(frozen=True, slots=True)
class _Call:
    """What calls for a purchase: all that deciding about it needs."""

    workspace: Workspace
    automatic: AutomaticTopUp
    consent: TopUpConsent
    balance: Balance
    band: TopUpBand
    now: dt.datetime

    @property
    def period(self) -> BillingPeriod:
        return self.balance.period


def _decide(
    workspace: Workspace, automatic: AutomaticTopUp, now: dt.datetime
) -> AutomaticPurchase | None:
    """Find out whether to buy, with workspace and row held."""
    consent = automatic.consent
    if automatic.state != AutomaticTopUp.State.ON or consent is None or automatic.look_at > now:
        return None
    _note_look(automatic, now)
    balance = _balance(workspace, automatic, now)
    if balance is None or balance.period.is_trial or buys_itself(balance.period, balance.unit):
        return None
    if consent.terms_version != TERMS_VERSION:
        stop(automatic, _Reason.TERMS, now)
        return None
    if balance.remaining > consent.threshold or _is_open(automatic):
        return None
    band = _same_band(consent, balance.period)
    if band is None:
        stop(automatic, _Reason.OFFER, now)
        return None
    return _unless_stopped(_Call(workspace, automatic, consent, balance, band, now))


def _note_look(automatic: AutomaticTopUp, now: dt.datetime) -> None:
    """Until usage changes, or something is said about it, nothing is looked at again."""
    looked = _looked(automatic, now)
    for name, value in looked.items():
        setattr(automatic, name, value)
    automatic.save(update_fields=list(looked))


def _looked(automatic: AutomaticTopUp, now: dt.datetime) -> dict[str, Any]:
    """What a look notes; read before what is left is worked out, so that nothing is missed."""
    window = UsageWindow.objects.filter(
        workspace=automatic.workspace_id, unit=automatic.unit_id, start__lte=now, end__gt=now
    ).first()
    return {
        "looked_start": window.start if window else now,
        "looked_used": window.used if window else Decimal(0),
        "reason": "",
        "detail": "",
    }


def _is_open(automatic: AutomaticTopUp) -> bool:
    return automatic.purchases.filter(state=AutomaticPurchase.State.OPEN).exists()


def _same_band(consent: TopUpConsent, period: BillingPeriod) -> TopUpBand | None:
    """The band that was agreed to, as the running period's version of the package offers it; None
    where it does not, or differently."""
    agreed = consent.band
    if agreed.version_id == period.plan_version_id:
        return agreed
    if consent.currency != period.currency:
        return None
    terms = ("name", "unit_id", "quantity", "price", "expires", "buyer")
    same = TopUpBand.objects.select_related("unit").filter(
        version=period.plan_version_id, **{name: getattr(agreed, name) for name in terms}
    )
    return same.first()


def _unless_stopped(call: _Call) -> AutomaticPurchase | None:
    """Buy, unless the breakers or the way of paying stand against it."""
    automatic, now = call.automatic, call.now
    by_card = call.consent.pay == TopUpConsent.Pay.CARD
    if by_card and not gateway.is_on():
        wait(automatic, _Reason.NO_STRIPE, now + LOOKED_AT_AGAIN)
        return None
    if refusal_for(automatic.client_id) is not None:
        wait(automatic, _Reason.SUSPENDED, now + LOOKED_AT_AGAIN)
        return None
    if by_card and not _has_card(call):
        stop(automatic, _Reason.NO_CARD, now)
        return None
    if not by_card and not automatic.client.automatic_on_account:
        stop(automatic, _Reason.ON_ACCOUNT, now)
        return None
    since = automatic.since or call.consent.given_at
    if is_burst(_made_lately(automatic, now), since=since, now=now):
        stop(automatic, _Reason.BURST, now)
        return None
    quarters = counted_quarters_by_unit(
        workspace_id=call.workspace.pk, start=now - PACE_LOOKS_BACK - 2 * HOUR, end=now + HOUR
    ).get(automatic.unit_id, [])
    used = [(quarter.start, quarter.quantity) for quarter in quarters]
    if runs_wild(used, band=call.band.quantity, trusted_since=since, now=now) is not None:
        stop(automatic, _Reason.PACE, now)
        return None
    return _buy_within_maxima(call)


def _has_card(call: _Call) -> bool:
    customer = customer_of(call.automatic.client)
    return customer is not None and customer.has_card


def _made_lately(automatic: AutomaticTopUp, now: dt.datetime) -> list[dt.datetime]:
    """When purchases were set off; those that came to nothing cost nothing, and do not count."""
    made = automatic.purchases.filter(is_counted=True, made_at__gt=now - BURST)
    return list(made.values_list("made_at", flat=True))


def _buy_within_maxima(call: _Call) -> AutomaticPurchase | None:
    """Take a place in the month and write the intent, together or not at all."""
    automatic, now = call.automatic, call.now
    price = price_of(
        client=call.automatic.client, band=call.band, currency=call.period.currency, now=now
    )
    month = month_of(automatic, call.consent, now)
    try:
        with transaction.atomic():
            if count_in(month.pk, price.gross):
                return _write(call, month, price.gross)
            _wait_for_next_month(automatic, month, now)
    except NotAdmittedError as refused:
        wait(automatic, _Reason.CAP, now + LOOKED_AT_AGAIN, detail=str(refused))
    except RefusedError as refused:
        stop(automatic, _Reason.REFUSED, now, detail=str(refused))
    return None


def _wait_for_next_month(
    automatic: AutomaticTopUp, month: AutomaticTopUpMonth, now: dt.datetime
) -> None:
    wait(automatic, _Reason.MAXIMUM, next_month_at(now, automatic.client.timezone))
    tell_maximum(automatic=automatic, month=month.first_day, now=now)


def _write(call: _Call, month: AutomaticTopUpMonth, gross: Decimal) -> AutomaticPurchase:
    automatic, now = call.automatic, call.now
    automatic.number += 1
    automatic.save(update_fields=["number"])
    order, purchase = _order_or_purchase(call, f"automatic:{automatic.pk}:{automatic.number}")
    states = AutomaticPurchase.State
    return AutomaticPurchase.objects.create(
        agency_id=automatic.agency_id,
        client_id=automatic.client_id,
        automatic=automatic,
        consent=call.consent,
        month=month,
        number=automatic.number,
        band=call.band,
        left=call.balance.remaining,
        gross=gross,
        currency=call.period.currency,
        order=order,
        purchase=purchase,
        state=states.OPEN if purchase is None else states.BOUGHT,
        made_at=now,
        ended_at=None if purchase is None else now,
        created_at=now,
    )


def _order_or_purchase(call: _Call, key: str) -> tuple[TopUpOrder | None, TopUpPurchase | None]:
    """An order for the card; on account it is bought at once."""
    if call.consent.pay == TopUpConsent.Pay.CARD:
        order = write_order(
            call.workspace,
            call.band,
            call.period,
            method=TopUpOrder.Method.CARD,
            now=call.now,
            key=key,
            buyer=None,
        )
        return order, None
    bought = book(call.workspace, call.band, call.period, at=call.now, key=key, now=call.now)
    windows.lock_workspace(call.workspace.pk)  # credit has changed
    AutomaticTopUp.objects.filter(pk=call.automatic.pk).update(looked_used=None)
    return None, bought
