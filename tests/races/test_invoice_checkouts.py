"""Clicks, the way back and events at one moment: one page, one payment."""

from __future__ import annotations

import datetime as dt
from threading import Barrier
from typing import Any

import pytest
from django.db import IntegrityError

from billing.models import Invoice, InvoiceCheckout, Payment, StripeEvent
from billing.services import invoice_checkouts
from billing.services.invoice_booking import look_at_checkout
from billing.services.invoice_checkouts import _place, pay_invoice
from billing.services.stripe_inbox import keep_event, process_event
from clients.models import Workspace
from tests.billing import ledger
from tests.stripe_double import StripeDouble
from tests.stripe_fixtures import stripe, stripe_server

from .at_once import at_once

__all__ = ["stripe", "stripe_server"]

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

NOW = dt.datetime(2026, 3, 10, 12, 0, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)


@pytest.fixture
def invoice(stripe: StripeDouble, acme_support: Workspace) -> Invoice:
    return ledger.issued(acme_support, now=NOW, fee="100.00")


def test_without_the_lock_two_clicks_try_to_open_two(
    invoice: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What keeps the second from it then is the unique constraint alone."""
    both_have_looked = Barrier(2)
    look = invoice_checkouts._open_attempt

    def looked(of: Invoice) -> Any:
        found = look(of)
        both_have_looked.wait(10)
        return found

    monkeypatch.setattr(invoice_checkouts, "lock_row", lambda rows: rows.get())
    monkeypatch.setattr(invoice_checkouts, "_open_attempt", looked)
    results = at_once(2, lambda _: _place(invoice, None, NOW))
    assert [type(r) for r in results if isinstance(r, Exception)] == [IntegrityError]


def test_clicks_at_once_open_one_page(stripe: StripeDouble, invoice: Invoice) -> None:
    def click(_: int) -> Any:
        return pay_invoice(invoice=Invoice.objects.get(pk=invoice.pk), payer=None, now=NOW)

    results = at_once(4, click)
    assert len({found.session_id for found in results}) == 1
    assert InvoiceCheckout.objects.count() == len(stripe.rows("checkout.session")) == 1


def test_the_page_and_the_events_at_once_book_it_once(
    stripe: StripeDouble, invoice: Invoice
) -> None:
    opened = pay_invoice(invoice=invoice, payer=None, now=NOW)
    stripe.pay(opened.session_id or "")
    events = [keep_event(event, now=NOW).pk for event in stripe.events]

    def hear(number: int) -> Any:
        if number % 2:
            checkout = InvoiceCheckout.objects.get(pk=opened.pk)
            return look_at_checkout(checkout=checkout, now=NOW)
        return process_event(event_id=events[-1 - number // 2], now=NOW)

    results = at_once(6, hear)
    assert [r for r in results if isinstance(r, Exception)] == []
    assert Payment.objects.count() == 1
    assert Invoice.objects.get().amount_due == 0
    assert not InvoiceCheckout.objects.exclude(trouble="").exists()
    assert not StripeEvent.objects.filter(state="failed").exists()
