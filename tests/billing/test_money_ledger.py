"""What happens to an issued invoice and its money: credited, voided, returned, refunded, disputed.

Acme's invoice is 100.00 and 50.00 net, 20 % of tax: 180.00.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from billing.crediting import Part
from billing.models import (
    BalanceEntry,
    ClientBalance,
    CreditNote,
    CreditNoteDocument,
    Invoice,
    Mail,
    Payment,
    PaymentReversal,
    Refund,
    TaxRate,
)
from billing.refusals import RefusedError
from billing.services.client_balance import adjust_balance, apply_balance
from billing.services.credit_notes import issue_credit_note, void_invoice
from billing.services.disputes import record_dispute
from billing.services.invoicing import draft_invoices, issue_invoice, preview_invoice
from billing.services.payments import record_payment
from billing.services.refunds import record_refund_result, request_refund
from billing.services.reversals import reverse_payment
from billing.services.waiting_credit import credit_waiting_charges
from billing.services.write_offs import write_off
from clients.models import Platform
from tests.billing import ledger

D = Decimal


@pytest.fixture
def invoice(acme_support, now) -> Invoice:
    client = acme_support.client
    TaxRate.objects.create(
        agency=client.agency,
        country=client.country,
        category="S",
        percent=D(20),
        effective_from=dt.date(2020, 1, 1),
    )
    first = ledger.activated(acme_support, fee="100.00")
    ledger.charge(first, "50.00", first.start, kind="support", quantity=D(5))
    (draft,) = draft_invoices(now=now)
    return issue_invoice(invoice=draft, now=now)


@pytest.fixture
def pay(invoice, now):
    def record(amount: str, key: str = "bank:1", **facts: Any) -> Payment:
        return record_payment(
            **{
                "invoice": invoice,
                "amount": D(amount),
                "currency": "USD",
                "method": Payment.Method.BANK_TRANSFER,
                "reference": "ACME",
                "received_at": now,
                "now": now,
                "key": key,
                **facts,
            }
        )

    return record


@pytest.fixture
def take_back(invoice, owner, now):
    def note(*parts: tuple[int, str], key: str = "n1", **fields: Any) -> CreditNote:
        lines = {line.position: line.pk for line in invoice.lines.all()}
        return issue_credit_note(
            invoice=invoice,
            parts=[Part(lines[position], amount=D(amount)) for position, amount in parts],
            reason="Too much",
            created_by=owner,
            now=now,
            key=key,
            **fields,
        )

    return note


def standing(invoice: Invoice) -> tuple[str, Decimal, Decimal, Decimal]:
    invoice.refresh_from_db()
    assert invoice.total == invoice.amount_paid + invoice.amount_credited + invoice.amount_due
    return invoice.state, invoice.amount_paid, invoice.amount_credited, invoice.amount_due


def balance(client) -> Decimal:
    row = ClientBalance.objects.filter(client=client, currency="USD").first()
    entries = BalanceEntry.objects.filter(client=client, currency="USD")
    total = sum(entries.values_list("amount", flat=True), D(0))
    assert total == (row.amount if row else 0)
    return total


# --- Credit notes ------------------------------------------------------------------------------


def test_what_is_due_sinks_first(invoice, take_back, acme):
    note = take_back((1, "40.00"))
    assert (note.net, note.tax, note.total) == (D(40), D(8), D(48))
    assert (note.to_due, note.to_balance) == (D(48), D(0))
    assert standing(invoice) == ("issued", D(0), D(48), D(132))
    assert balance(acme) == 0


def test_what_was_paid_beyond_goes_to_the_balance(invoice, pay, take_back, acme):
    pay("150.00")
    note = take_back((1, "40.00"))
    assert (note.to_due, note.to_balance) == (D(30), D(18))
    assert standing(invoice) == ("paid", D(132), D(48), D(0))
    assert balance(acme) == D(18)


def test_a_credit_note_says_what_it_corrects(invoice, take_back, acme):
    note = take_back((2, "10.00"))
    said = note.snapshot
    assert note.number == "CN-2026-000001"
    assert said["kind"] == "credit_note"
    assert said["corrects"]["number"] == invoice.number
    assert said["totals"]["gross"] == "12.00"
    assert CreditNoteDocument.objects.get().path == "northwind/2026/CN-2026-000001.pdf"
    mail = Mail.objects.get(key="credit-note:CN-2026-000001")
    assert "credit note CN-2026-000001 over $12.00" in mail.subject
    assert invoice.number in mail.body_text


def test_the_same_key_is_the_credit_note_that_is_there(invoice, take_back):
    assert take_back((1, "40.00")) == take_back((1, "40.00"))
    assert CreditNote.objects.count() == 1
    assert standing(invoice)[2] == D(48)


def test_never_more_than_is_left_of_a_line(invoice, take_back):
    take_back((2, "30.00"))
    with pytest.raises(RefusedError, match=r"\$20.00 can be taken back, not \$20.01"):
        take_back((2, "20.01"), key="n2")
    take_back((2, "20.00"), key="n3")
    assert standing(invoice) == ("issued", D(0), D(60), D(120))


def test_by_quantity_the_last_takes_the_rest(acme_support, invoice, owner, now):
    line = invoice.lines.get(kind="support")

    def back(quantity: str) -> Decimal:
        note = issue_credit_note(
            invoice=invoice,
            parts=[Part(line.pk, quantity=D(quantity))],
            reason="Fewer",
            created_by=owner,
            now=now,
            key=quantity,
        )
        return note.net

    assert [back("2"), back("3")] == [D(20), D(30)]
    with pytest.raises(RefusedError, match="a quantity of 0 can be taken back"):
        back("1")


def test_an_invoice_is_voided_by_a_credit_note_over_all_of_it(invoice, pay, take_back, acme, now):
    pay("100.00")
    take_back((1, "40.00"))
    note = void_invoice(invoice=invoice, reason="Wrong", created_by=None, now=now, key="void")
    assert note.total == D(132)
    assert standing(invoice) == ("void", D(0), D(180), D(0))
    assert balance(acme) == D(100)
    with pytest.raises(RefusedError, match="more than nothing"):
        void_invoice(invoice=invoice, reason="Again", created_by=None, now=now, key="void2")
    pay("7.00", key="late")
    assert balance(acme) == D(107)
    assert standing(invoice)[0] == "void"


def test_numbers_run_on_for_ever_where_the_platform_says_so(invoice, take_back):
    Platform.objects.update(numbers_by_year=False)
    assert take_back((1, "1.00")).number == "CN-000001"


def test_what_a_credit_note_says_stays(take_back):
    take_back((1, "1.00"))
    for table in ("creditnote", "creditnoteline", "creditnotetax"):
        with (
            pytest.raises(IntegrityError, match="append-only"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(f"UPDATE billing_{table} SET currency = 'EUR'")  # noqa: S608


def test_the_database_refuses_more_credit_than_a_line_has(invoice):
    for statement in (
        "UPDATE billing_invoiceline SET credited = net + 1",
        "UPDATE billing_invoicetax SET credited_tax = tax + 1",
        "UPDATE billing_invoice SET amount_credited = total + 1",
    ):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)


# --- The client's balance ----------------------------------------------------------------------


def test_a_balance_pays_the_next_invoice_when_it_is_issued(invoice, pay, acme, acme_support, now):
    pay("200.00")
    assert balance(acme) == D(20)
    period = acme_support.periods.get()
    ledger.charge(period, "100.00", now)
    (draft,) = draft_invoices(now=now)
    seen = preview_invoice(invoice=draft, now=now)
    issued = issue_invoice(invoice=draft, now=now)
    assert standing(issued) == ("partially_paid", D(20), D(0), D(100))
    assert balance(acme) == 0
    said = (issued.snapshot or {})["totals"]
    assert (said["paid"], said["due"]) == ("20.00", "100.00")
    assert (seen.totals.paid, seen.totals.due) == (D(20), D(100))
    payment = issued.payments.get()
    assert (payment.method, payment.amount) == ("balance", D(20))


def test_a_balance_that_covers_an_invoice_settles_it(invoice, pay, acme, acme_support, now):
    pay("400.00")
    ledger.charge(acme_support.periods.get(), "100.00", now)
    (draft,) = draft_invoices(now=now)
    issued = issue_invoice(invoice=draft, now=now)
    assert standing(issued) == ("paid", D(120), D(0), D(0))
    assert issued.due_date is None
    assert balance(acme) == D(100)


def test_a_balance_is_used_for_an_invoice_that_is_due(invoice, acme, owner, now):
    adjust_balance(
        client=acme,
        currency="USD",
        amount=D(30),
        reason="Found in the old books",
        adjusted_by=owner,
        now=now,
        key="a",
    )
    apply_balance(invoice=invoice, now=now, key="b", applied_by=owner)
    apply_balance(invoice=invoice, now=now, key="b", applied_by=owner)
    assert standing(invoice) == ("partially_paid", D(30), D(0), D(150))
    assert balance(acme) == 0
    with pytest.raises(RefusedError, match="nothing of a balance"):
        apply_balance(invoice=invoice, now=now, key="c")


def test_a_balance_is_never_less_than_nothing(acme, owner, now):
    with pytest.raises(RefusedError, match=r"balance of .* is \$0.00; \$1.00 is more"):
        adjust_balance(
            client=acme,
            currency="USD",
            amount=D(-1),
            reason="No",
            adjusted_by=owner,
            now=now,
            key="a",
        )


def test_credit_that_finds_no_charge_is_paid_out(acme_support, acme, owner, now):
    start = ledger.utc(2026, 2, 1)
    first = ledger.period(ledger.subscription(acme_support, start=start), start, now)
    ledger.charge(first, "-15.00", start, kind="credit")
    ledger.charge(first, "10.00", start)
    assert draft_invoices(now=now) == []
    note = credit_waiting_charges(
        client=acme, currency="USD", reason="They left", created_by=owner, now=now, key="a"
    )
    assert (note.invoice, note.total) == (None, D(5))
    assert [line.net for line in note.lines.all()] == [D(15), D(-10)]
    assert balance(acme) == D(5)
    assert draft_invoices(now=now) == []
    with pytest.raises(RefusedError, match="goes on the next invoice"):
        credit_waiting_charges(
            client=acme, currency="USD", reason="They left", created_by=owner, now=now, key="b"
        )


# --- Payments that do not stay -----------------------------------------------------------------


def test_a_payment_that_bounces_is_due_again(invoice, pay, owner, acme, now):
    payment = pay("200.00")
    back = reverse_payment(
        payment=payment,
        reason="No funds",
        reversed_at=now,
        now=now,
        key="r",
        recorded_by=owner,
    )
    assert (back.off_invoice, back.off_balance, back.shortfall) == (D(180), D(20), D(0))
    assert standing(invoice) == ("issued", D(0), D(0), D(180))
    assert balance(acme) == 0
    with pytest.raises(RefusedError, match="can go back"):
        reverse_payment(payment=payment, reason="Again", reversed_at=now, now=now, key="r2")


def test_a_payment_bounces_after_it_was_received(invoice, pay, now):
    payment = pay("200.00")
    too_early = payment.received_at - dt.timedelta(days=1, minutes=1)
    with pytest.raises(RefusedError, match="before"):
        reverse_payment(payment=payment, reason="No", reversed_at=too_early, now=now, key="r")
    assert standing(invoice)[0] == "paid"


def test_what_the_client_has_back_already_is_a_shortfall(invoice, pay, take_back, acme, now):
    payment = pay("180.00")
    take_back((1, "100.00"))
    refund(acme, "100.00", now=now)
    back = reverse_payment(payment=payment, reason="No", reversed_at=now, now=now, key="r")
    assert (back.off_invoice, back.off_balance, back.shortfall) == (D(60), D(20), D(100))
    assert standing(invoice) == ("issued", D(0), D(120), D(60))
    assert balance(acme) == 0


def test_a_late_payment_undoes_a_write_off(invoice, pay, owner, now):
    pay("80.00")
    row = write_off(invoice=invoice, reason="Gone", written_off_by=owner, now=now, key="w")
    assert row.amount == D(100)
    assert standing(invoice)[0] == "uncollectible"
    pay("1.00", key="late")
    assert standing(invoice) == ("partially_paid", D(81), D(0), D(99))
    pay("99.00", key="later")
    with pytest.raises(RefusedError, match="is paid"):
        write_off(invoice=invoice, reason="Gone", written_off_by=owner, now=now, key="w2")


# --- Refunds -----------------------------------------------------------------------------------


def refund(client, amount: str, *, now: dt.datetime, key: str = "f", **fields: Any) -> Refund:
    return request_refund(
        client=client,
        amount=D(amount),
        currency="USD",
        reason="As agreed",
        requested_by=None,
        now=now,
        key=key,
        **fields,
    )


def test_a_refund_takes_from_the_balance_and_a_failed_one_puts_it_back(pay, acme, now):
    payment = pay("200.00", provider_id="pi_1")
    sent = refund(acme, "15.00", now=now, payment=payment)
    assert (sent.state, sent.method) == ("pending", "provider")
    assert balance(acme) == D(5)
    for state in ("pending", "succeeded", "succeeded"):
        record_refund_result(refund=sent, state=state, provider_id="re_1", now=now)
    assert balance(acme) == D(5)
    for _twice in range(2):
        done = record_refund_result(refund=sent, state="failed", failure="No account", now=now)
    assert (done.state, done.failure) == ("failed", "No account")
    assert balance(acme) == D(20)
    record_refund_result(refund=sent, state="succeeded", now=now)
    sent.refresh_from_db()
    assert sent.state == "failed"
    payment.refresh_from_db()
    assert payment.returned == 0


def test_a_refund_is_at_most_the_balance_and_the_payment(pay, acme, now):
    payment = pay("200.00")
    with pytest.raises(RefusedError, match=r"is \$20.00; \$20.01 is more"):
        refund(acme, "20.01", now=now)
    adjust_balance(
        client=acme,
        currency="USD",
        amount=D(500),
        reason="More",
        adjusted_by=None,
        now=now,
        key="a",
    )
    with pytest.raises(RefusedError, match=r"\$200.00 can go back, not \$200.01"):
        refund(acme, "200.01", now=now, payment=payment)
    assert refund(acme, "20.00", now=now) == refund(acme, "20.00", now=now)
    assert Refund.objects.get().method == "bank_transfer"


# --- Disputes ----------------------------------------------------------------------------------


def dispute(payment: Payment, state: str, now: dt.datetime, **fields: Any):
    facts = {"provider_id": "dp_1", "amount": payment.amount, "happened_at": now, "now": now}
    return record_dispute(payment=payment, state=state, **{**facts, **fields})


def test_a_dispute_that_is_won_changes_nothing(invoice, pay, now):
    payment = pay("180.00")
    for state in ("opened", "opened", "won", "won", "opened"):
        row = dispute(payment, state, now)
    assert row.state == "won"
    assert standing(invoice) == ("paid", D(180), D(0), D(0))
    assert [m.held for m in invoice.movements.all()] == [D(0), D(180), D(-180)]
    with pytest.raises(RefusedError, match="is won already"):
        dispute(payment, "lost", now)


def test_a_dispute_that_is_lost_makes_the_invoice_due_again_once(invoice, pay, acme, now):
    payment = pay("200.00")
    for state in ("lost", "opened", "lost"):
        dispute(payment, state, now)
    assert standing(invoice) == ("issued", D(0), D(0), D(180))
    back = PaymentReversal.objects.get()
    assert (back.cause, back.off_invoice, back.off_balance) == ("dispute", D(180), D(20))
    assert balance(acme) == 0


def test_disputed_money_goes_nowhere_else(pay, take_back, acme, now):
    payment = pay("200.00")
    dispute(payment, "opened", now)
    with pytest.raises(RefusedError, match="is disputed"):
        refund(acme, "1.00", now=now, payment=payment)
    with pytest.raises(RefusedError, match="is disputed"):
        reverse_payment(payment=payment, reason="No", reversed_at=now, now=now, key="r")
    with pytest.raises(RefusedError, match="not disputed"):
        take_back((1, "10.00"))
