"""The result of a simulation as text for a terminal: amounts right-aligned, one block a period."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from agencyportal.core.money import format_money, plain

from .scenario import ScenarioDocument
from .scenario_changes import Stretch
from .simulation_result import Line, PeriodResult, SimulationResult

USAGE_COLUMNS = ("used", "included", "top-up", "overage", "expired", "rolled over")


def simulation_table(scenario: ScenarioDocument, result: SimulationResult) -> str:
    """A scenario's periods, lines and totals in plain text; dates are local to the plan."""
    plan, zone = scenario.plan, ZoneInfo(scenario.plan.timezone or "UTC")
    own = f", allowances by the {plan.period_interval}" if plan.fee_interval else ""
    interval = plan.interval + own
    heading = [f"{plan.name} ({plan.currency}, {interval}, {zone.key})"]
    heading += (_told(stretch, zone) for stretch in scenario.stretches[1:])
    blocks = ["\n".join(heading)]
    blocks += [_period_text(period, result.currency, zone) for period in result.periods]
    if not result.periods:
        blocks.append("No period begins before the scenario's `until`.")
    blocks.append(f"Total {format_money(result.total, result.currency)}")
    return "\n\n".join(blocks)


def _told(stretch: Stretch, zone: ZoneInfo) -> str:
    """From when another plan holds, or the same again after a pause."""
    return f"{stretch.plan.name} from {_date_text(stretch.start, zone)}"


def _period_text(result: PeriodResult, currency: str, zone: ZoneInfo) -> str:
    start, end = (_date_text(i, zone) for i in (result.period.start, result.period.end))
    usage = [
        (
            unit.unit,
            *(
                plain(quantity)
                for quantity in (
                    unit.waterfall.used,
                    unit.waterfall.included,
                    unit.waterfall.top_up,
                    unit.waterfall.overage,
                    unit.waterfall.expired,
                    unit.waterfall.rolled_over,
                )
            ),
        )
        for unit in result.units
    ]
    lines = [
        (line.kind, _description(line), plain(line.quantity), format_money(line.amount, currency))
        for line in result.lines
    ]
    total = ("total", "", "", format_money(result.total, currency))
    return "\n".join(
        [
            f"{start} to {end}",
            *aligned([("unit", *USAGE_COLUMNS), *usage], left=1),
            "",
            *aligned([("line", "", "quantity", "amount"), *lines, total], left=2),
        ]
    )


def _description(line: Line) -> str:
    by_agency = line.collected_by == "agency"
    return f"{line.description} (collected by the agency)" if by_agency else line.description


def _date_text(instant: datetime, zone: ZoneInfo) -> str:
    """The local date, with the time of day where a boundary is not at midnight."""
    local = instant.astimezone(zone)
    is_midnight = not (local.hour or local.minute)
    return f"{local:%Y-%m-%d}" if is_midnight else f"{local:%Y-%m-%d %H:%M}"


def aligned(rows: Sequence[Sequence[str]], *, left: int) -> list[str]:
    """Rows as text, the first ``left`` columns to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  "
        + "  ".join(
            cell.ljust(width) if index < left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
