"""Charts of the client's pages as inline SVG: shapes with classes, coloured by the style sheet.

No text is drawn: whoever shows a chart says its figures in words and in a table beside it. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape

ZERO = Decimal(0)
WIDTH, HEIGHT = 700, 140
METER_WIDTH, METER_HEIGHT = 1000, 12


@dataclass(frozen=True, slots=True)
class Bar:
    """One day: units from the allowance, from top-ups, and beyond both; ``name`` is its tooltip."""

    name: str
    included: Decimal = ZERO
    top_up: Decimal = ZERO
    beyond: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        return self.included + self.top_up + self.beyond


def daily_chart(bars: Sequence[Bar], *, pace: Decimal, today: int | None) -> str:
    """A bar a day, stacked, with a dashed line at ``pace`` units a day (0: none).

    ``today``: index of the day in progress, which is marked. No bars give an empty string.
    """
    if not bars:
        return ""
    top = max(pace, *(bar.total for bar in bars)) or Decimal(1)
    scale = Decimal(HEIGHT - 4) / top
    pitch = Decimal(WIDTH) / len(bars)
    shapes = []
    if today is not None:
        shapes.append(_rect(today * pitch, ZERO, pitch, Decimal(HEIGHT), "c-today"))
    for index, bar in enumerate(bars):
        x = index * pitch + pitch * Decimal("0.14")
        stack = "".join(_stack(bar, x, pitch * Decimal("0.72"), scale))
        if stack:
            shapes.append(f"<g><title>{escape(bar.name)}</title>{stack}</g>")
    shapes.append(_line(Decimal(HEIGHT) - Decimal("0.5"), "c-base"))
    if pace > 0:
        shapes.append(_line(HEIGHT - pace * scale, "c-pace"))
    return _svg(WIDTH, HEIGHT, "chart", shapes)


def meter(
    *, included: Decimal, top_up: Decimal, beyond: Decimal, granted: Decimal, expected: Decimal
) -> str:
    """Units used out of ``granted``, side by side; ``expected``: where an even pace would be."""
    whole = max(granted, included + top_up + beyond) or Decimal(1)
    scale = Decimal(METER_WIDTH) / whole
    height = Decimal(METER_HEIGHT)
    shapes, x = [], ZERO
    for quantity, name in ((included, "c-in"), (top_up, "c-top"), (beyond, "c-over")):
        if quantity > 0:
            shapes.append(_rect(x, ZERO, quantity * scale, height, name))
            x += quantity * scale
    if 0 < expected < whole:
        shapes.append(_rect(expected * scale - 1, ZERO, Decimal(3), height, "c-expected"))
    return _svg(METER_WIDTH, METER_HEIGHT, "meter", shapes)


def share_bar(part: Decimal, whole: Decimal) -> str:
    """One bar, as long as ``part`` is of ``whole``."""
    length = part / whole * 100 if whole else ZERO
    return _svg(100, 6, "share", [_rect(ZERO, ZERO, length, Decimal(6), "c-in")])


def _stack(bar: Bar, x: Decimal, width: Decimal, scale: Decimal) -> Iterator[str]:
    base = ZERO
    for quantity, name in ((bar.included, "c-in"), (bar.top_up, "c-top"), (bar.beyond, "c-over")):
        if quantity > 0:
            base += quantity * scale
            yield _rect(x, HEIGHT - base, width, quantity * scale, name)


def _rect(x: Decimal, y: Decimal, width: Decimal, height: Decimal, name: str) -> str:
    return (
        f'<rect class="{name}" x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}"/>'
    )


def _line(y: Decimal, name: str) -> str:
    return f'<line class="{name}" x1="0" y1="{y:.2f}" x2="{WIDTH}" y2="{y:.2f}"/>'


def _svg(width: int, height: int, name: str, shapes: Sequence[str]) -> str:
    return (
        f'<svg class="{name}" viewBox="0 0 {width} {height}" preserveAspectRatio="none" '
        f'aria-hidden="true" focusable="false">{"".join(shapes)}</svg>'
    )
