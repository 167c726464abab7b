"""HTML in, PDF out: documents of record, without a network and the same bytes every time.

WeasyPrint takes two seconds to import and needs native libraries, so it is imported when the first
document is rendered, never at start-up. The style sheet and the fonts are read once per process.

Two renderings of the same HTML on one machine are the same bytes: dates come from the caller, the
file identifier from the content, and font subsets carry no time stamp. Between machines the bytes
may differ (with and without harfbuzz-subset, say), so an issued file is kept, not rendered again.

Never call this inside a transaction: a long document takes seconds.
"""

from __future__ import annotations

import gc
import hashlib
import logging
import os
import shutil
import tempfile
import threading
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from agencyportal.core.hybrid_pdf import (
    PDF_VARIANT,
    AttachedInvoice,
    attach,
    list_once,
    srgb_profile,
)

STATIC = Path(__file__).resolve().parents[2] / "static"
STYLE_SHEET = STATIC / "documents" / "document.css"
FONT_FILES = (
    STATIC / "fonts" / "Inter-Regular.ttf",
    STATIC / "fonts" / "Inter-SemiBold.ttf",
)
SYSTEM_PACKAGES = "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"


class PdfError(RuntimeError):
    """A document could not be rendered; the message says what to install or to restore."""


class RefusedAddressError(PdfError):
    """The document asked for something that is neither inline nor one of the packaged files."""


def render_pdf(html: str, *, dated: date, attached: AttachedInvoice | None = None) -> bytes:
    """Render one document, as PDF/A-3b: what archives keep.

    `dated` becomes the creation and modification date, `attached` goes inside. Styles come from
    `static/documents/document.css` and from the HTML's own `<style>`.

    Raises `PdfError` when a native library or a packaged font is missing or an image is broken,
    and `RefusedAddressError` when the HTML refers to anything but `data:` URIs and packaged files.
    """
    said = html.encode() + (attached.content if attached else b"")
    file_identifier = hashlib.sha256(said).hexdigest()[:32].encode()
    with _engine.lock, _fixed_font_time(dated), _no_errors(), _no_collection():
        return _engine.weasy.render(html, dated, file_identifier, attached)


class _Weasy:
    """WeasyPrint with our fonts and style sheet."""

    def __init__(self) -> None:
        weasyprint = _import_weasyprint()
        for path in (*FONT_FILES, STYLE_SHEET):
            _require(path)
        self._html = weasyprint.HTML
        self._fetcher = _url_fetcher()
        self._fonts = _font_configuration()
        self._css = weasyprint.CSS(
            string=_font_faces() + STYLE_SHEET.read_text("utf-8"),
            base_url=STYLE_SHEET.as_uri(),
            url_fetcher=self._fetcher,
            font_config=self._fonts,
        )
        if self._fonts.loaded() < len(FONT_FILES):
            names = ", ".join(path.name for path in FONT_FILES)
            raise PdfError(
                f"The fonts of documents ({names} in {FONT_FILES[0].parent}) cannot be loaded; "
                "restore them from the repository."
            )

    def render(
        self, html: str, dated: date, file_identifier: bytes, attached: AttachedInvoice | None
    ) -> bytes:
        from weasyprint.urls import FatalURLFetchingError

        source = self._html(string=html, base_url=STYLE_SHEET.as_uri(), url_fetcher=self._fetcher)
        try:
            document = source.render(
                font_config=self._fonts, stylesheets=[self._css], pdf_variant=PDF_VARIANT
            )
            stamp = f"{dated.isoformat()}T00:00:00Z"
            document.metadata.created = document.metadata.modified = stamp
            if attached:
                attach(document, attached, dated=dated)
            document.color_profiles[document.output_intent] = srgb_profile()
            pdf: bytes = document.write_pdf(
                pdf_identifier=file_identifier,
                pdf_variant=PDF_VARIANT,
                output_intent="as set above",
                finisher=list_once,
            )
        except FatalURLFetchingError as error:  # a BaseException: it would end the worker
            raise RefusedAddressError(str(error)) from error
        return pdf


class _Engine:
    """What one process keeps between documents. The lock: Pango's font map is not for threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    @cached_property
    def weasy(self) -> _Weasy:
        return _Weasy()


_engine = _Engine()


def _start_anew() -> None:
    """In a forked child: the parent's lock may be held, and its extracted fonts may go away."""
    global _engine
    _engine = _Engine()


os.register_at_fork(after_in_child=_start_anew)


def _import_weasyprint() -> Any:
    try:
        with warnings.catch_warnings():
            # It warns about a system without fonts: ours are bundled.
            warnings.filterwarnings("ignore", message=".*Expect ugly output")
            import weasyprint
    except OSError as error:
        raise PdfError(
            f"PDFs need Pango, which this system lacks ({error}). "
            f"On Debian or Ubuntu: apt-get install {SYSTEM_PACKAGES}"
        ) from error
    # It tells every step of every document.
    logging.getLogger("weasyprint.progress").setLevel(logging.WARNING)
    logging.getLogger("fontTools").setLevel(logging.WARNING)
    return weasyprint


def _require(path: Path) -> None:
    if not path.is_file():
        raise PdfError(
            f"{path} is missing. It belongs to the portal; restore it from the repository. "
            "Without its fonts no document can be rendered."
        )


def _font_faces() -> str:
    weights = zip(FONT_FILES, (400, 600), strict=True)
    return "".join(
        f'@font-face {{ font-family: "Portal Inter"; font-weight: {weight}; '
        f'src: url("{path.as_uri()}"); }}\n'
        for path, weight in weights
    )


def _font_configuration() -> Any:
    from weasyprint.text.ffi import fontconfig
    from weasyprint.text.fonts import FontConfiguration

    class Fonts(FontConfiguration):  # type: ignore[misc]
        """Keeps the extracted fonts until the process that extracted them ends."""

        def __init__(self) -> None:
            super().__init__()
            self._folder = Path(tempfile.mkdtemp(prefix="portal-fonts-"))
            weakref.finalize(self, _remove_in, os.getpid(), self._folder)

        def __del__(self) -> None:
            """Not upstream's, which fails at the interpreter's end and runs in forked children."""

        def loaded(self) -> int:
            """How many bundled fonts there are. Without any font Pango crashes the process."""
            fonts = fontconfig.FcConfigGetFonts(self._config, fontconfig.FcSetApplication)
            return int(fonts.nfont) if fonts else 0

    return Fonts()


def _remove_in(process: int, folder: Path) -> None:
    if process == os.getpid():
        shutil.rmtree(folder, ignore_errors=True)


def _url_fetcher() -> Any:
    from weasyprint.urls import FatalURLFetchingError, URLFetcher

    packaged = {path.as_uri() for path in (*FONT_FILES, STYLE_SHEET)}

    class PackagedOnly(URLFetcher):  # type: ignore[misc]
        """Fetches `data:` URIs and the packaged files: no network, no other file of the machine."""

        def fetch(self, url: str, headers: dict[str, str] | None = None) -> Any:
            if url.startswith("data:") or url in packaged:
                return super().fetch(url, headers)
            raise FatalURLFetchingError(f"A document may not load {url[:200]!r}.")

    return PackagedOnly(allow_redirects=False)


class _Errors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@contextmanager
def _no_errors() -> Iterator[None]:
    """What WeasyPrint only logs (a logo that cannot be drawn) is an error in a document of record.

    Raises `PdfError` at the end of the block.
    """
    errors = _Errors()
    logger = logging.getLogger("weasyprint")
    logger.addHandler(errors)
    try:
        yield
    finally:
        logger.removeHandler(errors)
    if errors.messages:
        raise PdfError(f"The document cannot be rendered as it is: {errors.messages[0][:300]}")


@contextmanager
def _no_collection() -> Iterator[None]:
    """Laying out makes a great many objects and hardly any garbage: looking for cycles among them,
    and among all of Django's, again and again, is a fifth of the time. It is done afterwards."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def _fixed_font_time(dated: date) -> Iterator[None]:
    """fontTools stamps the fonts it subsets with the present second, unless told otherwise."""
    before = os.environ.get("SOURCE_DATE_EPOCH")
    os.environ["SOURCE_DATE_EPOCH"] = str((dated - date(1970, 1, 1)).days * 86_400)
    try:
        yield
    finally:
        if before is None:
            del os.environ["SOURCE_DATE_EPOCH"]
        else:
            os.environ["SOURCE_DATE_EPOCH"] = before
