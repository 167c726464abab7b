"""Documents on disk: each rendered once, under one name, whatever dies on the way."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import IntegrityError, connection, transaction

from agencyportal.core.append_only import lifted
from billing.models import Invoice, InvoiceDocument
from billing.refusals import RefusedError
from billing.services import document_files, rendering
from billing.services.document_files import (
    DamagedDocumentError,
    read_document,
    read_e_invoice,
    sha256,
    store_document,
)
from billing.services.rendering import (
    MAX_ATTEMPTS,
    RETRY_AFTER,
    render_due,
    render_due_documents,
    try_again,
)
from clients.models import Platform
from tests.billing import ledger
from tests.billing.norm import complaints

PATH = "northwind/2026/INV-2026-000001.pdf"
XML = "northwind/2026/INV-2026-000001.xml"
SECOND = dt.timedelta(seconds=1)


class Killed(BaseException):
    """What no worker catches: the process is gone."""


@pytest.fixture
def invoice(documents, acme_support, now) -> Invoice:
    return ledger.issued(acme_support, now=now)


@pytest.fixture
def two(invoice, birch_leads, now) -> tuple[Invoice, Invoice]:
    return invoice, ledger.issued(birch_leads, now=now)


def content_of(document: InvoiceDocument) -> bytes:
    return b"the PDF of " + str(document.invoice.number).encode()


def sweep(now: dt.datetime, render: Callable[[InvoiceDocument], bytes] = content_of) -> int:
    return render_due(model=InvoiceDocument, render=render, now=now)


def files(documents: Path) -> list[str]:
    return sorted(str(f.relative_to(documents)) for f in documents.rglob("*") if f.is_file())


def failing(document: InvoiceDocument) -> bytes:
    raise RuntimeError(f"no ink for {document.invoice.number}")


def killed(document: InvoiceDocument) -> bytes:
    raise Killed


def test_a_document_is_rendered_stored_and_recorded(invoice, documents, now):
    assert sweep(now) == 1
    document = InvoiceDocument.objects.get()
    assert (document.state, document.path, document.rendered_at) == ("rendered", PATH, now)
    stored = (documents / PATH).read_bytes()
    assert stored == b"the PDF of INV-2026-000001"
    assert document.sha256 == hashlib.sha256(stored).hexdigest()
    assert (document.size, document.attempts, document.error) == (len(stored), 1, "")
    assert (documents / PATH).stat().st_mode & 0o777 == 0o600


def test_rendering_again_finds_nothing(invoice, now):
    assert sweep(now) == 1
    assert sweep(now + dt.timedelta(days=1)) == 0


def test_the_invoice_itself_becomes_a_pdf_and_an_e_invoice_beside_it(invoice, documents, now):
    assert render_due_documents(now=now) == 1
    document = InvoiceDocument.objects.get()
    pdf, xml = (documents / PATH).read_bytes(), (documents / XML).read_bytes()
    assert pdf.startswith(b"%PDF-")
    assert complaints(xml) == []
    assert (document.xml_sha256, document.xml_size) == (sha256(xml), len(xml))
    assert (document.xml_gaps, read_e_invoice(document)) == ("", xml)
    # Made anew from the snapshot, they are the same to the byte.
    with lifted(reason="a test of rendering again"):
        InvoiceDocument.objects.update(state="pending", sha256="", size=None, xml_sha256="")
    (documents / PATH).unlink()
    (documents / XML).unlink()
    assert render_due_documents(now=now) == 1
    assert (documents / PATH).read_bytes() == pdf
    assert (documents / XML).read_bytes() == xml


def test_without_a_country_there_is_a_pdf_alone_and_why(acme_support, documents, now):
    Platform.objects.update(country="")
    ledger.issued(acme_support, now=now)
    assert render_due_documents(now=now) == 1
    assert files(documents) == [PATH]
    document = InvoiceDocument.objects.get()
    assert (document.state, document.has_xml) == ("rendered", False)
    assert document.xml_gaps == "The platform has no country in its address."


def test_what_was_made_and_recorded_stays_as_it_is(invoice, now):
    sweep(now)
    with pytest.raises(IntegrityError), transaction.atomic():
        InvoiceDocument.objects.update(sha256="0" * 64)
    with pytest.raises(IntegrityError), transaction.atomic():
        InvoiceDocument.objects.all().delete()


def test_one_that_was_given_up_can_be_tried_again(invoice, now):
    for attempt in range(MAX_ATTEMPTS):
        sweep(now + attempt * RETRY_AFTER, failing)
    document = InvoiceDocument.objects.get()
    assert sweep(now + dt.timedelta(days=9)) == 0
    try_again(document)
    assert sweep(now + dt.timedelta(days=9)) == 1
    with pytest.raises(RefusedError, match="has not failed"):
        try_again(document)


def test_a_broken_logo_is_said_on_its_document_and_holds_up_no_other(two, now):
    broken, whole = two
    logo = "0" * 64
    snapshot = broken.snapshot | {"agency": broken.snapshot["agency"] | {"logo": logo}}
    with lifted(reason="a test of a broken logo"):
        Invoice.objects.filter(pk=broken.pk).update(snapshot=snapshot)
    assert render_due_documents(now=now) == 1
    document = InvoiceDocument.objects.get(invoice=broken)
    assert document.state == "failed"
    assert document.error.startswith("Its logo cannot be read: ")
    assert "upload the same picture again on the agency's page" in document.error
    assert InvoiceDocument.objects.get(invoice=whole).state == "rendered"


def test_one_that_fails_is_recorded_and_holds_up_no_other(two, documents, now, caplog):
    def render(document: InvoiceDocument) -> bytes:
        return (failing if document.invoice == two[0] else content_of)(document)

    assert sweep(now, render) == 1
    first, second = (InvoiceDocument.objects.get(invoice=invoice) for invoice in two)
    assert (first.state, first.error) == ("failed", "RuntimeError: no ink for INV-2026-000001")
    assert second.state == "rendered"
    assert "no ink" in caplog.text


def test_a_failure_is_tried_again_after_a_while(invoice, now):
    sweep(now, failing)
    assert sweep(now + RETRY_AFTER - SECOND) == 0
    assert sweep(now + RETRY_AFTER) == 1
    document = InvoiceDocument.objects.get()
    assert (document.state, document.error, document.attempts) == ("rendered", "", 2)


def test_a_document_that_always_fails_is_given_up(invoice, now):
    for attempt in range(MAX_ATTEMPTS + 3):
        sweep(now + attempt * RETRY_AFTER, failing)
    assert InvoiceDocument.objects.get().attempts == MAX_ATTEMPTS


def test_a_document_without_a_name_for_its_file_says_so(invoice, now):
    InvoiceDocument.objects.update(path="")
    assert sweep(now) == 0
    assert "without a name" in InvoiceDocument.objects.get().error


def test_no_more_than_the_limit_is_rendered(two, now):
    assert render_due(model=InvoiceDocument, render=content_of, now=now, limit=1) == 1
    assert InvoiceDocument.objects.filter(state="pending").count() == 1


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_a_document_is_rendered(invoice, now):
    seen = []

    def render(document: InvoiceDocument) -> bytes:
        seen.append((connection.in_atomic_block, InvoiceDocument.objects.get().state))
        return b"PDF"

    sweep(now, render)
    assert seen == [(False, "rendering")]


# --- Killed on the way -------------------------------------------------------------------------


def test_a_claim_is_left_alone_until_its_worker_is_thought_dead(invoice, now):
    with pytest.raises(Killed):
        sweep(now, killed)
    assert InvoiceDocument.objects.get().state == "rendering"
    assert sweep(now + RETRY_AFTER - SECOND) == 0
    assert sweep(now + RETRY_AFTER) == 1


STEPS = [
    (rendering, "store_document"),
    (document_files, "_sync"),
    (Path, "replace"),
    (rendering, "_record"),
]


@pytest.mark.parametrize(("owner", "step"), STEPS, ids=lambda step: getattr(step, "__name__", step))
def test_killed_at_any_step_the_next_worker_leaves_the_same_one_file(
    invoice, documents, now, monkeypatch, owner, step
):
    def die(*args, **kwargs):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(owner, step, die)
        with pytest.raises(Killed):
            sweep(now)
    assert InvoiceDocument.objects.get().state == "rendering"
    assert sweep(now + RETRY_AFTER) == 1
    assert files(documents) == [PATH]
    assert read_document(InvoiceDocument.objects.get()) == b"the PDF of INV-2026-000001"


def test_a_worker_that_was_thought_dead_records_nothing(invoice, documents, now):
    """The slow worker wakes up after another one has taken over and finished."""

    def slow(document: InvoiceDocument) -> bytes:
        assert sweep(now + RETRY_AFTER) == 1
        return content_of(document)

    assert sweep(now, slow) == 0
    document = InvoiceDocument.objects.get()
    assert (document.state, document.attempts) == ("rendered", 2)
    assert document.rendered_at == now + RETRY_AFTER
    assert files(documents) == [PATH]


def test_a_worker_that_was_thought_dead_cannot_fail_what_succeeded(invoice, now):
    def slow(document: InvoiceDocument) -> bytes:
        sweep(now + RETRY_AFTER)
        return failing(document)

    assert sweep(now, slow) == 0
    assert InvoiceDocument.objects.get().state == "rendered"


# --- Files -------------------------------------------------------------------------------------


def test_a_file_with_the_same_bytes_is_left_as_it_is(documents):
    store_document("a/b.pdf", b"PDF")
    before = (documents / "a/b.pdf").stat()
    store_document("a/b.pdf", b"PDF", attempt=2)
    after = (documents / "a/b.pdf").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_other_bytes_under_the_name_are_replaced(documents):
    store_document("a/b.pdf", b"half a PD")
    store_document("a/b.pdf", b"PDF", attempt=2)
    assert files(documents) == ["a/b.pdf"]
    assert (documents / "a/b.pdf").read_bytes() == b"PDF"


def test_a_file_that_was_changed_or_lost_is_not_served(invoice, documents, now):
    sweep(now)
    document = InvoiceDocument.objects.get()
    assert read_document(document) == b"the PDF of INV-2026-000001"
    (documents / PATH).write_bytes(b"something else")
    with pytest.raises(DamagedDocumentError, match="not the file that was recorded"):
        read_document(document)
    (documents / PATH).unlink()
    with pytest.raises(DamagedDocumentError, match="is missing"):
        read_document(document)
