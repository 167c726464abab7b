"""Which waiting charges go on which invoice (ENGINE 11). Pure: no Django, no clock, no database.

A charge belongs on the invoice of its instant, ``bill_at``: a period's end for usage, a period's
start for fees in advance. That invoice is made once every period that ends there is closed. What
comes after it was issued is *late* and goes on the next one. Nothing is ever left without a next
one: see `gather`, and the examples in billing/README.md.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

LONGEST_WAIT: Final = dt.timedelta(days=31)
"""A late charge waits at most this long for company: a month's invoice, not a year's."""

ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class WaitingCharge:
    """A charge on no invoice yet. ``amount`` is what the platform collects of it: 0 when the
    agency collects it. ``opening``: a first fee, which activation invoices at once.
    """

    id: int
    bill_at: dt.datetime
    amount: Decimal
    opening: bool = False


@dataclass(frozen=True, slots=True)
class Bundle:
    """Charges for one invoice, the one at ``bill_at``."""

    bill_at: dt.datetime
    charge_ids: tuple[int, ...]


def gather(
    charges: Iterable[WaitingCharge],
    *,
    ends: Mapping[dt.datetime, bool],
    issued: Collection[dt.datetime],
    drafted: Mapping[dt.datetime, Decimal],
    now: dt.datetime,
) -> list[Bundle]:
    """The invoices to be drafted for one client in one currency, oldest first.

    ``ends``: ends of the client's periods, past and planned, and whether every period that ends
    there is closed. ``issued``: instants whose invoice is issued. ``drafted``: instants that have
    a draft, with what the platform collects on it.

    Late charges, and charges that together would make a negative invoice, are carried to the next
    instant that has none issued. They wait for an instant up to `LONGEST_WAIT` ahead; with none
    in reach they are invoiced by themselves, at ``now``. Late first fees never wait. Credit that
    finds no charge to be set off against stays waiting.
    """
    by_instant: dict[dt.datetime, list[WaitingCharge]] = {}
    for charge in charges:
        by_instant.setdefault(charge.bill_at, []).append(charge)
    instants = sorted({*by_instant, *ends, *drafted, *issued})
    bundles: list[Bundle] = []
    carried: list[WaitingCharge] = []
    at_once: list[WaitingCharge] = []
    for instant in instants:
        here = by_instant.get(instant, [])
        if instant > now + LONGEST_WAIT:
            break
        if instant in issued:
            if instant <= now:
                at_once += [charge for charge in here if charge.opening]
                carried += [charge for charge in here if not charge.opening]
        elif instant > now or not ends.get(instant, True):
            carried = []  # they wait here
        elif sum_of([*carried, *here]) + drafted.get(instant, ZERO) < 0:
            carried += here
        elif carried or here:
            bundles.append(_bundle(instant, [*carried, *here]))
            carried = []
    alone = [*carried, *at_once]
    if alone and sum_of(alone) >= 0 and now not in instants:
        bundles.append(_bundle(now, alone))
    return bundles


def sum_of(charges: Iterable[WaitingCharge]) -> Decimal:
    """What the platform collects of ``charges``."""
    return sum((charge.amount for charge in charges), ZERO)


def _bundle(bill_at: dt.datetime, charges: Iterable[WaitingCharge]) -> Bundle:
    return Bundle(bill_at, tuple(sorted(charge.id for charge in charges)))
