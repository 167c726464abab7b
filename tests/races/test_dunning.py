"""Ticks, a client who pays, and pauses at one moment: each step once, one charge."""

from __future__ import annotations

import datetime as dt
from threading import Barrier
from typing import Any

import pytest
from django.db import IntegrityError

from billing.dunning import next_move
from billing.models import (
    Dunning,
    DunningEntry,
    Invoice,
    InvoiceCheckout,
    Mail,
    Payment,
)
from billing.services import dunning
from billing.services.charge_consents import give_consent
from billing.services.dunning import dun, dun_due_invoices
from billing.services.invoice_checkouts import pay_invoice
from billing.services.saved_card_charges import begin_charge
from billing.services.stripe_customers import ensure_customer, read_card
from clients.models import User, Workspace
from tests.billing import ledger
from tests.stripe_double import StripeDouble
from tests.stripe_fixtures import stripe, stripe_server

from .at_once import at_once

__all__ = ["stripe", "stripe_server"]

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

NOW = dt.datetime(2026, 3, 10, 12, 0, tzinfo=dt.UTC)
DUE = dt.datetime(2026, 3, 24, 12, 0, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: DUE)


@pytest.fixture
def invoice(stripe: StripeDouble, acme_support: Workspace, client_admin: User) -> Invoice:
    """Of 100.00, due, with a card that may be charged for it."""
    issued = ledger.issued(acme_support, now=NOW, fee="100.00")
    customer = ensure_customer(client=issued.client, now=NOW)
    stripe.save_card(customer.customer_id)
    read_card(customer=customer, now=NOW)
    give_consent(client=issued.client, words="Yes", given_by=client_admin, now=NOW)
    return issued


def test_without_the_lock_two_workers_try_to_do_one_step(
    invoice: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What keeps the second from it then is a unique constraint alone."""
    both_have_looked = Barrier(2)
    look = next_move

    def looked(*what: Any, **how: Any) -> Any:
        both_have_looked.wait(10)
        return look(*what, **how)

    monkeypatch.setattr(dunning, "lock_row", lambda rows: rows.get())
    monkeypatch.setattr(dunning, "next_move", looked)
    row = Dunning.objects.get()
    results = at_once(2, lambda _: dun(dunning_id=row.pk, now=DUE))
    assert [type(r) for r in results if isinstance(r, Exception)] == [IntegrityError]
    assert InvoiceCheckout.objects.count() == 1


def test_workers_at_once_do_each_step_once_and_charge_once(
    stripe: StripeDouble, invoice: Invoice
) -> None:
    row = Dunning.objects.get()

    def work(number: int) -> Any:
        if number % 2:
            return dun_due_invoices(now=DUE, limit=5)
        checkout = dun(dunning_id=row.pk, now=DUE)
        return checkout and begin_charge(checkout=checkout, now=DUE)

    results = at_once(6, work)
    assert [r for r in results if isinstance(r, Exception)] == []
    assert list(DunningEntry.objects.values_list("day", flat=True)) == [-3, 0]
    assert len(stripe.rows("payment_intent")) == Payment.objects.count() == 1
    assert Mail.objects.filter(key__startswith="charge").count() == 0


def test_who_pays_on_the_page_while_the_card_is_to_be_charged_is_charged_once(
    stripe: StripeDouble, invoice: Invoice
) -> None:
    def work(number: int) -> Any:
        if number:
            return dun_due_invoices(now=DUE, limit=5)
        return pay_invoice(invoice=Invoice.objects.get(pk=invoice.pk), payer=None, now=DUE)

    at_once(2, work)
    for page in InvoiceCheckout.objects.filter(method="page", state="pending"):
        stripe.pay(page.session_id or "")
    paid = [row for row in stripe.rows("payment_intent") if row["status"] == "succeeded"]
    assert len(paid) == 1
    assert InvoiceCheckout.objects.filter(state__in=("pending", "processing", "paid")).count() == 1
