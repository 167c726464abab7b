"""An uploaded picture to the one form in which logos are kept. Pure.

PNG and JPEG only. SVG is a program as much as a picture (scripts, references, entities), and
nobody who reads documents may be shown one that somebody else wrote. What is kept is drawn anew
from the pixels, so that nothing else that was in the file (where a photograph was taken, a second
file behind the picture) is handed on.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from PIL import Image, ImageFile, ImageOps

FORMATS: Final = ("PNG", "JPEG")
MAX_BYTES: Final = 2 * 1024 * 1024
MAX_PIXELS: Final = 25_000_000
MIN_HEIGHT: Final = 24
"""Lower ones are a smear on paper."""

KEPT_SIZE: Final = (1240, 300)
"""Some 500 dots an inch where documents print it: 62 mm by 15 mm at most."""

_TOO_MANY_PIXELS: Final = f"The picture has more than {MAX_PIXELS // 10**6} million pixels."
_FAINT: Final = 225
"""Of 255: what is lighter everywhere is not seen on white."""


class LogoError(ValueError):
    """A picture that cannot be a logo; the message says why, and what would do."""


def printable_logo(content: bytes) -> bytes:
    """The logo as PNG: upright, in RGB on white, without an empty margin, no larger than printed.

    Raises LogoError for what is no whole PNG or JPEG, too large or too small, or too light to be
    seen on paper.
    """
    if len(content) > MAX_BYTES:
        raise LogoError(f"The file is larger than {MAX_BYTES // 1024**2} MB.")
    upright = _on_white(_decoded(content))
    drawn = _without_margin(upright)
    if drawn.height < MIN_HEIGHT:
        raise LogoError(
            f"Without its margin the picture is {drawn.height} pixels high; "
            f"it needs {MIN_HEIGHT} at least."
        )
    drawn.thumbnail(KEPT_SIZE, Image.Resampling.LANCZOS)
    kept = io.BytesIO()
    drawn.save(kept, "PNG", optimize=True)
    return kept.getvalue()


def _decoded(content: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings(), _whole_pictures_only():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(content), formats=FORMATS)
            _refuse_huge(image)
            return ImageOps.exif_transpose(image)  # reads all of it
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise LogoError(_TOO_MANY_PIXELS) from error
    except LogoError:
        raise
    except Exception as error:  # of a broken file Pillow raises almost anything
        raise LogoError("This is not a PNG or JPEG picture, or only a part of one.") from error


def _refuse_huge(image: Image.Image) -> None:
    """The size stands in the file's head: nothing is unpacked before it is looked at."""
    if image.width * image.height > MAX_PIXELS:
        raise LogoError(_TOO_MANY_PIXELS)


@contextmanager
def _whole_pictures_only() -> Iterator[None]:
    """WeasyPrint, once imported, has Pillow draw what there is of a file that was cut off."""
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def _on_white(image: Image.Image) -> Image.Image:
    drawn = image.convert("RGBA")
    paper = Image.new("RGBA", drawn.size, "white")
    return Image.alpha_composite(paper, drawn).convert("RGB")


def _without_margin(image: Image.Image) -> Image.Image:
    """Cut to what is seen. Raises LogoError where nothing is."""
    box = ImageOps.invert(image.convert("L")).point(_seen).getbbox()
    if box is None:
        raise LogoError(
            "On white paper nothing of it would be seen. Take the version for light backgrounds."
        )
    return image.crop(box)


def _seen(darkness: int) -> int:
    return 255 if darkness > 255 - _FAINT else 0
