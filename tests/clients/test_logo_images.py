"""What may be a logo, and what of it is kept."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image, ImageFile

from clients.logo_images import KEPT_SIZE, MAX_BYTES, LogoError, printable_logo
from tests.logo_pictures import mark, picture


def opened(png: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG"
    assert image.mode == "RGB"
    return image


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(picture(), id="PNG"),
        pytest.param(picture(kind="JPEG"), id="JPEG"),
        pytest.param(picture(mode="CMYK", kind="JPEG", colour=(255, 0, 0, 0)), id="JPEG for print"),
        pytest.param(picture(mode="P", colour=0), id="PNG with a palette"),
        pytest.param(picture(mode="LA", colour=(0, 200)), id="grey PNG, half transparent"),
        pytest.param(picture(mode="1", colour=0), id="black and white"),
    ],
)
def test_png_and_jpeg_of_every_kind_become_one_kind_of_png(content):
    assert opened(printable_logo(content)).size == (400, 100)


def test_the_same_picture_is_the_same_file():
    assert printable_logo(mark()) == printable_logo(mark())


def test_what_is_transparent_is_paper():
    assert opened(printable_logo(mark())).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("paper", [None, "white"])
def test_an_empty_margin_is_cut_off(paper):
    width, height = opened(printable_logo(mark((500, 200), margin=50, paper=paper))).size
    assert 398 <= width <= 400
    assert 98 <= height <= 100


def test_it_is_no_larger_than_it_is_printed():
    width, height = opened(printable_logo(picture((4000, 500)))).size
    assert (width, height) == (KEPT_SIZE[0], 155)


def test_a_photograph_stands_upright():
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned by a quarter
    assert opened(printable_logo(picture((300, 100), kind="JPEG", exif=turned))).size == (100, 300)


def test_nothing_but_the_pixels_is_kept():
    noted = Image.Exif()
    noted[0x010E] = "taken at home"
    content = picture(kind="JPEG", exif=noted) + b"PK\x03\x04 a second file behind it"
    kept = printable_logo(content)
    assert b"taken at home" in content
    assert b"taken at home" not in kept
    assert b"second file" not in kept


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a PNG or JPEG", id="SVG"),
        pytest.param(picture(kind="GIF"), "not a PNG or JPEG", id="GIF"),
        pytest.param(picture(kind="BMP"), "not a PNG or JPEG", id="BMP"),
        pytest.param(b"", "not a PNG or JPEG", id="empty"),
        pytest.param(b"x" * (MAX_BYTES + 1), "larger than 2 MB", id="large file"),
        pytest.param(picture((400, 20)), "20 pixels high", id="low"),
        pytest.param(picture(colour="white"), "nothing of it would be seen", id="white"),
        pytest.param(picture(mode="RGBA", colour=(0, 0, 0, 0)), "light backgrounds", id="clear"),
        pytest.param(
            picture(mode="RGBA", colour=(255, 255, 255, 255)), "light backgrounds", id="for dark"
        ),
    ],
)
def test_what_cannot_be_a_logo_is_refused_in_words(content, why):
    with pytest.raises(LogoError, match=why):
        printable_logo(content)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_one_that_was_cut_off_is_refused_even_where_weasyprint_is_more_lenient(kind, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(LogoError, match="only a part of one"):
        printable_logo(picture(kind=kind)[:-400])
    assert ImageFile.LOAD_TRUNCATED_IMAGES


@pytest.mark.parametrize("side", [6_000, 9_000, 60_000])
def test_a_picture_that_would_fill_the_memory_is_never_unpacked(side):
    """A head that promises millions of pixels, with hardly anything behind it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0"))
    with pytest.raises(LogoError, match="more than 25 million pixels"):
        printable_logo(content)
