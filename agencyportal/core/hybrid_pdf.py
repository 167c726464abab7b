"""A PDF for people with the same document for programs inside: PDF/A-3b with a file attached.

The standard of such invoices is Factur-X, which ZUGFeRD shares: the file has one name, and the
document's XMP metadata says what it is. Pure, but for the files that WeasyPrint writes.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cache
from pathlib import Path
from typing import Any, Final

PDF_VARIANT: Final = "pdf/a-3b"
FACTUR_X_METADATA: Final = Path(__file__).with_name("factur_x.xmp")
SRGB: Final = "sRGB2014.icc"
END_OF_RDF: Final = b"</rdf:RDF>"


@dataclass(frozen=True, slots=True)
class AttachedInvoice:
    """An e-invoice in the PDF of the same document.

    ``description`` is what PDF readers list it as.
    """

    content: bytes
    description: str
    name: str = "factur-x.xml"
    """Fixed by the standard."""


def attach(document: Any, attached: AttachedInvoice, *, dated: date) -> None:
    """Put ``attached`` into a laid out WeasyPrint document, dated so that bytes stay the same.

    It is an alternative of the printed document: both say the same.
    """
    from weasyprint import Attachment

    moment = datetime.combine(dated, time(), UTC)
    document.metadata.attachments.append(
        Attachment(
            string=attached.content,
            name=attached.name,
            description=attached.description,
            created=moment,
            modified=moment,
            relationship="Alternative",
        )
    )
    _add_to_metadata(document.metadata, FACTUR_X_METADATA.read_bytes())


def srgb_profile() -> Any:
    """The colours that a PDF/A says it is printed in, anew for each: it remembers its document.

    WeasyPrint's own way leaves the file open.
    """
    from weasyprint.css import ColorProfile

    content = io.BytesIO(_srgb())
    return ColorProfile(content, SRGB, "relative-colorimetric", (["r"], ["g"], ["b"]))


@cache
def _srgb() -> bytes:
    from weasyprint import pdf

    return Path(pdf.__file__).with_name(SRGB).read_bytes()


def _add_to_metadata(metadata: Any, descriptions: bytes) -> None:
    """Into the one ``rdf:RDF`` that XMP allows.

    WeasyPrint's own ``xmp_metadata`` appends another one after it, which readers overlook.
    """
    generate = metadata.generate_rdf_metadata

    def with_descriptions(*arguments: Any) -> bytes:
        written: bytes = generate(*arguments)
        before, end, after = written.rpartition(END_OF_RDF)
        if not end:
            raise RuntimeError("WeasyPrint writes its metadata in another way than expected.")
        return before + descriptions + end + after

    metadata.generate_rdf_metadata = with_descriptions


def list_once(document: Any, pdf: Any) -> None:  # noqa: ARG001 - as WeasyPrint calls it
    """WeasyPrint names an attached file twice in the list of associated files."""
    if "AF" in pdf.catalog:
        pdf.catalog["AF"][:] = dict.fromkeys(pdf.catalog["AF"])
