"""A brand's colour, used so that it can be read: on white as text, and as a tint behind text. Pure.

Contrast is that of WCAG 2: relative luminance in sRGB, 4.5 to 1 for text.
"""

from __future__ import annotations

READABLE_CONTRAST = 4.5


def readable_on_white(colour: str, contrast: float = READABLE_CONTRAST) -> str:
    """`colour` (#rrggbb), darkened just as far as text on white paper needs.

    More `contrast` keeps it readable on what is nearly white, too.
    """
    red, green, blue = _channels(colour)
    for percent in range(100, 0, -2):
        darker = (red * percent // 100, green * percent // 100, blue * percent // 100)
        if 1.05 / (_luminance(darker) + 0.05) >= contrast:
            return _hex(darker)
    return "#000000"


def readable_on_dark(colour: str, surface: str, contrast: float = READABLE_CONTRAST) -> str:
    """`colour` (#rrggbb), mixed with white just as far as text on a dark `surface` needs."""
    for percent in range(100, 0, -2):
        lighter = tinted(colour, percent)
        if contrast_between(lighter, surface) >= contrast:
            return lighter
    return "#ffffff"


def contrast_between(one: str, other: str) -> float:
    """How well one colour is read on another: from 1 (not at all) to 21."""
    darker, lighter = sorted(_luminance(_channels(colour)) for colour in (one, other))
    return (lighter + 0.05) / (darker + 0.05)


def mixed(colour: str, other: str, percent: int) -> str:
    """`percent` of `colour`, the rest `other`."""
    pairs = zip(_channels(colour), _channels(other), strict=True)
    red, green, blue = (there + (here - there) * percent // 100 for here, there in pairs)
    return _hex((red, green, blue))


def tinted(colour: str, percent: int) -> str:
    """`percent` of `colour` mixed into white."""
    red, green, blue = (255 - (255 - channel) * percent // 100 for channel in _channels(colour))
    return _hex((red, green, blue))


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _hex(channels: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*channels)


def _luminance(channels: tuple[int, int, int]) -> float:
    def linear(channel: int) -> float:
        share = channel / 255
        return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(channel) for channel in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
