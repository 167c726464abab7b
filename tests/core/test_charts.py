"""The little bar charts of documents."""

from __future__ import annotations

from decimal import Decimal as D  # noqa: N817
from xml.etree import ElementTree as ET

import pytest

from agencyportal.core.charts import ChartColours, daily_bars
from agencyportal.core.colours import readable_on_white, tinted

COLOURS = ChartColours(within="#aaaaaa", beyond="#111111")
SVG = "{http://www.w3.org/2000/svg}"


def bars(quantities, allowance):
    """(colour, top, height) of every bar, and the height of the pace line or None."""
    svg = daily_bars(
        [D(q) for q in quantities], allowance=D(allowance), colours=COLOURS, width=100, height=102
    )
    root = ET.fromstring(svg)  # noqa: S314
    rects = [
        (r.get("fill"), D(r.attrib["y"]), D(r.attrib["height"])) for r in root.iter(f"{SVG}rect")
    ]
    paces = [D(x.attrib["y1"]) for x in root.iter(f"{SVG}line") if x.get("stroke-dasharray")]
    return rects, paces[0] if paces else None


def test_the_largest_day_fills_the_chart_and_the_others_are_in_proportion():
    rects, _ = bars([50, 100, 0, 25], allowance=1000)
    # The pace, 250 a day, is the top here.
    assert [height for _, _, height in rects] == [D("20.00"), D("40.00"), D("10.00")]
    rects, _ = bars([50, 100, 25], allowance=0)
    assert [height for _, _, height in rects] == [D("50.00"), D("100.00"), D("25.00")]
    assert [top for _, top, _ in rects] == [D("51.00"), D("1.00"), D("76.00")]


def test_the_bar_in_which_the_allowance_ends_is_split_there():
    rects, pace = bars([60, 100, 40], allowance=120)
    assert [(colour, height) for colour, _, height in rects] == [
        ("#aaaaaa", D("60.00")),
        ("#aaaaaa", D("60.00")),
        ("#111111", D("40.00")),
        ("#111111", D("40.00")),
    ]
    assert rects[2][1] + rects[2][2] == rects[1][1], "the two parts touch"
    assert pace == D("61.00"), "120 over three days is 40 a day"


def test_days_without_usage_leave_the_baseline_and_nothing_else():
    assert bars([0, 0], allowance=0) == ([], None)


def test_no_days_no_chart():
    assert daily_bars([], allowance=D(5), colours=COLOURS) == ""


@pytest.mark.parametrize(
    ("colour", "readable"),
    [("#0f766e", "#0f766e"), ("#000000", "#000000"), ("#ffffff", "#757575")],
)
def test_a_brand_colour_is_darkened_until_it_can_be_read(colour, readable):
    assert readable_on_white(colour) == readable


def test_a_tint_is_mostly_paper():
    assert tinted("#000000", 10) == "#e6e6e6"
    assert tinted("#ff0000", 0) == "#ffffff"
