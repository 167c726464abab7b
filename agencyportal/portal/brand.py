"""An agency's colour on its clients' pages, as a small style sheet.

A page's policy allows no inline styles, so the colour comes as a sheet of its own. Its address
says everything that is in it: it is the same for everybody, and may be kept for ever. The
surfaces named here are those of `static/portal/portal.css`.
"""

from __future__ import annotations

import re

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from agencyportal.core.colours import mixed, readable_on_dark, readable_on_white
from agencyportal.core.documents import DEFAULT_COLOUR

WHITE, BLACK = "#ffffff", "#000000"
DARK_SURFACE, DARK_SUNKEN, DARK_INK = "#181d25", "#212833", "#10141a"
CONTRAST = 5.6
"""Beyond the 4.5 that is asked for, so that it also holds on tinted and sunken surfaces."""

TINT_BY_DAY, TINT_BY_NIGHT = 10, 14
_COLOUR = re.compile(r"#[0-9a-f]{6}")


def sheet_name(colour: str) -> str:
    """What the sheet of a colour (#rrggbb) is called: six small hex digits."""
    folded = colour.lower()
    return (folded if _COLOUR.fullmatch(folded) else DEFAULT_COLOUR)[1:]


def sheet(colour: str) -> str:
    """CSS that sets the accents to `colour` (#rrggbb): readable as text and behind text."""
    day = readable_on_white(colour, CONTRAST)
    night = readable_on_dark(colour, DARK_SUNKEN, CONTRAST)
    return (
        f":root {{ {_accents(day, WHITE, BLACK, WHITE, TINT_BY_DAY)} }}\n"
        "@media (prefers-color-scheme: dark) {\n"
        f"  :root {{ {_accents(night, DARK_SURFACE, WHITE, DARK_INK, TINT_BY_NIGHT)} }}\n}}\n"
    )


@require_safe
@cache_control(public=True, max_age=31_536_000, immutable=True)
def brand(request: HttpRequest, colour: str) -> HttpResponse:  # noqa: ARG001 - the path says it
    """The style sheet of a colour (rrggbb). Nobody's secret: it needs no signing in."""
    return HttpResponse(sheet(f"#{colour}"), content_type="text/css; charset=utf-8")


def _accents(accent: str, surface: str, stronger: str, on_accent: str, tint: int) -> str:
    return (
        f"--accent: {accent}; --accent-strong: {mixed(stronger, accent, 25)}; "
        f"--accent-tint: {mixed(accent, surface, tint)}; --on-accent: {on_accent};"
    )
