"""Top-ups and promotional credit across periods: worked examples, run through the whole books,
which come to the same as the simulator."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from django.db import transaction

from billing.scenario import parse_scenario
from billing.simulation import simulate

from .books import Comparable, keep_books, simulated
from .scenario_samples import scenario

pytestmark = pytest.mark.django_db


def told(document: dict[str, Any]) -> Comparable:
    """The closed periods of the books, which the simulator foresaw."""
    parsed = parse_scenario(document)
    with transaction.atomic():
        books = keep_books(parsed, Random(3))
        transaction.set_rollback(True)
    assert books == simulated(simulate(parsed), parsed.until)
    return books


def used(period: dict[str, Any]) -> tuple[str, ...]:
    """used, included, from top-ups, overage, expired"""
    unit = period["units"]["page"]
    keys = ("used", "included", "top_up", "overage", "expired_unused")
    return tuple(unit[key] for key in keys)


def fates(period: dict[str, Any], kind: str) -> list[tuple[str, ...]]:
    """Of each grant of a kind: consumed, expired, rolled over, remaining."""
    return [tuple(rest) for found, *rest in period["units"]["page"]["grants"] if found == kind]


def bought(at: str, **band: Any) -> dict[str, Any]:
    return {"top_up": {"expires": "never"} | band, "purchases": [{"top_up": "50 pages", "at": at}]}


def test_a_band_that_never_expires_is_carried_until_it_is_used() -> None:
    """100 a month and 50 bought in January: 20 of them cover January, 25 March, 5 April."""
    january, february, march, april = told(
        scenario(
            usage={
                "2026-01-20": "120",
                "2026-02-20": "90",
                "2026-03-20": "125",
                "2026-04-20": "107",
            },
            until="2026-05-01T00:00:00Z",
            **bought("2026-01-10T09:00:00Z"),
        )
    )

    assert used(january) == ("120", "100", "20", "0", "0")
    assert used(february) == ("90", "90", "0", "0", "10")
    assert used(march) == ("125", "100", "25", "0", "0")
    assert used(april) == ("107", "100", "5", "2", "0")
    assert [fates(p, "top_up") for p in (january, february, march, april)] == [
        [("20", "0", "0", "30")],
        [("0", "0", "0", "30")],
        [("25", "0", "0", "5")],
        [("5", "0", "0", "0")],
    ]
    assert [p["total"] for p in (january, february, march, april)] == ["4", "0", "0", "0.2"]


def test_a_band_until_the_periods_end_loses_what_is_left() -> None:
    january, february, _ = told(
        scenario(
            usage={"2026-01-20": "120", "2026-02-20": "120"},
            **bought("2026-01-10T09:00:00Z", expires="period_end"),
        )
    )

    assert used(january) == ("120", "100", "20", "0", "30")
    assert fates(january, "top_up") == [("20", "30", "0", "0")]
    assert used(february) == ("120", "100", "0", "20", "0")


def test_a_band_for_a_time_ends_on_its_quarter_hour_inside_a_later_period() -> None:
    """Bought on 20 January 12:10 for 30 days: until 19 February 12:10, forward to 12:15. February's
    100 are gone by then; 12 at 12:14 are covered, 12 at 12:15 are not, and 38 expire."""
    january, february, _ = told(
        scenario(
            usage={
                "2026-02-01": "100",
                "2026-02-19T12:14:59Z": "12",
                "2026-02-19T12:15:00Z": "12",
            },
            **bought("2026-01-20T12:10:00Z", expires="P30D"),
        )
    )

    assert fates(january, "top_up") == [("0", "0", "0", "50")]
    assert used(february) == ("124", "100", "12", "12", "38")
    assert fates(february, "top_up") == [("12", "38", "0", "0")]
    assert february["lines"] == [("overage", "page", "12", "1.2")]


def test_a_band_covers_from_the_quarter_hour_in_which_it_was_bought() -> None:
    """Bought at 12:10, it is there from 12:00: in the client's favour, and no further."""
    january, *_ = told(
        scenario(
            usage={
                "2026-01-10": "100",
                "2026-01-20T11:59:59Z": "3",
                "2026-01-20T12:01:00Z": "4",
            },
            **bought("2026-01-20T12:10:00Z"),
        )
    )

    assert used(january) == ("107", "100", "4", "3", "0")


def test_promotional_credit_burns_before_bought_and_after_given_credit() -> None:
    """100 included, 10 as an adjustment, 20 promoted until 15 February 12:05 (so 12:15), 50 bought
    for ever. 115 in January: 100 + 10 + 5. On 15 February 12:10 three promoted ones go, and at
    12:15 the other 12 are gone: two come from what was bought."""
    gifts = [
        {
            "id": "welcome",
            "unit": "page",
            "kind": "promotional",
            "quantity": "20",
            "effective_at": "2026-01-01T00:00:00Z",
            "expires_at": "2026-02-15T12:05:00Z",
        },
        {
            "id": "sorry",
            "unit": "page",
            "quantity": "10",
            "effective_at": "2026-01-01T00:00:00Z",
        },
    ]
    january, february, march = told(
        scenario(
            usage={
                "2026-01-20": "115",
                "2026-02-10": "100",
                "2026-02-15T12:10:00Z": "3",
                "2026-02-15T12:15:00Z": "2",
                "2026-03-10": "150",
            },
            grants=gifts,
            **bought("2026-01-02T09:00:00Z"),
        )
    )

    assert used(january) == ("115", "110", "5", "0", "0")
    assert fates(january, "adjustment") == [("10", "0", "0", "0")]
    assert fates(january, "promotional") == [("5", "0", "0", "15")]
    assert used(february) == ("105", "100", "5", "0", "12")
    assert fates(february, "promotional") == [("3", "12", "0", "0")]
    assert fates(february, "top_up") == [("2", "0", "0", "48")]
    assert used(march) == ("150", "100", "48", "2", "0")
    assert [p["total"] for p in (january, february, march)] == ["4", "0", "0.2"]


def test_two_bands_burn_the_one_that_expires_first() -> None:
    january, february, _ = told(
        scenario(
            usage={"2026-01-20": "110", "2026-02-20": "145"},
            top_up={"expires": "P40D"},
            purchases=[
                {"top_up": "50 pages", "at": "2026-01-02T00:00:00Z"},
                {"top_up": "50 pages", "at": "2026-01-15T00:00:00Z"},
            ],
        )
    )

    assert fates(january, "top_up") == [("0", "0", "0", "50"), ("10", "0", "0", "40")]
    # The first one ended on 11 February with 40 unused, the other on 24 February with 5.
    assert fates(february, "top_up") == [("0", "40", "0", "0"), ("45", "5", "0", "0")]
    assert used(february) == ("145", "100", "45", "0", "45")
