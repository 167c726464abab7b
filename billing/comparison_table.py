"""A comparison of plans as text for a terminal, and as JSON."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from agencyportal.core.money import format_money, plain, round_half_up, round_money

from .comparison import Compared, Comparison
from .simulation_result import instant_text
from .simulation_table import aligned

COLUMNS = ("plan", "bill", "for usage", "once", "routed cost", "margin", "margin %")


def comparison_table(comparison: Comparison) -> str:
    """A row a plan, and in words what a row's figures do not say."""
    currency = comparison.currency
    rows = [_row(row, currency) for row in comparison.rows]
    text = [*aligned([COLUMNS, *rows], left=1)]
    notes = [note for row in comparison.rows for note in _notes(row, currency)]
    if notes:
        text += ["", *notes]
    return "\n".join([*text, "", _verdict(comparison)])


def _row(row: Compared, currency: str) -> tuple[str, ...]:
    amounts = (
        row.bill,
        row.for_usage,
        row.once,
        row.cost,
        row.margin,
    )
    percent = "" if row.margin_percent is None else f"{round_half_up(row.margin_percent, 1)}"
    return (row.name, *(format_money(amount, currency) for amount in amounts), percent)


def _notes(row: Compared, currency: str) -> list[str]:
    notes = []
    if row.ahead:
        ahead = format_money(row.ahead, currency)
        notes.append(f"{row.name} asks {ahead} in advance for the time after: left out.")
    if row.unserved:
        notes.append(f"{row.name} has no {', '.join(row.unserved)}: that usage is left out.")
    if row.refused:
        notes.append(f"{row.name} would have refused {plain(row.refused)} units.")
    if row.free:
        notes.append(f"{row.name} does not charge {plain(row.free)} units beyond its credit.")
    if row.dropped:
        notes.append(f"{row.name} has no place for {row.dropped} of the purchases and grants.")
    return notes


def _verdict(comparison: Comparison) -> str:
    cheapest = comparison.cheapest
    if cheapest is None:
        return "No plan here serves all of this usage."
    total = format_money(cheapest.bill, comparison.currency)
    return f"Cheapest for the client: {cheapest.name}, {total}. Fees asked once are left out."


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Decimals as strings; amounts with the currency's digits, cost as exact as it is known."""
    currency = comparison.currency

    def money(amount: Decimal) -> str:
        return format(round_money(amount, currency), "f")

    cheapest = comparison.cheapest
    return {
        "currency": currency,
        "plans": [
            {
                "plan": row.name,
                "bill": money(row.bill),
                "for_usage": money(row.for_usage),
                "once": money(row.once),
                "ahead": money(row.ahead),
                "cost": plain(row.cost),
                "margin": money(row.margin),
                "refused": plain(row.refused),
                "not_charged": plain(row.free),
                "unserved": list(row.unserved),
                "dropped": row.dropped,
                "periods": [
                    {
                        "start": instant_text(period.period.start),
                        "end": instant_text(period.period.end),
                        "total": money(period.total),
                    }
                    for period in row.result.periods
                ],
            }
            for row in comparison.rows
        ],
        "cheapest": None if cheapest is None else cheapest.name,
    }
