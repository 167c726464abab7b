"""The agency's logo: uploaded in the admin, printed on what is issued afterwards."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client as Browser
from pypdf import PdfReader

from agencyportal.core.logos import MissingLogoError, logo_uri, store_logo
from billing.documents.invoice import render_invoice_pdf
from billing.services.invoice_snapshot import brand_of
from clients.logo_images import printable_logo
from clients.models import Agency, User
from clients.services.logos import remove_logo, set_logo
from tests.billing.invoice_samples import invoice
from tests.logo_pictures import mark, picture

pytestmark = pytest.mark.django_db


def upload(browser: Browser, agency: Agency, content: bytes | None) -> Any:
    said: dict[str, Any] = {"key": "3f9a1c2e"}
    if content is not None:
        said["picture"] = SimpleUploadedFile("logo.png", content, "image/png")
    return browser.post(f"/admin/clients/agency/{agency.pk}/logo/", said)


@pytest.fixture
def browser(owner: User) -> Browser:
    browser = Browser()
    browser.force_login(owner)
    return browser


def images(pdf: bytes) -> list[Any]:
    """Those of the first page."""
    return list(PdfReader(io.BytesIO(pdf)).pages[0].images)


def printed_for(agency: Agency) -> bytes:
    return render_invoice_pdf(invoice(agency=brand_of(agency)))


def test_an_owner_uploads_one_and_documents_print_it(browser, northwind):
    assert images(printed_for(northwind)) == []
    assert upload(browser, northwind, mark()).status_code == 302
    northwind.refresh_from_db()
    assert len(images(printed_for(northwind))) == 1
    page = browser.get(f"/admin/clients/agency/{northwind.pk}/change/").content.decode()
    assert f'<img src="{logo_uri(northwind.logo)}" alt="Northwind"' in page


def test_the_dialog_sends_files(browser, northwind):
    page = browser.get(f"/admin/clients/agency/{northwind.pk}/logo/").content.decode()
    assert 'enctype="multipart/form-data"' in page
    assert 'hx-encoding="multipart/form-data"' in page


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<svg/>", "This is not a PNG or JPEG picture, or only a part of one."),
        (picture(colour="white"), "Take the version for light backgrounds."),
        (b"x" * (2 * 1024 * 1024 + 1), "The file is larger than 2 MB."),
        (None, "This field is required."),
    ],
)
def test_what_cannot_be_one_is_refused_in_words_and_changes_nothing(
    browser, northwind, content, words
):
    answer = upload(browser, northwind, content)
    assert answer.status_code == 200
    assert words in answer.content.decode()
    northwind.refresh_from_db()
    assert northwind.logo == ""


def test_a_manager_may_not_and_an_outsider_finds_nothing(northwind, teammate, outsider):
    for user, status in ((teammate, 403), (outsider, 404)):
        browser = Browser()
        browser.force_login(user)
        assert upload(browser, northwind, mark()).status_code == status
    northwind.refresh_from_db()
    assert northwind.logo == ""


def test_it_is_taken_off_again(browser, northwind):
    set_logo(agency=northwind, content=mark())
    removal = f"/admin/clients/agency/{northwind.pk}/remove_logo/"
    assert browser.post(removal, {"key": "3f9a1c2e"}).status_code == 302
    northwind.refresh_from_db()
    assert northwind.logo == ""
    assert "no logo to remove" in browser.get(removal).content.decode()


def test_an_issued_document_keeps_the_logo_it_was_issued_with(northwind):
    set_logo(agency=northwind, content=mark())
    issued = invoice(agency=brand_of(northwind))
    before = render_invoice_pdf(issued)
    set_logo(agency=northwind, content=picture(colour="black"))
    assert render_invoice_pdf(issued) == before
    assert printed_for(northwind) != before
    remove_logo(agency=northwind)
    assert render_invoice_pdf(issued) == before


def test_a_logo_that_was_lost_is_there_again_when_it_is_uploaded_again(settings, tmp_path):
    folder = settings.STORAGES["logos"] | {"OPTIONS": {"location": tmp_path}}
    settings.STORAGES = settings.STORAGES | {"logos": folder}
    png = printable_logo(mark((300, 90)))
    name = store_logo(png)
    file = tmp_path / name[:2] / f"{name}.png"
    file.unlink()
    with pytest.raises(MissingLogoError, match="cannot be read"):
        logo_uri(name)
    file.write_bytes(png[:-1])
    with pytest.raises(MissingLogoError, match="was changed where it is stored"):
        logo_uri(name)
    options = {"location": tmp_path, "allow_overwrite": True}
    settings.STORAGES = settings.STORAGES | {"logos": folder | {"OPTIONS": options}}
    assert store_logo(png) == name
    assert logo_uri(name).startswith("data:image/png;base64,")
