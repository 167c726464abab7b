"""Mail: queued with its cause, sent when its document is there, and not forgotten."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.core import mail as outbound
from django.core.mail import EmailMultiAlternatives
from django.db import connection

from billing.models import Invoice, InvoiceDocument, Mail
from billing.services.invoice_mail import recipients_of
from billing.services.mailing import (
    BACK_OFF,
    MAX_ATTEMPTS,
    STALE_AFTER,
    message,
    message_id,
    queue_mail,
    send_due_mail,
)
from billing.services.rendering import render_due
from clients.models import ClientMember, User, Workspace
from tests.billing import ledger

SECOND = dt.timedelta(seconds=1)


class Killed(BaseException):
    """What no worker catches: the process is gone."""


@pytest.fixture
def invoice(documents, acme_support, now) -> Invoice:
    return ledger.issued(acme_support, now=now)


@pytest.fixture
def rendered(invoice, now) -> Invoice:
    render_due(model=InvoiceDocument, render=lambda _: b"%PDF-the invoice", now=now)
    return invoice


@pytest.fixture
def queue(northwind, now):
    def note(key: str, **fields) -> Mail:
        mail = message(
            **{
                "agency": northwind,
                "client": None,
                "key": key,
                "recipients": [f"{key}@acme.example"],
                "subject": f"About {key}",
                "body_text": "Hello",
                "now": now,
                **fields,
            }
        )
        return queue_mail(mail)

    return note


def refuse(monkeypatch, *keys: str) -> None:
    """Let the mail server refuse the messages about ``keys``, or all of them."""
    send = EmailMultiAlternatives.send

    def sending(message, *args, **kwargs):
        if not keys or message.subject.removeprefix("About ") in keys:
            raise ConnectionRefusedError("the server is down")
        return send(message, *args, **kwargs)

    monkeypatch.setattr(EmailMultiAlternatives, "send", sending)


def kill(monkeypatch) -> None:
    def sending(message, *args, **kwargs):
        raise Killed

    monkeypatch.setattr(EmailMultiAlternatives, "send", sending)


# --- The invoice's message ---------------------------------------------------------------------


def test_the_message_waits_for_its_document(invoice, now, mailoutbox):
    assert send_due_mail(now=now) == 0
    render_due(model=InvoiceDocument, render=lambda _: b"%PDF-the invoice", now=now)
    assert send_due_mail(now=now) == 1
    assert len(mailoutbox) == 1


def test_the_client_gets_text_html_and_the_document(rendered, now, mailoutbox, northwind):
    send_due_mail(now=now)
    (message,) = mailoutbox
    assert message.to == ["billing@acme.example"]
    assert message.reply_to == [northwind.email]
    assert (
        message.subject == "Northwind: invoice INV-2026-000001 over $499.00, due on March 24, 2026"
    )
    assert "Please pay $499.00 by March 24, 2026" in message.body
    assert "Acme support chat: $499.00" in message.body
    assert "You pay Agency Portal Inc." in message.body
    (html,) = message.alternatives
    assert html.mimetype == "text/html"
    assert "<strong>INV-2026-000001</strong>" in html.content
    (attached,) = message.attachments
    assert attached.filename == "INV-2026-000001.pdf"
    assert (attached.content, attached.mimetype) == (b"%PDF-the invoice", "application/pdf")


def test_names_are_escaped_in_html_and_plain_in_text(documents, acme_support, northwind, now):
    northwind.name = "Fish & <b>Chips</b>"
    northwind.save()
    ledger.issued(acme_support, now=now)
    mail = Mail.objects.get()
    assert mail.subject.startswith("Fish & <b>Chips</b>: invoice")
    assert "Fish & <b>Chips</b> built them" in mail.body_text
    assert "Fish &amp; &lt;b&gt;Chips&lt;/b&gt; built them" in mail.body_html


def test_tax_is_shown_between_the_workspaces_and_the_total(documents, acme_support, northwind, now):
    northwind.tax_rates.create(
        country="US", category="S", percent=10, effective_from=dt.date(2026, 1, 1)
    )
    ledger.issued(acme_support, now=now)
    assert "$499.00\nTax: $49.90\nTotal: $548.90\n" in Mail.objects.get().body_text


def test_the_message_id_says_which_message_it_is(rendered, now, mailoutbox):
    send_due_mail(now=now)
    sent = Mail.objects.get()
    assert sent.message_id == message_id("invoice:INV-2026-000001")
    assert mailoutbox[0].message()["Message-ID"] == sent.message_id


def test_a_document_that_was_tampered_with_is_not_sent(rendered, documents, now, mailoutbox):
    (documents / "northwind/2026/INV-2026-000001.pdf").write_bytes(b"%PDF-other")
    assert send_due_mail(now=now) == 0
    assert mailoutbox == []
    assert "not the file that was recorded" in Mail.objects.get().error


def test_a_client_without_an_address_is_written_to_through_its_admins(
    acme, client_admin, client_viewer
):
    assert recipients_of(acme) == ["billing@acme.example"]
    acme.email = ""
    assert recipients_of(acme) == ["admin@acme.example"]
    second = User.objects.create_user("aaron@acme.example", "x")
    ClientMember.objects.create(client=acme, user=second, role=ClientMember.Role.ADMIN)
    gone = User.objects.create_user("gone@acme.example", "x", is_active=False)
    ClientMember.objects.create(client=acme, user=gone, role=ClientMember.Role.ADMIN)
    assert recipients_of(acme) == ["aaron@acme.example", "admin@acme.example"]


def test_an_invoice_that_nobody_can_be_sent_is_issued_and_says_so(
    documents, acme, acme_support, now
):
    acme.email = ""
    acme.save()
    assert ledger.issued(acme_support, now=now).number == "INV-2026-000001"
    mail = Mail.objects.get()
    assert (mail.state, mail.error) == ("failed", "There is no address to send it to.")


# --- Queue and sweep ---------------------------------------------------------------------------


def test_a_message_is_queued_once_per_key(queue):
    assert queue("welcome") == queue("welcome", subject="Other")
    assert Mail.objects.get().subject == "About welcome"


def test_a_subject_is_one_line(queue):
    assert queue("welcome", subject="About\r\nBcc: all@acme.example").subject == (
        "About Bcc: all@acme.example"
    )


def test_a_message_is_sent_once(queue, now, mailoutbox):
    queue("welcome")
    assert send_due_mail(now=now) == 1
    assert send_due_mail(now=now + dt.timedelta(days=1)) == 0
    mail = Mail.objects.get()
    assert (mail.state, mail.sent_at, mail.attempts) == ("sent", now, 1)


def test_a_message_is_not_sent_before_its_time(queue, now):
    queue("welcome")
    assert send_due_mail(now=now - SECOND) == 0
    assert send_due_mail(now=now) == 1


def test_no_more_than_the_limit_is_sent(queue, now):
    for key in ("one", "two", "three"):
        queue(key)
    assert send_due_mail(now=now, limit=2) == 2
    assert Mail.objects.get(state="pending").key == "three"


def test_a_message_that_fails_holds_up_no_other(queue, now, monkeypatch, mailoutbox, caplog):
    queue("one")
    queue("two")
    refuse(monkeypatch, "one")
    assert send_due_mail(now=now) == 1
    assert [message.subject for message in mailoutbox] == ["About two"]
    failed = Mail.objects.get(key="one")
    assert (failed.state, failed.error) == (
        "pending",
        "ConnectionRefusedError: the server is down",
    )
    assert "sending mail one failed" in caplog.text


def test_a_failure_is_tried_again_later_and_later_and_then_given_up(queue, now, monkeypatch):
    queue("one")
    with monkeypatch.context() as patch:
        refuse(patch)
        at = now
        for wait in BACK_OFF:
            send_due_mail(now=at)
            mail = Mail.objects.get()
            assert (mail.state, mail.not_before) == ("pending", at + wait)
            at += wait
            assert send_due_mail(now=at - SECOND) == 0
        send_due_mail(now=at)
    mail = Mail.objects.get()
    assert (mail.state, mail.attempts) == ("failed", MAX_ATTEMPTS)
    assert send_due_mail(now=at + dt.timedelta(days=365)) == 0


def test_a_message_that_got_through_in_the_end_has_no_error(queue, now, monkeypatch):
    queue("one")
    with monkeypatch.context() as patch:
        refuse(patch)
        send_due_mail(now=now)
    assert send_due_mail(now=now + BACK_OFF[0]) == 1
    assert Mail.objects.get().error == ""


def test_a_worker_that_dies_leaves_the_message_to_the_next(queue, now, monkeypatch, mailoutbox):
    queue("one")
    with monkeypatch.context() as patch:
        kill(patch)
        with pytest.raises(Killed):
            send_due_mail(now=now)
    assert Mail.objects.get().state == "sending"
    assert send_due_mail(now=now + STALE_AFTER - SECOND) == 0
    assert send_due_mail(now=now + STALE_AFTER) == 1
    assert [m.message()["Message-ID"] for m in mailoutbox] == [message_id("one")]


def test_a_message_that_kills_its_worker_is_not_tried_for_ever(queue, now, monkeypatch):
    queue("one")
    kill(monkeypatch)
    for attempt in range(MAX_ATTEMPTS):
        with pytest.raises(Killed):
            send_due_mail(now=now + attempt * STALE_AFTER)
    assert send_due_mail(now=now + 100 * STALE_AFTER) == 0


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_a_message_is_sent(queue, now, monkeypatch):
    queue("one")
    seen = []

    def sending(message, *args, **kwargs):
        seen.append((connection.in_atomic_block, Mail.objects.get().state))

    monkeypatch.setattr(EmailMultiAlternatives, "send", sending)
    send_due_mail(now=now)
    assert seen == [(False, "sending")]
    assert outbound.outbox == []


@pytest.mark.parametrize("is_on", [True, False])
def test_an_invoices_message_and_pdf_lead_to_where_it_is_paid(
    acme_support: Workspace, now: dt.datetime, settings: Any, is_on: bool
) -> None:
    """Without Stripe the page says how to pay by bank transfer, as the PDF does."""
    settings.STRIPE_SECRET_KEY = "sk_test_" + "1" * 24 if is_on else ""
    settings.PORTAL_BASE_URL = "https://portal.example"
    invoice = ledger.issued(acme_support, now=now)
    page = f"https://portal.example/portal/{invoice.client_id}/invoices/{invoice.pk}/"
    mail = Mail.objects.get(key=f"invoice:{invoice.number}")
    words = "Pay it online" if is_on else "See the invoice and how to pay it"
    assert f"{words}: {page}" in mail.body_text
    assert f'href="{page}"' in mail.body_html
    assert invoice.snapshot is not None
    assert invoice.snapshot["payment"].get("pay_url", "") == (page if is_on else "")
