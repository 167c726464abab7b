"""An agency's colour as the admin's palette. Pure."""

from __future__ import annotations

from agencyportal.core.colours import readable_on_white, tinted

TINTS = {"50": 6, "100": 12, "200": 25, "300": 42, "400": 62, "500": 80}


def palette(colour: str) -> dict[str, str]:
    """Weight -> colour: tints of the brand for backgrounds and for text in the dark, the brand
    itself, dark enough for white text on it, for buttons and links, and darker shades of it."""
    strong = readable_on_white(colour)
    shades = {weight: tinted(strong, percent) for weight, percent in TINTS.items()}
    shades["600"] = strong
    for weight, percent in (("700", 82), ("800", 66), ("900", 52), ("950", 36)):
        shades[weight] = f"color-mix(in srgb, {strong} {percent}%, black)"
    # Text on a dark page is weight 500: light enough to be read there, whatever the brand.
    shades["500"] = tinted(strong, 62)
    return shades
