"""Two schedulers and two workers at once: one invoice, one number, one file, one message.

Each guard is first taken away, to show that there is a race for it to hold.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from decimal import Decimal
from pathlib import Path
from threading import Barrier

import pytest
from django.core.mail import EmailMultiAlternatives
from django.db import IntegrityError

from billing.models import (
    ClientBalance,
    DocumentSeries,
    Invoice,
    InvoiceDocument,
    InvoiceLine,
    Mail,
    Payment,
)
from billing.services import drafting, payments, series
from billing.services.invoicing import draft_invoices, issue_due_invoices, issue_invoice
from billing.services.mailing import message, queue_mail, send_due_mail
from billing.services.payments import record_payment
from billing.services.rendering import render_due
from clients.models import Client, Workspace
from tests.billing import ledger
from tests.races.at_once import at_once, unguarded

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

NOW = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)


@pytest.fixture
def documents(settings, tmp_path) -> Path:
    """The folder of stored documents, empty and the test's own."""
    ours = {"OPTIONS": {"location": tmp_path}}
    documents = settings.STORAGES["documents"] | ours
    settings.STORAGES = settings.STORAGES | {"documents": documents}
    return tmp_path


@pytest.fixture
def clients(northwind) -> list[Client]:
    """Eight clients, each with the first fee of a workspace waiting."""
    found = []
    for number in range(8):
        client = Client.objects.create(
            agency=northwind, slug=f"c{number}", name=f"Client {number}", email="c@example.com"
        )
        workspace = Workspace.objects.create(
            agency=northwind, client=client, slug=f"w{number}", name=f"Workspace {number}"
        )
        ledger.activated(workspace, fee="100.00")
        found.append(client)
    return found


def errors(results) -> list[Exception]:
    return [result for result in results if isinstance(result, Exception)]


# --- Payments ----------------------------------------------------------------------------------


@pytest.fixture
def invoice(acme_support) -> Invoice:
    """499.00 USD, issued."""
    return ledger.issued(acme_support, now=NOW)


def pay(invoice: Invoice, amount: str, key: str) -> Payment:
    return record_payment(
        invoice=invoice,
        amount=Decimal(amount),
        currency="USD",
        method="card",
        reference=key,
        received_at=NOW,
        now=NOW,
        key=key,
    )


def paid(invoice: Invoice) -> Decimal:
    return sum(Payment.objects.filter(invoice=invoice).values_list("amount", flat=True), Decimal(0))


def test_without_the_lock_two_payments_both_think_that_they_settle_it(invoice, monkeypatch):
    read_at_once = unguarded(2)
    monkeypatch.setattr(payments, "lock_row", lambda queryset: read_at_once(queryset)[0])
    results = at_once(2, lambda number: pay(invoice, "499.00", f"k{number}"))
    kept = [payment.kept for payment in results if isinstance(payment, Payment)]
    assert errors(results) or kept == [Decimal(0), Decimal(0)]


def test_payments_at_once_never_exceed_the_total(invoice):
    results = at_once(8, lambda number: pay(invoice, "100.00", f"k{number}"))
    assert not errors(results)
    invoice.refresh_from_db()
    assert (invoice.state, invoice.amount_paid) == ("paid", Decimal(499))
    assert sorted(payment.kept for payment in results) == [0, 0, 0, 0, 1, 100, 100, 100]
    assert ClientBalance.objects.get().amount == Decimal(301)


def test_one_payment_recorded_by_several_is_one(invoice):
    results = at_once(8, lambda _: pay(invoice, "499.00", "bank:1"))
    assert not errors(results)
    assert len({payment.pk for payment in results}) == 1
    assert paid(invoice) == Decimal(499)


def test_one_key_on_two_invoices_at_once_pays_one_of_them(clients):
    draft_invoices(now=NOW)
    issued, _ = issue_due_invoices(now=NOW)
    results = at_once(8, lambda number: pay(issued[number], "100.00", "bank:1"))
    assert len(errors(results)) == 7
    assert Payment.objects.count() == Invoice.objects.filter(state="paid").count() == 1


# --- Drafts and numbers ------------------------------------------------------------------------


def test_without_the_lock_two_drafters_take_the_same_charge(clients, monkeypatch):
    client, bundles, read = clients[0], drafting._bundles, Barrier(2)

    def both_read(*args):
        found = bundles(*args)
        read.wait(10)
        return found

    def draft(_number):
        return drafting.draft_client(client_id=client.pk, currency="USD", now=NOW)

    monkeypatch.setattr(drafting, "_bundles", both_read)
    monkeypatch.setattr(drafting, "lock_rows", list)

    assert [type(error) for error in errors(at_once(2, draft))] == [IntegrityError]


def test_drafting_at_once_makes_every_invoice_once(clients):
    results = at_once(4, lambda _: draft_invoices(now=NOW))
    assert not errors(results)
    assert sum(len(drafts) for drafts in results) == 8
    assert Invoice.objects.count() == InvoiceLine.objects.count() == 8


def test_without_the_lock_two_invoices_take_the_same_number(clients, monkeypatch):
    DocumentSeries.objects.create(code="invoice-2026", prefix="INV-2026-")
    drafts = draft_invoices(now=NOW)
    monkeypatch.setattr(series, "lock_rows", unguarded(2))
    results = at_once(2, lambda number: issue_invoice(invoice=drafts[number], now=NOW))
    assert [type(error) for error in errors(results)] == [IntegrityError]


def test_issuing_different_invoices_at_once_leaves_no_gap(clients):
    drafts = draft_invoices(now=NOW)
    results = at_once(8, lambda number: issue_invoice(invoice=drafts[number], now=NOW))
    assert not errors(results)
    assert sorted(invoice.sequence or 0 for invoice in results) == list(range(1, 9))


def test_issuing_one_invoice_at_once_issues_it_once(clients):
    draft, *_ = draft_invoices(now=NOW)
    results = at_once(6, lambda _: issue_invoice(invoice=draft, now=NOW))
    assert not errors(results)
    assert {invoice.number for invoice in results} == {"INV-2026-000001"}
    assert InvoiceDocument.objects.count() == Mail.objects.count() == 1
    assert DocumentSeries.objects.get().next_number == 2


# --- Files and mail ----------------------------------------------------------------------------


def test_workers_at_once_render_every_document_once(clients, documents):
    draft_invoices(now=NOW)
    issue_due_invoices(now=NOW)
    rendered: list[int] = []

    def render(document: InvoiceDocument) -> bytes:
        rendered.append(document.pk)
        return b"%PDF"

    results = at_once(4, lambda _: render_due(model=InvoiceDocument, render=render, now=NOW))
    assert not errors(results)
    assert sum(results) == 8
    assert sorted(rendered) == sorted(InvoiceDocument.objects.values_list("pk", flat=True))
    assert len([f for f in documents.rglob("*") if f.is_file()]) == 8


def test_workers_at_once_send_every_message_once(northwind, monkeypatch):
    for number in range(12):
        mail = message(
            agency=northwind,
            client=None,
            key=f"m{number}",
            recipients=["someone@example.com"],
            subject=f"m{number}",
            body_text="Hello",
            now=NOW,
        )
        queue_mail(mail)
    sent: Counter[str] = Counter()
    monkeypatch.setattr(
        EmailMultiAlternatives, "send", lambda message: sent.update([message.subject])
    )
    results = at_once(4, lambda _: send_due_mail(now=NOW))
    assert not errors(results)
    assert sum(results) == 12
    assert set(sent.values()) == {1}
    assert len(sent) == 12


def test_whole_runs_at_once_are_one_run(clients, documents):
    def run(_number):
        draft_invoices(now=NOW)
        issue_due_invoices(now=NOW)
        render_due(model=InvoiceDocument, render=lambda _: b"%PDF", now=NOW)

    assert not errors(at_once(4, run))
    invoices = Invoice.objects.order_by("sequence")
    assert [invoice.sequence for invoice in invoices] == list(range(1, 9))
    assert InvoiceDocument.objects.filter(state="rendered", attempts=1).count() == 8
