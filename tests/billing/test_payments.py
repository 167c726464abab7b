"""Payments: what is received for an invoice, once; what is more than due is the client's."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from billing.models import ClientBalance, Invoice, Payment
from billing.services.payments import PaymentConflictError, PaymentRefusedError, record_payment
from tests.billing import ledger


@pytest.fixture
def invoice(acme_support, now) -> Invoice:
    """499.00 USD, issued."""
    return ledger.issued(acme_support, now=now)


@pytest.fixture
def pay(invoice, now):
    def record(amount: str, key: str = "bank:1", **facts: Any) -> Payment:
        return record_payment(
            **{
                "invoice": invoice,
                "amount": Decimal(amount),
                "currency": "USD",
                "method": Payment.Method.BANK_TRANSFER,
                "reference": "INV-2026-000001 ACME",
                "received_at": now - dt.timedelta(hours=1),
                "now": now,
                "key": key,
                **facts,
            }
        )

    return record


def standing(invoice: Invoice) -> tuple[str, Decimal, Decimal]:
    invoice.refresh_from_db()
    return invoice.state, invoice.amount_paid, invoice.amount_due


def test_the_full_amount_settles_the_invoice(invoice, pay, acme, owner):
    payment = pay("499.00", recorded_by=owner)
    assert standing(invoice) == ("paid", Decimal("499"), Decimal(0))
    assert (payment.client, payment.agency, payment.recorded_by) == (acme, acme.agency, owner)


def test_part_payments_add_up_until_it_is_settled(invoice, pay):
    pay("100.01", key="bank:1")
    assert standing(invoice) == ("partially_paid", Decimal("100.01"), Decimal("398.99"))
    pay("398.99", key="bank:2")
    assert standing(invoice) == ("paid", Decimal("499"), Decimal(0))


def test_the_same_payment_again_is_the_payment_that_is_there(invoice, pay):
    first = pay("499.00")
    assert pay("499.00") == first
    assert standing(invoice) == ("paid", Decimal("499"), Decimal(0))
    assert Payment.objects.count() == 1


@pytest.mark.parametrize(
    "other",
    [
        {"amount": "99.00"},
        {"method": Payment.Method.CARD},
        {"reference": "something else"},
        {"received_at": dt.datetime(2026, 3, 1, tzinfo=dt.UTC)},
    ],
)
def test_a_key_with_other_facts_is_refused(invoice, pay, other):
    pay("100.00")
    with pytest.raises(
        PaymentConflictError, match=r"recorded \$100.00 of 10 March 2026, 11:00 UTC for invoice"
    ):
        pay(**{"amount": "100.00", **other})
    assert standing(invoice)[1] == Decimal(100)


def test_a_key_belongs_to_one_invoice(invoice, pay, birch_leads, now):
    pay("100.00")
    other = ledger.issued(birch_leads, now=now)
    with pytest.raises(PaymentConflictError):
        pay("100.00", invoice=other)
    assert standing(other)[1] == 0


def test_a_key_of_another_agency_says_nothing_about_its_payment(pay, cedar_support, now):
    pay("123.45", reference="of Acme")
    other = ledger.issued(cedar_support, now=now)
    with pytest.raises(PaymentConflictError) as refused:
        pay("100.00", invoice=other)
    assert str(refused.value) == "This key is taken. Give the payment another."


def test_more_than_is_due_is_kept_as_the_clients_balance(invoice, pay, acme):
    pay("400.00", key="bank:1")
    over = pay("99.01", key="bank:2")
    assert standing(invoice) == ("paid", Decimal(499), Decimal(0))
    assert (over.kept, over.applied) == (Decimal("0.01"), Decimal(99))
    again = pay("5.00", key="bank:3")
    assert (again.kept, again.applied) == (Decimal(5), Decimal(0))
    assert ClientBalance.objects.get(client=acme).amount == Decimal("5.01")
    assert standing(invoice) == ("paid", Decimal(499), Decimal(0))


def test_a_receipt_of_the_provider_is_recorded_once(invoice, pay):
    pay("100.00", provider_id="pi_1")
    with pytest.raises(PaymentConflictError, match="recorded already"):
        pay("100.00", key="other", provider_id="pi_1")


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"currency": "EUR"}, "is in USD; the payment is in EUR"),
        ({"amount": "0"}, "not an amount"),
        ({"amount": "-1"}, "not an amount"),
        ({"amount": "1.001"}, "not an amount"),
        ({"received_at": dt.datetime(2026, 3, 10, 12, 0, 1, tzinfo=dt.UTC)}, "not come yet"),
        ({"received_at": dt.datetime(1900, 1, 1, tzinfo=dt.UTC)}, "more than a year before"),
        ({"method": "barter"}, "one of the methods"),
        ({"method": "balance"}, "one of the methods"),
        ({"key": ""}, "needs a key"),
    ],
)
def test_what_cannot_have_been_received_is_refused(invoice, pay, facts, words):
    with pytest.raises(PaymentRefusedError, match=words):
        pay(**{"amount": "1.00", **facts})
    assert standing(invoice) == ("issued", Decimal(0), Decimal(499))


def test_what_was_paid_in_advance_is_a_payment(invoice, pay):
    """A year and a day before the invoice of 10 March 2026, of which one has 365 days."""
    assert pay("1.00", received_at=invoice.issued_at - dt.timedelta(days=366)).amount == 1


def test_nothing_is_paid_on_a_draft(birch_leads, pay, now):
    ledger.activated(birch_leads)
    (draft,) = ledger.draft_invoices(now=now)
    with pytest.raises(PaymentRefusedError, match="not issued yet"):
        pay("1.00", invoice=draft)


def test_a_recorded_payment_stays_as_it_is(pay):
    pay("1.00")
    for statement in (
        "UPDATE billing_payment SET amount = 20000",
        "UPDATE billing_payment SET reference = 'x'",
        "DELETE FROM billing_payment",
        "UPDATE billing_invoicemovement SET paid = 0",
        "DELETE FROM billing_invoicemovement",
    ):
        with (
            pytest.raises(IntegrityError, match="append-only"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
