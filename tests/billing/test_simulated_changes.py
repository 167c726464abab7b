"""Changes of plan and pauses in a scenario: worked examples, and what is refused.

`test_closing_equivalence` compares them with the books.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from billing.comparison import compare
from billing.scenario import DocumentError, parse_scenario
from billing.simulation import simulate
from billing.simulation_table import simulation_table
from tests.billing.scenario_samples import example

D = Decimal


def larger(**changes: Any) -> dict[str, Any]:
    """5,000 conversations for 999.00."""
    plan = example()["plan"] | {"name": "Growth"}
    plan["fees"] = [{"name": "Growth", "kind": "base", "amount": "999.00", "when": "period"}]
    plan["allowances"] = [plan["allowances"][0] | {"included": "5000"}]
    return plan | changes


def story(**members: Any) -> dict[str, Any]:
    """The example from January on, without what is bought and given, 900 used on the 3rd."""
    used = {"unit": "conversation", "time": "2026-01-03T12:00:00Z", "quantity": "900"}
    return example() | {"purchases": [], "grants": [], "usage": [used]} | members


def test_the_engines_change_of_plan():
    """1,000 -> 5,000 on day 16 of 31, 900 used: 2,165 left; 499.00 less 257.55, and 515.61."""
    change = {"at": "2026-01-16T17:00:00Z", "plan": larger(), "when": "now"}
    after = {"unit": "conversation", "time": "2026-01-20T12:00:00Z", "quantity": "2165"}
    document = story(changes=[change])
    document["usage"].append(after)

    old, new, february, _ = simulate(parse_scenario(document)).periods

    assert [(line.kind, line.amount) for line in old.lines] == [
        ("implementation", D(2500)),
        ("base", D("241.45")),
    ]
    assert [(line.kind, line.amount) for line in new.lines] == [("base", D("515.61"))]
    (of_new,) = new.units
    assert (of_new.waterfall.overage, of_new.waterfall.expired) == (0, 0)
    assert [line.amount for line in february.lines] == [D(999)]


def test_a_pause():
    """Days 1 to 10 and 21 to 31: 160.97 and 177.06; nobody uses anything in between."""
    pause = {"from": "2026-01-11T05:00:00Z", "to": "2026-01-21T05:00:00Z"}
    document = story(pauses=[pause])
    document["usage"].append(
        {"unit": "conversation", "time": "2026-01-15T12:00:00Z", "quantity": "7"}
    )

    before, after, *_ = simulate(parse_scenario(document)).periods

    assert [line.amount for line in before.lines] == [D(2500), D("160.97")]
    assert [line.amount for line in after.lines] == [D("177.06")]
    assert [unit.waterfall.used for unit in (*before.units, *after.units)] == [900, 0]


AT = "2026-01-16T17:00:00Z"


@pytest.mark.parametrize(
    ("members", "path", "problem"),
    [
        ({"changes": [{"at": AT}]}, "changes[0].plan", "missing"),
        ({"changes": [{"at": AT, "plan": larger(), "when": "soon"}]}, "changes[0].when", "one of"),
        (
            {"changes": [{"at": AT, "plan": larger(currency="EUR")}]},
            "changes[0].plan",
            "one currency",
        ),
        (
            {"changes": [{"at": AT, "plan": larger(timezone="Europe/Berlin")}]},
            "changes[0].plan",
            "time zone",
        ),
        (
            {"changes": [{"at": "2025-12-16T17:00:00Z", "plan": larger()}]},
            "changes[0]",
            "nothing runs then",
        ),
        (
            {"changes": [{"at": "2026-01-01T17:00:00Z", "plan": larger()}]},
            "changes[0]",
            "starts with the other plan",
        ),
        (
            {
                "changes": [
                    {"at": AT, "plan": larger(), "when": "period_end"},
                    {"at": "2026-01-20T17:00:00Z", "plan": larger()},
                ]
            },
            "changes[1]",
            "nothing runs then",
        ),
        (
            {"trial_days": 30, "changes": [{"at": AT, "plan": larger()}]},
            "changes[0]",
            "after the trial",
        ),
        (
            {"pauses": [{"from": AT, "to": "2026-01-10T00:00:00Z"}]},
            "pauses[0].to",
            "after the pause begins",
        ),
        (
            {
                "pauses": [{"from": AT, "to": None}],
                "changes": [{"at": "2026-02-16T17:00:00Z", "plan": larger()}],
            },
            "changes[0]",
            "nothing runs then",
        ),
        (
            {
                "pauses": [{"from": AT}],
                "purchases": [{"top_up": "Growth 500", "at": "2026-02-01T00:00:00Z"}],
            },
            "purchases[0].at",
            "outside the subscription",
        ),
        (
            {
                "changes": [
                    {
                        "at": AT,
                        "plan": larger(
                            interval="year",
                            allowances=[larger()["allowances"][0] | {"interval": "month"}],
                        ),
                    }
                ]
            },
            "changes[0]",
            "fees for longer",
        ),
    ],
)
def test_what_no_subscription_could_have_is_refused(
    members: dict[str, Any], path: str, problem: str
):
    with pytest.raises(DocumentError) as refusal:
        simulate(parse_scenario(story(**members)))

    assert refusal.value.path == path
    assert problem in refusal.value.problem


def test_a_story_of_several_plans_is_not_compared():
    document = story(changes=[{"at": AT, "plan": larger()}])

    with pytest.raises(ValueError, match="under one of them"):
        compare(parse_scenario(document), [])


def test_the_table_says_which_plan_holds_from_when():
    pause = {"from": "2026-02-11T05:00:00Z", "to": "2026-02-21T05:00:00Z"}
    parsed = parse_scenario(story(changes=[{"at": AT, "plan": larger()}], pauses=[pause]))

    heading = simulation_table(parsed, simulate(parsed)).splitlines()[:3]

    assert heading == [
        "Support Starter (USD, month, America/New_York)",
        "Growth from 2026-01-16",
        "Growth from 2026-02-21",
    ]
