"""The books and the simulator agree: the same scenario gives the same units, lines and totals."""

from __future__ import annotations

import os
from random import Random
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.scenario import ScenarioDocument, parse_scenario
from billing.simulation import simulate

from .books import keep_books, simulated
from .scenario_samples import example, scenario

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

PER_UNIT = {"model": "per_unit", "unit_amount": "0.105"}
PACKAGE = {"model": "package", "package_size": "7", "package_amount": "1.01"}
GRADUATED = {
    "model": "graduated",
    "tiers": [
        {"up_to": "10", "unit_amount": "0.50"},
        {"up_to": None, "unit_amount": "0.01", "flat_amount": "3"},
    ],
}
VOLUME = GRADUATED | {"model": "volume"}
COST_PLUS = {"model": "cost_plus", "margin_percent": "30", "surcharge_per_unit": "0.01"}
ASK = {"policy": "ask", "up_to": "20", "answer_within": "P2D", "pricing": PER_UNIT}
FEES: list[dict[str, Any]] = [
    {"name": "Setup", "kind": "implementation", "amount": "100", "when": "once"},
    {"name": "Base", "kind": "base", "amount": "49.99", "when": "period"},
    {
        "name": "Care",
        "kind": "support",
        "amount": "10.5",
        "when": "period",
        "prorate": False,
        "collected_by": "agency",
    },
]
DISCOUNTS: list[dict[str, Any]] = [
    {"name": "Launch", "on": "all", "percent": "12.5", "periods": 2},
    {"name": "Voucher", "on": "all", "amount": "33.35"},
    {"name": "Setup", "on": "once", "amount": "20"},
]
AGREED: list[dict[str, Any]] = [
    {"name": "Sorry", "on": "fees", "amount": "5", "effective_at": "2026-02-01T00:00:00Z"},
    {"name": "Half", "on": "overage", "percent": "50", "expires_at": "2026-03-01T00:00:00Z"},
]
ZONES = ["UTC", "America/New_York", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe"]


def agree(document: dict[str, Any], random: Random) -> None:
    parsed: ScenarioDocument = parse_scenario(document)
    with transaction.atomic():
        books = keep_books(parsed, random)
        transaction.set_rollback(True)
    assert books == simulated(simulate(parsed), parsed.until)


@pytest.mark.parametrize(
    "document",
    [
        example(),
        scenario(usage={"2026-01-05": "150", "2026-02-05": "10.5"}, fees=FEES),
        scenario(usage={"2026-02-05": "80"}, end="2026-02-11T00:00:00Z", fees=FEES),
        scenario(usage={"2026-03-05": "300"}, allowance={"rollover_max": "150"}),
        scenario(
            overage=ASK,
            usage={
                "2026-01-05": "110",
                "2026-01-06": "15",
                "2026-01-06T18:15:00": "1",
                "2026-01-08": "9",
                "2026-02-05": "130",
                "2026-02-06": "7",
                "2026-03-05": "107",
                "2026-03-07": "3",
                "2026-03-09": "5",
            },
            answers=[
                {"unit": "page", "at": "2026-01-06T18:07:00Z", "answer": "refused"},
                {"unit": "page", "at": "2026-02-06T12:07:00Z", "answer": "approved"},
            ],
        ),
        scenario(usage={"2026-01-05": "99"}, plan={"minimum_commitment": "20"}),
        scenario(
            usage={"2026-01-05": "150", "2026-02-05": "170"},
            plan={"trial_days": 14, "anchor": None, "minimum_commitment": "20"},
            fees=FEES,
            allowance={"rollover_max": "50"},
        ),
        scenario(usage={"2026-01-05": "150"}, end="2026-01-09T00:00:00Z", fees=FEES)
        | {"trial_days": 30},
        scenario(
            start="2026-01-10T00:00:00Z",
            usage={"2026-01-15": "120"},
            grants=[
                {
                    "id": f"until {day} January",
                    "unit": "page",
                    "quantity": "10",
                    "effective_at": "2026-01-02T00:00:00Z",
                    "expires_at": f"2026-01-{day}T00:00:00Z",
                }
                for day in (10, 20)
            ],
        ),
        scenario(
            usage={"2026-01-31T23:59:59": "150"},
            plan={"anchor": "2026-01-31", "timezone": "America/New_York"},
            until="2026-06-01T00:00:00Z",
            fees=FEES,
        ),
        scenario(
            start="2025-12-10T00:00:00Z",
            usage={"2026-01-05": "170", "2026-02-05": "10.5"},
            plan={"interval": "year", "anchor": "2025-03-31", "discounts": DISCOUNTS},
            allowance={"interval": "month", "rollover_max": "60"},
            end="2026-05-11T00:00:00Z",
            until="2026-06-01T00:00:00Z",
            fees=FEES,
            discounts=AGREED,
        ),
        scenario(
            usage={"2026-01-10": "170"},
            overage={"policy": "bill", "pricing": VOLUME, "cap_amount": "3.5"},
            purchases=[{"top_up": "50 pages", "at": "2026-01-10T12:10:00Z"}],
        ),
        scenario(
            usage={"2026-01-10": "95", "2026-02-10": "170"},
            purchases=[
                {"top_up": "50 pages", "at": "2026-01-30T12:10:00Z", "starts": "next_period"}
            ],
            top_up={"expires": "period_end"},
        ),
        scenario(
            usage={"2026-01-10": "95", "2026-01-12": "100", "2026-02-10": "170"},
            overage={
                "policy": "top_up",
                "top_up": "50 pages",
                "at": "10",
                "max_count": 2,
                "then": "bill",
                "pricing": {"model": "per_unit", "unit_amount": "0.105"},
            },
        ),
    ],
)
def test_on_what_was_written_down(document: dict[str, Any]) -> None:
    for usage in document["usage"]:
        usage["time"] = usage["time"].removesuffix("Z") + "Z"
    agree(document, Random(7))


times = st.tuples(
    st.integers(1, 4), st.integers(1, 28), st.integers(0, 23), st.integers(0, 59)
).map(lambda t: f"2026-{t[0]:02}-{t[1]:02}T{t[2]:02}:{t[3]:02}:00Z")
hot_times = st.sampled_from(
    ["2026-01-31T23:59:59Z", "2026-02-01T00:00:00Z", "2026-02-01T05:00:00Z", "2026-03-01T04:59:00Z"]
)
quantities = st.integers(0, 80).map(str) | st.integers(0, 10**8).map(
    lambda n: f"{n // 10**6}.{n % 10**6:06}"
)


INTERVALS = [
    ("month", None),
    ("month", None),
    ("quarter", None),
    ("quarter", "month"),
    ("year", "month"),
]
"""Of the plan and its fees, and of its allowances where that is another."""


@st.composite
def allowances(draw: st.DrawFn, unit: str, interval: str | None) -> dict[str, Any]:
    pricing = draw(st.sampled_from([PER_UNIT, PACKAGE, GRADUATED, VOLUME, COST_PLUS]))
    policy = draw(st.sampled_from(["bill", "bill", "bill", "block", "notify", "top_up"]))
    overage = {
        "policy": policy,
        "pricing": pricing,
        "cap_amount": draw(st.sampled_from([None, None, "5.5"])),
    }
    if policy == "top_up":
        overage |= {
            "top_up": f"Pack of {unit}s",
            "at": draw(st.sampled_from(["0", "10", "60"])),
            "max_count": draw(st.sampled_from([1, 3])),
            "max_amount": draw(st.sampled_from([None, "8.5"])),
            "then": draw(st.sampled_from(["bill", "block", "notify"])),
        }
    return {
        "unit": unit,
        "interval": interval,
        "included": str(draw(st.integers(0, 150))),
        "rollover_max": str(draw(st.integers(0, 120))),
        "prorate": draw(st.booleans()),
        "overage": overage,
    }


@st.composite
def top_ups(draw: st.DrawFn, unit: str) -> dict[str, Any]:
    return {
        "unit": unit,
        "name": f"Pack of {unit}s",
        "quantity": draw(st.sampled_from(["50", "7.5"])),
        "price": draw(st.sampled_from(["4", "0.335"])),
        "expires": draw(st.sampled_from(["never", "period_end", "P20D", "P1M", "PT90M"])),
    }


@st.composite
def grants(draw: st.DrawFn, number: int) -> dict[str, Any]:
    """Priorities of their own: between equal ones the order in which grants were made decides, and
    the books make the allowance of the next period before what is given meanwhile."""
    effective, expires = draw(times | hot_times), draw(st.none() | times | hot_times)
    return {
        "id": f"grant {number}",
        "unit": "page",
        "kind": draw(st.sampled_from(["adjustment", "promotional"])),
        "quantity": str(draw(st.integers(1, 100))),
        "effective_at": effective,
        "expires_at": expires if expires and expires > effective else None,
        "priority": draw(st.sampled_from([5, 15, 30, 40, 60])),
    }


@st.composite
def scenarios(draw: st.DrawFn) -> dict[str, Any]:
    units = draw(st.sampled_from([["page"], ["page", "lead"]]))
    bands = [draw(top_ups(unit)) for unit in ["page", "lead"]]
    interval, own = draw(st.sampled_from(INTERVALS))
    plan = {
        "name": "Generated",
        "currency": draw(st.sampled_from(["USD", "JPY", "KWD"])),
        "timezone": draw(st.sampled_from(ZONES)),
        "interval": interval,
        "anchor": draw(st.sampled_from([None, "calendar", "2026-01-31", "2025-12-15"])),
        "fees": draw(st.lists(st.sampled_from(FEES), unique_by=lambda fee: fee["name"])),
        "allowances": [draw(allowances(unit, own)) for unit in units],
        "top_ups": bands,
        "minimum_commitment": draw(st.sampled_from([None, "5", "1000"])),
        "discounts": draw(st.sampled_from([[], [], DISCOUNTS])),
        "trial_days": draw(st.sampled_from([0, 0, 9, 45])),
    }
    start = draw(
        st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-10T09:07:31Z", "2025-12-31T23:45:00Z"])
    )
    usage = st.fixed_dictionaries(
        {
            "unit": st.sampled_from(["page", "lead"]),
            "time": times | hot_times,
            "quantity": quantities,
            "cost": st.none() | st.integers(0, 10**4).map(lambda n: f"{n // 1000}.{n % 1000:03}"),
        }
    )
    purchase = st.fixed_dictionaries(
        {
            "top_up": st.sampled_from([band["name"] for band in bands]),
            "at": times | hot_times,
            "starts": st.sampled_from(["now", "now", "next_period"]),
        }
    )
    end = draw(st.sampled_from([None, None, "2026-03-01T00:00:00Z", "2026-02-17T10:07:00Z"]))
    bought = draw(st.lists(purchase, max_size=3))
    return {
        "plan": plan,
        "start": start,
        "end": end,
        "until": "2026-05-03T00:00:00Z",
        "purchases": [
            p
            for p in bought
            if start <= p["at"] < (end or "2027") and (end is None or p["starts"] == "now")
        ],
        "grants": [draw(grants(number)) for number in range(draw(st.integers(0, 2)))],
        "usage": draw(st.lists(usage, max_size=12)),
        "discounts": draw(st.sampled_from([[], AGREED])),
    }


@settings(
    max_examples=int(os.environ.get("HYPOTHESIS_MAX_EXAMPLES", "30")),
    suppress_health_check=[HealthCheck.too_slow],
)
@given(document=scenarios(), random=st.randoms(use_true_random=False))
def test_on_whatever_comes(document: dict[str, Any], random: Random) -> None:
    agree(document, random)


# --- Changes of plan and pauses ----------------------------------------------------------------


def other_plan(name: str) -> dict[str, Any]:
    """A plan to change to: larger, by the quarter, or of another unit."""
    plan = scenario(
        fees=[FEES[0], FEES[1] | {"amount": "99.99"}, FEES[2]],
        allowance={"included": "500" if name == "growth" else "130", "rollover_max": "25"},
        usage={},
    )["plan"]
    plan |= {"name": name, "interval": "quarter" if name == "quarterly" else "month"}
    del plan["timezone"]
    if name == "without page":
        plan["allowances"] = [plan["allowances"][0] | {"unit": "lead"}]
        plan["top_ups"] = []
    return plan


def changes(*steps: tuple[str, str, str]) -> list[dict[str, Any]]:
    return [{"at": f"{at}Z", "plan": other_plan(name), "when": when} for at, name, when in steps]


USED = {
    "2026-01-05": "95",
    "2026-01-12T23:00:00": "60",
    "2026-01-20": "40",
    "2026-02-05": "120",
    "2026-02-18": "90",
    "2026-03-05": "300",
}
STORIES: dict[str, dict[str, Any]] = {
    "now": {"changes": changes(("2026-01-16T12:00:00", "growth", "now"))},
    "with the next period": {"changes": changes(("2026-01-16T12:00:00", "growth", "period_end"))},
    "to another interval": {"changes": changes(("2026-01-16T12:00:00", "quarterly", "now"))},
    "to another unit and back": {
        "changes": changes(
            ("2026-01-16T12:00:00", "without page", "now"), ("2026-02-10T01:00:00", "growth", "now")
        )
    },
    "twice in a period": {
        "changes": changes(
            ("2026-01-11T12:00:00", "growth", "now"), ("2026-01-20T01:00:00", "starter", "now")
        )
    },
    "a pause": {"pauses": [{"from": "2026-01-11T00:00:00Z", "to": "2026-01-21T10:07:00Z"}]},
    "a pause that lasts": {"pauses": [{"from": "2026-01-15T10:07:00Z", "to": None}]},
    "a pause over a month": {
        "pauses": [{"from": "2026-01-20T00:00:00Z", "to": "2026-02-10T00:00:00Z"}]
    },
    "a pause after a change": {
        "changes": changes(("2026-01-11T12:00:00", "growth", "now")),
        "pauses": [{"from": "2026-01-21T00:00:00Z", "to": "2026-02-04T00:00:00Z"}],
    },
    "an end after a change": {
        "changes": changes(("2026-01-11T12:00:00", "growth", "now")),
        "end": "2026-01-25T00:00:00Z",
    },
    "a change after a trial": {
        "trial_days": 9,
        "changes": changes(("2026-01-16T12:00:00", "growth", "now")),
    },
}


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_changes_and_pauses(story: dict[str, Any], zone: str) -> None:
    document = scenario(
        usage=USED,
        plan={"timezone": zone, "minimum_commitment": "20"},
        allowance={"rollover_max": "30"},
        fees=FEES,
        purchases=[{"top_up": "50 pages", "at": "2026-01-10T12:10:00Z"}],
        grants=[
            {
                "id": "sorry",
                "unit": "page",
                "quantity": "10",
                "effective_at": "2026-01-17T00:00:00Z",
                "expires_at": None,
            }
        ],
    )
    for usage in document["usage"]:
        usage["time"] = usage["time"].removesuffix("Z") + "Z"
    agree(document | story, Random(7))
