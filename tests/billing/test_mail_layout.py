"""How messages look: one layout, the agency's look, the reader's language; and who sends them."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings
from django.core import mail as outbound
from django.core.mail import EmailMessage

from agencyportal.core.logos import logo_png
from billing.models import InvoiceDocument, Mail
from billing.services.mailing import message, queue_mail, send_due_mail
from billing.services.rendering import render_due
from clients.services.logos import set_logo
from tests.billing import ledger
from tests.logo_pictures import mark

TEMPLATES = Path(settings.BASE_DIR) / "templates"
FRAME = {"base.html", "button.html"}


@pytest.fixture
def sent(documents, acme_support, now, mailoutbox):
    """Issues an invoice, makes its PDF and sends it; the message as it went out."""

    def send() -> EmailMessage:
        ledger.issued(acme_support, now=now)
        render_due(model=InvoiceDocument, render=lambda _: b"%PDF-the invoice", now=now)
        assert send_due_mail(now=now) == 1
        return mailoutbox[-1]

    return send


def html_of(message: EmailMessage) -> str:
    (alternative,) = message.alternatives  # type: ignore[attr-defined]
    return str(alternative.content)


@pytest.mark.parametrize(
    "path",
    [
        path
        for folder in ("mail", "account/email")
        for path in sorted((TEMPLATES / folder).glob("*.html"))
        if path.name not in FRAME
    ],
    ids=lambda path: path.name,
)
def test_every_message_has_the_one_layout_and_says_the_same_as_text(path):
    assert path.read_text().startswith('{% extends "mail/base.html" %}')
    assert path.with_suffix(".txt").exists()


def test_the_logo_is_a_part_of_the_message(sent, northwind):
    set_logo(agency=northwind, content=mark())
    went = sent()
    assert f'<img src="cid:{northwind.logo}" alt="Northwind"' in html_of(went)
    image, pdf = went.attachments
    assert image["Content-ID"] == f"<{northwind.logo}>"
    assert image["Content-Disposition"] == 'inline; filename="logo.png"'
    assert image.get_payload(decode=True) == logo_png(northwind.logo)
    assert pdf[1] == b"%PDF-the invoice"


def test_without_a_logo_the_name_stands_there(sent):
    went = sent()
    assert "<img" not in html_of(went)
    assert len(went.attachments) == 1


def test_a_message_does_not_wait_for_a_logo_that_is_lost(sent, northwind, caplog):
    northwind.logo = "0" * 64
    northwind.save()
    went = sent()
    assert len(went.attachments) == 1
    assert "goes without its logo" in caplog.text


def test_a_light_colour_is_darkened_until_words_on_it_can_be_read(sent, northwind):
    northwind.brand_color = "#ffe066"
    northwind.save()
    html = html_of(sent())
    assert "#ffe066" not in html
    assert "background: #" in html


def test_a_german_client_is_written_to_in_german(sent, acme):
    acme.language = "de"
    acme.save()
    went = sent()
    assert went.subject.startswith("Northwind: Rechnung INV-2026-000001 über 499,00")
    assert "Anbei erhalten Sie die Rechnung" in went.body
    html = html_of(went)
    assert '<html lang="de">' in html
    assert "Fragen? Schreiben Sie an hello@northwind.example." in html


def test_a_provider_of_anymail_takes_it_whole_and_a_refusal_stops_nobody_else(
    sent, northwind, now, settings
):
    settings.EMAIL_BACKEND = "anymail.backends.test.EmailBackend"
    set_logo(agency=northwind, content=mark())
    refused = message(
        agency=northwind,
        client=None,
        key="bounced",
        recipients=["not an address"],
        subject="Hello",
        body_text="Hello",
        now=now,
    )
    queue_mail(refused)
    went = sent()
    params = went.anymail_test_params
    assert [str(address) for address in params["to"]] == ["billing@acme.example"]
    logo, pdf = params["attachments"]
    assert (logo.inline, logo.cid) == (True, northwind.logo)
    assert (pdf.name, pdf.mimetype) == ("INV-2026-000001.pdf", "application/pdf")
    kept = Mail.objects.get(key="bounced")
    assert (kept.state, kept.attempts) == ("pending", 1)
    assert kept.error.startswith("AnymailInvalidAddress")
    assert len(outbound.outbox) == 1
