"""Credit notes, payments and balances at once: each guard is first taken away."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from django.db import IntegrityError

from billing.crediting import Part
from billing.models import (
    BalanceEntry,
    ClientBalance,
    CreditNote,
    DocumentSeries,
    Invoice,
    Refund,
)
from billing.refusals import RefusedError
from billing.services import client_balance, credit_notes
from billing.services.client_balance import adjust_balance, apply_balance
from billing.services.credit_notes import issue_credit_note
from billing.services.disputes import record_dispute
from billing.services.payments import record_payment
from billing.services.refunds import record_refund_result, request_refund
from tests.billing import ledger
from tests.races.at_once import at_once, unguarded

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

NOW = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)


@pytest.fixture
def invoice(acme_support) -> Invoice:
    """499.00 USD, issued."""
    return ledger.issued(acme_support, now=NOW)


def errors(results) -> list[Exception]:
    return [result for result in results if isinstance(result, Exception)]


def credit(invoice: Invoice, amount: str, key: str) -> CreditNote:
    line = invoice.lines.get()
    return issue_credit_note(
        invoice=invoice,
        parts=[Part(line.pk, amount=Decimal(amount))],
        reason="Sorry",
        created_by=None,
        now=NOW,
        key=key,
    )


def pay(invoice: Invoice, amount: str, key: str):
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


def stands(invoice: Invoice) -> Invoice:
    invoice.refresh_from_db()
    assert invoice.total == invoice.amount_paid + invoice.amount_credited + invoice.amount_due
    assert invoice.amount_due >= 0
    numbers = list(invoice.movements.values_list("number", flat=True))
    assert numbers == list(range(1, len(numbers) + 1))
    return invoice


def give(client, amount: str) -> ClientBalance:
    entry = adjust_balance(
        client=client,
        currency="USD",
        amount=Decimal(amount),
        reason="Given",
        adjusted_by=None,
        now=NOW,
        key=amount,
    )
    return entry.balance


def test_without_the_lock_two_credit_notes_clash(invoice, monkeypatch):
    DocumentSeries.objects.create(code="credit-note-2026", prefix="CN-2026-")
    read_at_once = unguarded(2)
    monkeypatch.setattr(credit_notes, "lock_row", lambda queryset: read_at_once(queryset)[0])
    results = at_once(2, lambda number: credit(invoice, "499.00", f"n{number}"))
    assert [type(error) for error in errors(results)] == [IntegrityError]


def test_credit_notes_at_once_never_exceed_the_invoice(invoice):
    results = at_once(8, lambda number: credit(invoice, "100.00", f"n{number}"))
    refused = errors(results)
    assert {type(error) for error in refused} == {RefusedError}
    assert len(refused) == 4
    assert stands(invoice).amount_credited == Decimal(400)
    assert sorted(CreditNote.objects.values_list("sequence", flat=True)) == [1, 2, 3, 4]


def test_payments_and_credit_notes_at_once_settle_it_once(invoice):
    def work(number: int):
        if number % 2:
            return pay(invoice, "499.00", f"k{number}")
        return credit(invoice, "200.00", f"n{number}")

    results = at_once(8, work)
    assert {type(error) for error in errors(results)} == {RefusedError}
    settled = stands(invoice)
    assert settled.amount_credited == Decimal(400)
    assert settled.amount_paid == Decimal(99)
    balance = ClientBalance.objects.get()
    assert balance.amount == Decimal(4 * 499 - 99)


def test_without_the_lock_a_balance_is_spent_twice(invoice, acme, monkeypatch):
    give(acme, "100.00")
    read_at_once = unguarded(2)
    monkeypatch.setattr(client_balance, "lock_rows", read_at_once)
    results = at_once(2, lambda number: refund(acme, "100.00", f"r{number}"))
    assert not errors(results)
    spent = Refund.objects.values_list("amount", flat=True)
    assert sum(spent, Decimal(0)) == Decimal(200)


def refund(client, amount: str, key: str) -> Refund:
    return request_refund(
        client=client,
        amount=Decimal(amount),
        currency="USD",
        reason="Asked",
        requested_by=None,
        now=NOW,
        key=key,
    )


def test_a_balance_is_spent_once(invoice, acme):
    balance = give(acme, "100.00")

    def spend(number: int):
        if number % 2:
            return apply_balance(invoice=invoice, now=NOW, key=f"b{number}")
        return refund(acme, "60.00", f"r{number}")

    results = at_once(8, spend)
    assert {type(error) for error in errors(results)} == {RefusedError}
    balance.refresh_from_db()
    entries = BalanceEntry.objects.values_list("amount", flat=True)
    assert balance.amount == sum(entries, Decimal(0)) >= 0
    stands(invoice)


def test_a_failed_refund_is_put_back_once(acme):
    balance = give(acme, "100.00")
    sent = refund(acme, "100.00", "r")
    results = at_once(
        6, lambda _: record_refund_result(refund=sent, state="failed", failure="No", now=NOW)
    )
    assert not errors(results)
    balance.refresh_from_db()
    assert balance.amount == Decimal(100)


def test_a_dispute_is_opened_and_lost_once(invoice):
    payment = pay(invoice, "499.00", "k")

    def report(number: int):
        return record_dispute(
            payment=payment,
            provider_id="dp_1",
            state="lost" if number % 2 else "opened",
            amount=payment.amount,
            happened_at=NOW,
            now=NOW,
        )

    assert not errors(at_once(6, report))
    assert stands(invoice).amount_paid == 0
    assert payment.reversals.count() == 1
