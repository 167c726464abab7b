"""Invoices: the list, one of them, and its PDF."""

from __future__ import annotations

import datetime as dt
import hashlib
from decimal import Decimal

import pytest
from django.core.files.storage import storages
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agencyportal.core.append_only import lifted
from agencyportal.core.documents import SnapshotError
from billing.models import Charge, InvoiceDocument, Payment
from billing.services.document_files import store_document
from billing.services.drafting import draft_invoices
from billing.services.invoicing import issue_invoice
from billing.services.payments import record_payment

from .conftest import NOON
from .pages import text_of


def pay(invoice, amount: str) -> Payment:
    return record_payment(
        invoice=invoice,
        amount=Decimal(amount),
        currency="USD",
        method=Payment.Method.BANK_TRANSFER,
        reference="ACME",
        received_at=NOON,
        now=NOON,
        key=f"pay {amount}",
    )


@pytest.fixture
def pdf(story, invoice) -> str:
    return story.url(f"invoices/{invoice.pk}/pdf/")


def test_the_list_says_how_each_stands(story, invoice, admin):
    text = text_of(admin.get(story.url("invoices/")))
    assert f"{invoice.number} Mar 10, 2026 Mar 24, 2026 $2,999.00 To pay Download" in text


@pytest.mark.parametrize(
    ("paid", "days", "words"),
    [
        ("999", 0, "$2,000.00 still to pay"),
        ("2999", 0, "Paid"),
        ("", 14, "To pay"),
        ("", 15, "$2,999.00 overdue by 1 day"),
        ("999", 20, "$2,000.00 overdue by 6 days"),
    ],
)
def test_states_are_words(story, invoice, admin, monkeypatch, paid, days, words):
    if paid:
        pay(invoice, paid)
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOON + dt.timedelta(days=days))
    assert f"$2,999.00 {words} Download" in text_of(admin.get(story.url("invoices/")))


def test_drafts_are_not_shown(story, admin):
    (draft,) = draft_invoices(now=NOON)
    assert "No invoice yet." in text_of(admin.get(story.url("invoices/")))
    assert admin.get(story.url(f"invoices/{draft.pk}/")).status_code == 404
    assert admin.get(story.url(f"invoices/{draft.pk}/pdf/")).status_code == 404


def test_one_invoice_says_what_was_issued_and_how_to_pay(story, invoice, admin):
    text = text_of(admin.get(story.url(f"invoices/{invoice.pk}/")))
    assert f"Invoice {invoice.number}" in text
    assert "To pay $2,999.00 by March 24, 2026" in text
    assert "Implementation" in text
    assert "$2,500.00" in text
    assert "Base package" in text
    assert "$499.00" in text
    assert "Bank of Example, account 000123456789, routing 110000000" in text
    assert f"Reference {invoice.number}" in text
    assert "Where your money goes" in text


def test_payments_are_listed(story, invoice, admin):
    pay(invoice, "999")
    text = text_of(admin.get(story.url(f"invoices/{invoice.pk}/")))
    assert "To pay $2,000.00 by" in text
    assert "Received $999.00 March 10, 2026, Bank transfer" in text


def test_paid_there_is_nothing_left_to_pay(story, invoice, admin):
    pay(invoice, "2999")
    text = text_of(admin.get(story.url(f"invoices/{invoice.pk}/")))
    assert "There is nothing left to pay." in text
    assert "Bank of Example" not in text


def test_a_snapshot_that_cannot_be_read_is_no_dead_end(story, invoice, admin, monkeypatch):
    monkeypatch.setattr("agencyportal.portal.views.invoices.InvoiceSnapshot.from_dict", _unreadable)
    response = admin.get(story.url(f"invoices/{invoice.pk}/"))
    assert response.status_code == 200
    assert "The lines of this invoice cannot be shown." in text_of(response)
    assert "$2,999.00" in text_of(response)


def _unreadable(stored):
    raise SnapshotError("of another version")


def test_the_pdf_is_the_issued_file(invoice, pdf, admin):
    response = admin.get(pdf)
    assert response.status_code == 200
    assert response["Content-Type"] == "application/pdf"
    assert response["Content-Disposition"] == f'attachment; filename="{invoice.number}.pdf"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "private" in response["Cache-Control"]
    assert "public" not in response["Cache-Control"]
    assert response.content.startswith(b"%PDF-")
    recorded = InvoiceDocument.objects.get(invoice=invoice)
    assert hashlib.sha256(response.content).hexdigest() == recorded.sha256
    assert len(response.content) == recorded.size


def test_viewers_may_read_it(pdf, viewer):
    assert viewer.get(pdf).content.startswith(b"%PDF-")


@pytest.mark.parametrize("who", ["outsider", "owner", "operator"])
def test_outsiders_get_none_of_it(pdf, who, request, browse):
    response = browse(request.getfixturevalue(who)).get(pdf)
    assert response.status_code == 404
    assert b"%PDF" not in response.content


def test_before_it_is_made_a_page_says_so(story, documents, admin):
    (draft,) = draft_invoices(now=NOON)
    invoice = issue_invoice(invoice=draft, now=NOON)
    assert "Being prepared" in text_of(admin.get(story.url("invoices/")))
    response = admin.get(story.url(f"invoices/{invoice.pk}/pdf/"))
    assert response.status_code == 503
    assert response["Retry-After"] == "30"
    assert "The PDF is on its way" in text_of(response)


def test_when_making_it_failed_a_page_says_so(invoice, pdf, admin):
    with lifted(reason="a test of a file that failed"):
        InvoiceDocument.objects.update(state="failed", error="OSError: /secret")
    response = admin.get(pdf)
    assert response.status_code == 503
    text = text_of(response)
    assert "Making the PDF has failed." in text
    assert "secret" not in text


def test_a_file_that_was_changed_is_not_handed_out(invoice, pdf, admin):
    path = InvoiceDocument.objects.get(invoice=invoice).path
    with storages["documents"].open(path, "ab") as file:
        file.write(b"and ten dollars more")
    response = admin.get(pdf)
    assert response.status_code == 503
    assert "is not the one that was issued" in text_of(response)
    assert b"%PDF" not in response.content


def test_a_file_that_is_gone_is_said_to_be(invoice, pdf, admin):
    storages["documents"].delete(InvoiceDocument.objects.get(invoice=invoice).path)
    assert admin.get(pdf).status_code == 503


def test_queries_do_not_grow_with_invoices(story, invoice, admin):
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            admin.get(story.url("invoices/"))
        return len(captured)

    few = queries()
    period = story.workspace.periods.order_by("start").first()
    for number in range(3):
        moment = NOON + dt.timedelta(hours=number)
        Charge.objects.create(
            agency=story.client.agency,
            client=story.client,
            workspace=story.workspace,
            period=period,
            kind="support",
            description=f"Extra {number}",
            amount=Decimal(10),
            currency="USD",
            bill_at=moment - dt.timedelta(minutes=30),
            key=f"extra {number}",
        )
        for draft in draft_invoices(now=moment):
            issue_invoice(invoice=draft, now=moment)
    assert story.client.invoices.count() > 1
    assert queries() == few


def test_the_e_invoice_is_downloaded_beside_the_pdf(story, invoice, pdf, admin):
    page, xml = story.url(f"invoices/{invoice.pk}/"), pdf.replace("/pdf/", "/xml/")
    assert "E-invoice (XML)" in text_of(admin.get(page))
    response = admin.get(xml)
    assert response.status_code == 200
    assert b"CrossIndustryInvoice" in response.content
    assert response["Content-Disposition"] == f'attachment; filename="{invoice.number}.xml"'
    store_document(InvoiceDocument.objects.get(invoice=invoice).xml_path, b"<another/>")
    assert admin.get(xml).status_code == 503


def test_where_there_is_no_e_invoice_none_is_offered(story, invoice, pdf, admin):
    with lifted(reason="a test of an invoice without one"):
        InvoiceDocument.objects.update(xml_sha256="", xml_size=None, xml_gaps="It is a draft.")
    assert "E-invoice (XML)" not in text_of(admin.get(story.url(f"invoices/{invoice.pk}/")))
    assert admin.get(pdf.replace("/pdf/", "/xml/")).status_code == 404


@pytest.mark.parametrize("who", ["outsider", "owner", "operator"])
def test_outsiders_get_no_e_invoice(pdf, who, request, browse):
    response = browse(request.getfixturevalue(who)).get(pdf.replace("/pdf/", "/xml/"))
    assert response.status_code == 404
