"""Stored earnings as the pure core's facts."""

from __future__ import annotations

from collections.abc import Iterable

from payouts.models import Earning
from payouts.statement import EarningFact, EarningKind, Place, source_of


def facts_of(earnings: Iterable[Earning]) -> list[EarningFact]:
    """Facts of earnings that come with their line, of an invoice or a credit note, and its charge.
    No queries then."""
    return [
        EarningFact(EarningKind(earning.kind), earning.amount, place_of(earning))
        for earning in earnings
    ]


def place_of(earning: Earning) -> Place:
    """The line of a statement that an earning belongs on.

    A fee stands by its kind, usage by its unit; usage without a unit (a minimum commitment) by
    its kind as well. Routed cost has no invoice line: it is usage of its unit.
    """
    line = earning.invoice_line or earning.credit_line
    charge = None if line is None else line.charge
    kind = "" if charge is None else charge.kind
    discounted = charge.details.get("group", "") if charge and kind == "discount" else ""
    source = source_of(kind, discounted=discounted)
    return Place(
        client=earning.client_id,
        workspace=earning.workspace_id,
        source=source,
        unit=earning.unit_id,
        kind="" if source == "usage" and earning.unit_id else kind,
    )
