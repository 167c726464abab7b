"""Agencies' logos in the ``logos`` storage, each under the hash of what it is.

A file there never changes and is never deleted: documents of record name it by its hash, and an
agency that takes another logo changes none that was issued.
"""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache

from django.core.files.base import ContentFile
from django.core.files.storage import storages

from agencyportal.core.pdf import PdfError

STORAGE = "logos"


class MissingLogoError(PdfError):
    """The stored logo is missing, or is not the one that was recorded."""


def store_logo(png: bytes) -> str:
    """Keep a logo, and return the SHA-256 that names it. The same one again is the same file."""
    sha256 = hashlib.sha256(png).hexdigest()
    storages[STORAGE].save(_name(sha256), ContentFile(png))
    return sha256


def logo_uri(sha256: str) -> str:
    """The logo as a ``data:`` URI; see `logo_png`."""
    return "data:image/png;base64," + base64.b64encode(logo_png(sha256)).decode()


@lru_cache(maxsize=64)
def logo_png(sha256: str) -> bytes:
    """The logo, proved by its hash.

    Raises MissingLogoError, in words for whoever looks why a document was not made.
    """
    try:
        with storages[STORAGE].open(_name(sha256)) as file:
            png: bytes = file.read()
    except OSError as error:
        raise MissingLogoError(f"Its logo cannot be read: {error}. {_REMEDY}") from error
    if hashlib.sha256(png).hexdigest() != sha256:
        raise MissingLogoError(f"Its logo was changed where it is stored. {_REMEDY}")
    return png


_REMEDY = (
    "Restore the folder of logos from a backup, or upload the same picture again on the agency's "
    "page; then have the document made again."
)


def _name(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256}.png"
