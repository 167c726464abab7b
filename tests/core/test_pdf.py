"""Rendering documents: no network, no crash, the same bytes."""

from __future__ import annotations

import base64
import builtins
import io
import os
import shutil
import socket
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from pypdf import PdfReader

from agencyportal.core import pdf
from agencyportal.core.hybrid_pdf import AttachedInvoice
from agencyportal.core.pdf import PdfError, RefusedAddressError, render_pdf

ROOT = Path(__file__).resolve().parents[2]
DAY = date(2026, 2, 2)
HTML = (
    "<!doctype html><html lang=en><title>T</title><body><p>Total <b>1,234.50</b></p></body></html>"
)
NO_FONTS = (
    '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">'
    "<fontconfig></fontconfig>"
)
PIXEL = base64.b64encode(
    b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">'
    b'<rect width="9" height="9"/></svg>'
).decode()


@pytest.fixture
def fresh_engine(monkeypatch):
    """As in a process that has rendered nothing yet."""
    monkeypatch.setattr(pdf, "_engine", pdf._Engine())


def run_python(script: str, **environment: str) -> bytes:
    """What the script prints in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_text_and_dates_are_those_given():
    document = PdfReader(io.BytesIO(render_pdf(HTML, dated=DAY)))
    assert "Total 1,234.50" in document.pages[0].extract_text()
    metadata = document.metadata
    assert metadata is not None
    assert metadata.title == "T"
    dates = [str(metadata[name]) for name in ("/CreationDate", "/ModDate")]
    assert dates == ["D:20260202000000Z"] * 2


def test_a_fresh_process_without_system_fonts_renders_the_same_bytes(tmp_path):
    """Without our bundled fonts such a system crashes the process."""
    config = tmp_path / "fonts.conf"
    config.write_text(NO_FONTS)
    printed = run_python(
        "import sys, datetime; from agencyportal.core.pdf import render_pdf;"
        f"sys.stdout.buffer.write(render_pdf({HTML!r}, dated=datetime.date(2026, 2, 2)))",
        FONTCONFIG_FILE=str(config),
        PYTHONHASHSEED="12345",
    )
    assert printed == render_pdf(HTML, dated=DAY)


def test_other_content_has_another_identifier():
    first = PdfReader(io.BytesIO(render_pdf(HTML, dated=DAY)))
    second = PdfReader(io.BytesIO(render_pdf(HTML.replace("50", "51"), dated=DAY)))
    assert first.trailer["/ID"] != second.trailer["/ID"]


@pytest.mark.usefixtures("fresh_engine")
def test_without_harfbuzz_subset_the_hour_of_rendering_changes_nothing(monkeypatch):
    import weasyprint.pdf.fonts
    from fontTools.misc import timeTools  # type: ignore[import-untyped]

    monkeypatch.setattr(weasyprint.pdf.fonts, "harfbuzz_subset", None)
    monkeypatch.setattr(timeTools.time, "time", lambda: 1_700_000_000.0)
    before = render_pdf(HTML, dated=DAY)
    monkeypatch.setattr(timeTools.time, "time", lambda: 1_800_000_000.0)
    assert render_pdf(HTML, dated=DAY) == before


def test_the_environment_is_left_as_it_was(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "77")
    render_pdf(HTML, dated=DAY)
    assert os.environ["SOURCE_DATE_EPOCH"] == "77"
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    render_pdf(HTML, dated=DAY)
    assert "SOURCE_DATE_EPOCH" not in os.environ


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:9/x.png",
        "https://example.com/x.png",
        "file:///etc/passwd",
        "../../manage.py",
        "ftp://127.0.0.1/x",
    ],
)
@pytest.mark.parametrize(
    "html", ['<img src="{}">', "<style>body {{ background: url('{}') }}</style>x"]
)
def test_nothing_outside_the_document_is_loaded(monkeypatch, html, address):
    def connect(*args, **kwargs):
        pytest.fail("a document opened a socket")

    monkeypatch.setattr(socket, "socket", connect)
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(RefusedAddressError, match="may not load"):
        render_pdf(html.format(address), dated=DAY)


def test_a_logo_inside_the_document_is_drawn():
    plain = render_pdf("<p>x</p>", dated=DAY)
    drawn = render_pdf(f'<p>x</p><img src="data:image/svg+xml;base64,{PIXEL}">', dated=DAY)
    assert len(drawn) > len(plain)


def test_what_a_logo_refers_to_is_not_loaded():
    logo = base64.b64encode(
        b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">'
        b'<image href="http://127.0.0.1:9/x.png" width="9" height="9"/></svg>'
    ).decode()
    with pytest.raises(PdfError, match="SVG image"):
        render_pdf(f'<img src="data:image/svg+xml;base64,{logo}">', dated=DAY)


def test_a_broken_logo_is_an_error_and_the_next_document_is_not_held_up():
    with pytest.raises(PdfError, match="Failed to load image"):
        render_pdf('<img src="data:image/png;base64,AAAA">', dated=DAY)
    assert render_pdf(HTML, dated=DAY).startswith(b"%PDF")


@pytest.mark.usefixtures("fresh_engine")
def test_a_missing_font_is_an_error_that_names_it(monkeypatch, tmp_path):
    gone = tmp_path / "Inter-Regular.ttf"
    monkeypatch.setattr(pdf, "FONT_FILES", (gone, pdf.FONT_FILES[1]))
    with pytest.raises(PdfError, match=r"Inter-Regular\.ttf is missing.*restore it"):
        render_pdf(HTML, dated=DAY)


@pytest.mark.usefixtures("fresh_engine")
def test_a_broken_font_is_an_error_and_not_a_crash(monkeypatch, tmp_path):
    broken = tmp_path / "Inter-Regular.ttf"
    broken.write_bytes(b"no font at all")
    monkeypatch.setattr(pdf, "FONT_FILES", (broken, pdf.FONT_FILES[1]))
    with pytest.raises(PdfError, match=r"Inter-Regular\.ttf.*cannot be loaded"):
        render_pdf(HTML, dated=DAY)


@pytest.mark.usefixtures("fresh_engine")
def test_a_failure_does_not_stay(monkeypatch, tmp_path):
    font = tmp_path / "Inter-Regular.ttf"
    real = pdf.FONT_FILES
    monkeypatch.setattr(pdf, "FONT_FILES", (font, real[1]))
    with pytest.raises(PdfError):
        render_pdf(HTML, dated=DAY)
    shutil.copy(real[0], font)
    assert render_pdf(HTML, dated=DAY).startswith(b"%PDF")


@pytest.mark.usefixtures("fresh_engine")
def test_without_pango_the_packages_are_named(monkeypatch):
    real = builtins.__import__

    def without_pango(name, *args, **kwargs):
        if name == "weasyprint":
            raise OSError("cannot load library 'libpango-1.0-0'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_pango)
    with pytest.raises(PdfError, match=r"apt-get install libpango-1\.0-0 libpangoft2-1\.0-0"):
        render_pdf(HTML, dated=DAY)


def test_weasyprint_is_imported_by_the_first_document_only():
    printed = run_python(
        "import sys, billing.documents.invoice, payouts.documents.statement;"
        "print('weasyprint' in sys.modules)"
    )
    assert printed.strip() == b"False"


def test_a_forked_worker_leaves_its_parent_the_fonts():
    script = (
        "import os, sys, datetime\n"
        "from agencyportal.core import pdf\n"
        f"render = lambda: pdf.render_pdf({HTML!r}, dated=datetime.date(2026, 2, 2))\n"
        "first = render()\n"
        "folder = pdf._engine.weasy._fonts._folder\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    sys.exit(0 if render() == first else 1)\n"
        "_, status = os.waitpid(child, 0)\n"
        "print(os.waitstatus_to_exitcode(status), folder.exists(), render() == first)"
    )
    assert run_python(script).split() == [b"0", b"True", b"True"]


def test_an_e_invoice_goes_inside_and_the_bytes_stay_the_same():
    """As Factur-X has it: one file of a fixed name, an alternative of what is printed."""
    attached = AttachedInvoice(b"<invoice/>", description="INV-1")
    printed = render_pdf(HTML, dated=DAY, attached=attached)
    assert printed == render_pdf(HTML, dated=DAY, attached=attached)
    root: Any = PdfReader(io.BytesIO(printed)).root_object
    (file,) = (reference.get_object() for reference in root["/AF"])
    assert (file["/UF"], file["/Desc"], file["/AFRelationship"]) == (
        "factur-x.xml",
        "INV-1",
        "/Alternative",
    )
    embedded = file["/EF"]["/F"].get_object()
    assert embedded.get_data() == b"<invoice/>"
    assert embedded["/Subtype"] == "/text/xml"
    assert embedded["/Params"]["/ModDate"] == "D:20260202000000Z"


def test_metadata_say_what_is_inside_in_the_one_description_that_there_is():
    attached = AttachedInvoice(b"<invoice/>", description="INV-1")
    metadata = _metadata(render_pdf(HTML, dated=DAY, attached=attached))
    (rdf,) = metadata
    said = {element.tag.rpartition("}")[2]: element.text for element in rdf.iter()}
    assert {name: said[name] for name in ("DocumentType", "Version", "ConformanceLevel")} == {
        "DocumentType": "INVOICE",
        "Version": "1.0",
        "ConformanceLevel": "EN 16931",
    }
    assert said["DocumentFileName"] == "factur-x.xml"


def test_every_document_is_for_archives():
    (rdf,) = _metadata(render_pdf(HTML, dated=DAY))
    (first, *_rest) = rdf
    levels = {name.rpartition("}")[2]: value for name, value in first.attrib.items()}
    assert (levels["part"], levels["conformance"]) == ("3", "B")


def _metadata(printed: bytes) -> ElementTree.Element:
    root: Any = PdfReader(io.BytesIO(printed)).root_object
    packet = root["/Metadata"].get_object().get_data().decode()
    said = packet[packet.index("<x:xmpmeta") : packet.index("<?xpacket e")]
    return ElementTree.fromstring(said)  # noqa: S314 - our own
