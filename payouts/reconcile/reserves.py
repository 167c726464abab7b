"""Reserves for disputes: worked out again from the payout that they are of, released once."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from payouts.facts import facts_of
from payouts.models import DisputeReserve, Earning
from payouts.reserve import exposed, held_back

from .earnings import name_of as earning_name
from .findings import Checked, Finding, compare, unexpected
from .scope import CHUNK, Scope

SUBJECT: Final = "Reserves for disputes"


def check_reserves(scope: Scope) -> Iterator[Finding]:
    """Every reserve against its payout's earnings, and no earning of the kind without one."""
    rows = scope.of(DisputeReserve.objects.select_related("payout", "held", "released"))
    for reserve in rows.order_by("pk").iterator(chunk_size=CHUNK // 20):
        yield from _check_reserve(reserve)
        yield Checked(SUBJECT, 1)
    alone = Earning.objects.filter(
        kind=Earning.Kind.RESERVE, reserve_held=None, reserve_released=None
    )
    for earning in scope.of(alone).order_by("pk"):
        yield unexpected(SUBJECT, earning, earning_name(earning), earning.amount)


def _check_reserve(reserve: DisputeReserve) -> Iterator[Finding]:
    payout = reserve.payout
    items = payout.items.select_related(
        "earning__invoice_line__charge", "earning__credit_line__charge"
    )
    earnings = [item.earning for item in items if item.earning_id != reserve.held_id]
    facts = facts_of(earnings)
    base = exposed(facts)
    balance = payout.opening + sum((fact.amount for fact in facts), Decimal(0))
    wanted = held_back(base, reserve.percent, balance=balance, currency=payout.currency)
    fields: dict[str, tuple[Any, Any]] = {
        "base": (reserve.base, base),
        "amount": (reserve.amount, wanted),
        "currency": (reserve.currency, payout.currency),
        "held": (reserve.held.amount, -reserve.amount),
        "held.agency": (reserve.held.agency_id, payout.agency_id),
    }
    if reserve.released is not None:
        fields |= {
            "released": (reserve.released.amount, reserve.amount),
            "released.occurred_at": (reserve.released.occurred_at, reserve.release_at),
        }
    yield from compare(SUBJECT, reserve, str(reserve), fields)
