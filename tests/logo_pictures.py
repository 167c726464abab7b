"""Pictures as agencies upload them, for the tests of logos."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image, ImageDraw


def picture(
    size: tuple[int, int] = (400, 100),
    *,
    mode: str = "RGB",
    kind: str = "PNG",
    colour: Any = "#0f766e",
    **saved: Any,
) -> bytes:
    """A bar over the whole of a picture of this size."""
    content = io.BytesIO()
    Image.new(mode, size, colour).save(content, kind, **saved)
    return content.getvalue()


def mark(size: tuple[int, int] = (400, 100), *, margin: int = 0, paper: Any = None) -> bytes:
    """An ellipse with a margin of `margin` pixels; transparent around it unless on `paper`."""
    image = Image.new("RGBA", size, paper or (0, 0, 0, 0))
    box = (margin, margin, size[0] - margin - 1, size[1] - margin - 1)
    ImageDraw.Draw(image).ellipse(box, fill="#0f766e")
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()
