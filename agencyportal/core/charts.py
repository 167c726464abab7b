"""Small charts as inline SVG, for documents and pages: no scripts, no text. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class ChartColours:
    """Each `#rrggbb`, already checked."""

    within: str
    beyond: str
    pace: str = "#475467"
    baseline: str = "#d0d5dd"


def daily_bars(
    quantities: Sequence[Decimal],
    *,
    allowance: Decimal,
    colours: ChartColours,
    width: int = 240,
    height: int = 48,
) -> str:
    """One bar a day as an `<svg>` of `width` x `height` units.

    A bar, or the part of it, that came after `allowance` was used up has the colour `beyond`. The
    dashed line is the pace: the quantity a day at which the allowance would last exactly. The
    chart's top is the largest of all these. No quantities give an empty string.
    """
    if not quantities:
        return ""
    pace = max(allowance, Decimal(0)) / len(quantities)
    top = max(*quantities, pace, Decimal(0)) or Decimal(1)
    scale = Decimal(height - 2) / top
    pitch = Decimal(width) / len(quantities)
    shapes = [
        _rect(x, height - 1 - base * scale, pitch * Decimal("0.72"), part * scale, colour)
        for x, base, part, colour in _parts(quantities, allowance, pitch, colours)
    ]
    shapes.append(_line(Decimal(height) - Decimal("0.5"), width, colours.baseline))
    if pace > 0:
        shapes.append(_line(height - 1 - pace * scale, width, colours.pace, dash="3 2.4"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'preserveAspectRatio="none">{"".join(shapes)}</svg>'
    )


def _parts(
    quantities: Sequence[Decimal], allowance: Decimal, pitch: Decimal, colours: ChartColours
) -> Iterator[tuple[Decimal, Decimal, Decimal, str]]:
    """(x, height it starts from, height, colour) of every bar, split where the allowance ends."""
    left = max(allowance, Decimal(0))
    for day, quantity in enumerate(quantities):
        x = day * pitch + pitch * Decimal("0.14")
        within = min(max(quantity, Decimal(0)), left)
        left -= within
        if within > 0:
            yield x, Decimal(0), within, colours.within
        if quantity > within:
            yield x, within, quantity - within, colours.beyond


def _rect(x: Decimal, top_of: Decimal, width: Decimal, height: Decimal, colour: str) -> str:
    return (
        f'<rect x="{x:.2f}" y="{top_of - height:.2f}" width="{width:.2f}" '
        f'height="{height:.2f}" fill="{colour}"/>'
    )


def _line(y: Decimal, width: int, colour: str, *, dash: str = "") -> str:
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="0" y1="{y:.2f}" x2="{width}" y2="{y:.2f}" stroke="{colour}" '
        f'stroke-width="0.8"{dashes}/>'
    )
