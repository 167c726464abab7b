"""Charts, estimates, colours and writing: the pure parts of the pages."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agencyportal.core.colours import contrast_between, mixed
from agencyportal.portal import charts
from agencyportal.portal.brand import sheet, sheet_name
from agencyportal.portal.forecast import best_band, is_near
from agencyportal.portal.writing import Writing
from billing.pace import Forecast, forecast

D = Decimal
START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
END = START + dt.timedelta(days=30)


@dataclass(frozen=True)
class Band:
    quantity: D
    price: D


def test_an_estimate_carries_on_the_pace_so_far():
    """600 in 10 days: 60 a day, 400 left last 6 2/3 days, 1,200 more by the end."""
    now = START + dt.timedelta(days=10)
    coming = forecast(used=D(600), left=D(400), start=START, end=END, now=now)
    assert coming.runs_out_at == now + dt.timedelta(days=6, hours=16)
    assert coming.short_by == 800


def test_what_lasts_needs_no_estimate():
    now = START + dt.timedelta(days=10)
    assert forecast(used=D(600), left=D(1200), start=START, end=END, now=now) == Forecast()


def test_the_first_day_says_nothing_yet():
    now = START + dt.timedelta(hours=23)
    assert forecast(used=D(600), left=D(1), start=START, end=END, now=now) == Forecast()


@pytest.mark.parametrize(("used", "near"), [("79.9", False), ("80", True), ("120", True)])
def test_near_is_four_fifths(used, near):
    assert is_near(used=D(used), granted=D(100)) is near
    assert not is_near(used=D(used), granted=D(0))


def test_the_best_band_is_the_cheapest_that_is_enough():
    small, large, dear = Band(D(500), D(60)), Band(D(5000), D(450)), Band(D(5000), D(500))
    assert best_band([small, large, dear], D(400)) == small
    assert best_band([small, dear, large], D(501)) == large
    assert best_band([small, large], D(9000)) == large
    assert best_band([], D(1)) is None


def test_bars_are_stacked_and_named():
    bars = [charts.Bar("<1>", D(10), D(5), D(5)), charts.Bar("none")]
    svg = charts.daily_chart(bars, pace=D(8), today=1)
    assert svg.count("<title>") == 1
    assert "<title>&lt;1&gt;</title>" in svg
    heights = [
        f'class="{name}"' in svg for name in ("c-in", "c-top", "c-over", "c-today", "c-pace")
    ]
    assert all(heights)
    assert "style=" not in svg


@given(
    st.lists(st.tuples(*[st.integers(0, 10**6)] * 3), min_size=1, max_size=40),
    st.integers(0, 10**6),
)
def test_no_bar_leaves_the_chart(days, pace):
    svg = charts.daily_chart(
        [charts.Bar("day", *map(D, parts)) for parts in days], pace=D(pace), today=None
    )
    for rect in svg.split("<rect ")[1:]:
        values = dict(part.split("=") for part in rect.partition("/>")[0].replace('"', "").split())
        top = D(values["y"])
        assert D("-0.01") <= top
        assert top + D(values["height"]) <= charts.HEIGHT + D("0.02")


def test_no_days_no_chart():
    assert charts.daily_chart([], pace=D(1), today=None) == ""


def test_a_meter_is_full_where_everything_is_used():
    svg = charts.meter(included=D(100), top_up=D(50), beyond=D(50), granted=D(150), expected=D(0))
    assert 'class="c-in" x="0.00" y="0.00" width="500.00"' in svg
    assert 'class="c-top" x="500.00" y="0.00" width="250.00"' in svg
    assert 'class="c-over" x="750.00" y="0.00" width="250.00"' in svg


def test_an_unused_meter_of_nothing_can_be_drawn():
    assert "<rect" not in charts.meter(
        included=D(0), top_up=D(0), beyond=D(0), granted=D(0), expected=D(0)
    )


@given(st.integers(0, 0xFFFFFF))
def test_every_brand_is_readable_by_day_and_by_night(number):
    colour = f"#{number:06x}"
    values = [
        dict(part.strip().split(": ") for part in line.partition("{ ")[2].split(";") if ":" in part)
        for line in sheet(colour).splitlines()
        if "--accent:" in line
    ]
    day, night = values
    for surface in ("#ffffff", "#f5f6f8", "#eef0f3", day["--accent-tint"], day["--on-accent"]):
        assert contrast_between(day["--accent"], surface) >= 4.5, surface
    for surface in ("#10141a", "#181d25", "#212833", night["--accent-tint"], night["--on-accent"]):
        assert contrast_between(night["--accent"], surface) >= 4.5, surface


def test_colours_mix():
    assert mixed("#ffffff", "#000000", 50) == "#7f7f7f"
    assert mixed("#102030", "#405060", 100) == "#102030"


@pytest.mark.parametrize(
    ("colour", "name"), [("#0F5C6E", "0f5c6e"), ("red;}", "1d4f91"), ("#fff", "1d4f91")]
)
def test_only_colours_name_sheets(colour, name):
    assert sheet_name(colour) == name


def test_the_sheet_is_served_to_anybody_and_kept(client):
    response = client.get("/portal/brand/0f5c6e.css")
    assert response["Content-Type"].startswith("text/css")
    assert "immutable" in response["Cache-Control"]
    assert "--accent: #0f5c6e" in response.content.decode()
    assert client.get("/portal/brand/0f5c6.css").status_code == 404


@pytest.fixture
def writing() -> Writing:
    """10 March 2026, 00:30 in Berlin, where it is still the 9th in UTC."""
    now = dt.datetime(2026, 3, 9, 23, 30, tzinfo=dt.UTC)
    return Writing(locale="en_DE", currency="EUR", timezone="Europe/Berlin", now=now)


def test_days_are_the_clients(writing):
    assert writing.today == dt.date(2026, 3, 10)
    assert [writing.days_from_now(dt.date(2026, 3, day)) for day in (8, 9, 10, 11, 12)] == [
        "2 days ago",
        "yesterday",
        "today",
        "tomorrow",
        "in 2 days",
    ]


def test_an_end_is_named_by_its_last_day(writing):
    assert writing.until(dt.datetime(2026, 3, 31, 22, tzinfo=dt.UTC)) == "31 March 2026"
    assert writing.until(dt.datetime(2026, 3, 31, 21, tzinfo=dt.UTC)) == "31 Mar 2026, 23:00"


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [("0", "0", "0 %"), ("1", "1000", "<1 %"), ("999", "1000", "99 %"), ("3", "2", "150 %")],
)
def test_shares_are_whole_percents(writing, part, whole, said):
    assert writing.share(D(part), D(whole)).replace("\xa0", " ") == said


def test_soon_is_48_hours(writing):
    assert writing.is_soon(writing.now + dt.timedelta(hours=48))
    assert not writing.is_soon(writing.now + dt.timedelta(hours=48, seconds=1))
    assert not writing.is_soon(None)
    assert writing.hours_left(writing.now + dt.timedelta(minutes=59)) == "in less than an hour"
    assert writing.hours_left(writing.now + dt.timedelta(minutes=119)) == "in 1 hour"
