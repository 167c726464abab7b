"""What a scenario says about the questions of an `ask` policy. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from agencyportal.core.periods import Period, quarter_floor

from .asking import Asked, AskFirst, answer_by
from .scenario import ScenarioDocument


def asked_in(
    scenario: ScenarioDocument,
    unit: str,
    ask: AskFirst,
    overage: Mapping[datetime, Decimal],
    period: Period,
) -> Asked | None:
    """The question of a unit in a period with its answer; None where nothing calls for one.

    It is asked in the first quarter hour with ``overage``. The first answer of the scenario from
    then on counts, if it comes in time; without one the question times out.
    """
    if not overage:
        return None
    asked_at = min(overage)
    deadline = answer_by(asked_at, ask.within, period.end, scenario.plan.timezone or "UTC")
    in_time = (
        answer
        for answer in scenario.answers
        if answer.unit == unit
        and asked_at <= quarter_floor(answer.at)
        and answer.at < min(deadline, scenario.until)
    )
    found = min(in_time, key=lambda answer: answer.at, default=None)
    if found is None:
        return Asked(deadline)
    return Asked(deadline, found.answer, found.at)
