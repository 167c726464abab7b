"""Documents of record leave through their check, to those who may see them."""

from __future__ import annotations

from django.core.files.storage import storages
from django.test import Client as Browser

from agencyportal.core.append_only import lifted
from billing.models import Charge, Invoice, InvoiceDocument
from billing.services.document_files import sha256, store_document
from billing.services.invoicing import draft_invoices
from tests.console.conftest import Story


def pdf(story: Story) -> str:
    return f"/admin/billing/invoice/{story.invoice.pk}/pdf/"


def test_the_file_is_the_one_that_was_recorded(
    story: Story, rendered: InvoiceDocument, as_viewer: Browser
) -> None:
    response = as_viewer.get(pdf(story))

    assert response.status_code == 200
    assert response["Content-Type"] == "application/pdf"
    assert str(story.invoice.number) in response["Content-Disposition"]
    assert response.content == b"%PDF-1.7 the invoice"


def test_a_damaged_file_is_not_served(
    story: Story, rendered: InvoiceDocument, as_manager: Browser
) -> None:
    with storages["documents"].open(rendered.path, "wb") as file:
        file.write(b"%PDF-1.7 something else")

    response = as_manager.get(pdf(story))

    assert response.status_code == 500
    assert b"not the file that was recorded" in response.content


def test_others_find_no_file(
    story: Story, rendered: InvoiceDocument, as_outsider: Browser, as_client_admin: Browser
) -> None:
    assert as_outsider.get(pdf(story)).status_code == 404
    assert as_client_admin.get(pdf(story)).status_code == 404
    assert Browser().get(pdf(story)).status_code == 302


def test_a_form_for_a_file_says_nothing_to_others(
    story: Story, rendered: InvoiceDocument, as_outsider: Browser, as_client_admin: Browser
) -> None:
    """405 would say that there is such a page."""
    for path in (pdf(story), pdf(story).replace("/pdf/", "/preview/")):
        assert as_outsider.post(path).status_code == 404
        assert as_client_admin.post(path).status_code == 404


def test_a_file_that_is_not_made_is_not_there(story: Story, as_manager: Browser) -> None:
    assert as_manager.get(pdf(story)).status_code == 404
    assert as_manager.post(pdf(story)).status_code == 405


def test_a_draft_can_be_looked_at_without_issuing_it(
    story: Story, as_manager: Browser, as_outsider: Browser
) -> None:
    later = Charge.objects.filter(line=None).earliest("bill_at")
    drafts = draft_invoices(now=later.bill_at)
    path = f"/admin/billing/invoice/{drafts[0].pk}/preview/" if drafts else ""

    if not drafts:  # the running period must end first
        path = f"/admin/billing/invoice/{story.invoice.pk}/preview/"
    response = as_manager.get(path)

    assert response.status_code == 200
    assert response.content.startswith(b"%PDF")
    assert as_outsider.get(path).status_code == 404
    assert Invoice.objects.filter(state="draft").count() == len(drafts)


def xml(story: Story) -> str:
    return pdf(story).replace("/pdf/", "/xml/")


def test_the_e_invoice_is_handed_out_to_be_saved_and_to_nobody_else(
    story: Story,
    rendered: InvoiceDocument,
    as_viewer: Browser,
    as_outsider: Browser,
    as_client_admin: Browser,
) -> None:
    assert as_viewer.get(xml(story)).status_code == 404, "there is none yet"
    keep_xml(rendered, b"<invoice/>")

    response = as_viewer.get(xml(story))

    assert (response.status_code, response.content) == (200, b"<invoice/>")
    assert response["Content-Type"] == "application/xml"
    assert response["Content-Disposition"] == f'attachment; filename="{story.invoice.number}.xml"'
    assert as_outsider.get(xml(story)).status_code == 404
    assert as_client_admin.get(xml(story)).status_code == 404
    assert Browser().get(xml(story)).status_code == 302


def keep_xml(document: InvoiceDocument, content: bytes) -> None:
    store_document(document.xml_path, content)
    with lifted(reason="a test of downloads"):
        InvoiceDocument.objects.update(xml_sha256=sha256(content), xml_size=len(content))


def test_files_that_failed_are_made_again_by_who_handles_money(
    story: Story, as_manager: Browser, as_viewer: Browser, as_outsider: Browser
) -> None:
    InvoiceDocument.objects.update(state="failed", attempts=5, error="no ink")
    page = f"/admin/billing/invoice/{story.invoice.pk}/retry/"
    assert as_outsider.post(page).status_code == 404
    assert as_viewer.post(page).status_code == 403
    asked = as_manager.get(page)
    assert b"no ink" in asked.content

    as_manager.post(page, {"key": "once"})

    document = InvoiceDocument.objects.get(invoice=story.invoice)
    assert (document.state, document.attempts) == ("pending", 0)
    assert b"Nothing has failed here." in as_manager.get(page).content
