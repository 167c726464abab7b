"""Whatever happens to invoices and their money, in whatever order: the books agree.

Steps are tried through the services; what they refuse changes nothing. After each sequence every
invoice is paid, credited and due to the cent, no balance is negative, no line is credited beyond
itself, and the proof of the books finds nothing.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from itertools import chain
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from billing.crediting import Part
from billing.models import ClientBalance, Dispute, Invoice, Payment, Refund, TaxRate
from billing.refusals import RefusedError
from billing.services.client_balance import apply_balance
from billing.services.credit_notes import issue_credit_note, lines_left, void_invoice
from billing.services.disputes import record_dispute
from billing.services.invoicing import draft_invoices, issue_invoice
from billing.services.payments import record_payment
from billing.services.refunds import record_refund_result, request_refund
from billing.services.reversals import reverse_payment
from billing.services.write_offs import write_off
from clients.models import Workspace
from payouts.models import Earning
from payouts.reconcile.cash import check_cash
from payouts.reconcile.client_balances import check_client_balances
from payouts.reconcile.credit_notes import check_credit_notes
from payouts.reconcile.earnings import check_earnings
from payouts.reconcile.findings import Difference
from payouts.reconcile.invoices import check_invoices
from payouts.reconcile.payouts import check_payouts
from payouts.reconcile.scope import Scope
from payouts.services.earnings import post_due_earnings
from payouts.services.payouts import build_payouts
from payouts.services.terms import add_fee_rule
from tests.billing import ledger

NOW = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)
ZERO = Decimal(0)

STEPS = (
    "pay",
    "credit",
    "void",
    "reverse",
    "refund",
    "refund fails",
    "apply",
    "dispute",
    "dispute won",
    "dispute lost",
    "write off",
    "invoice",
    "post",
)


class Books:
    """One client with an invoice of three lines and 19 % of tax, and what is done to it."""

    def __init__(self, workspace: Workspace) -> None:
        self.client = workspace.client
        self.period = ledger.activated(workspace, fee="100.00")
        ledger.charge(self.period, "33.33", self.period.start, kind="support", quantity=Decimal(3))
        ledger.charge(self.period, "-10.01", self.period.start, kind="discount")
        self.number = 0
        self.issue()

    def issue(self) -> None:
        for draft in draft_invoices(now=NOW):
            issue_invoice(invoice=draft, now=NOW)

    def step(self, kind: str, cents: int) -> None:
        self.number += 1
        with contextlib.suppress(RefusedError):
            self._step(kind, Decimal(cents) / 100, f"step {self.number}")

    def _step(self, kind: str, amount: Decimal, key: str) -> None:
        invoices = list(Invoice.objects.order_by("pk"))
        invoice = invoices[int(amount * 100) % len(invoices)]
        payment = Payment.objects.exclude(method="balance").order_by("-pk").first()
        common: dict[str, Any] = {"now": NOW, "key": key}
        why: dict[str, Any] = {"reason": "As told", **common}
        match kind:
            case "pay":
                record_payment(
                    invoice=invoice,
                    amount=amount,
                    currency="USD",
                    method="card",
                    reference=key,
                    received_at=NOW,
                    **common,
                )
            case "credit":
                lines = lines_left(invoice)
                line = lines[int(amount) % len(lines)]
                part = min(amount, abs(line.left)).copy_sign(line.left)
                parts = [Part(line.id, amount=part)]
                issue_credit_note(invoice=invoice, parts=parts, created_by=None, **why)
            case "void":
                void_invoice(invoice=invoice, created_by=None, **why)
            case "apply":
                apply_balance(invoice=invoice, **common)
            case "write off":
                write_off(invoice=invoice, written_off_by=None, **why)
            case "invoice":
                ledger.charge(self.period, str(amount), NOW + dt.timedelta(seconds=-self.number))
                self.issue()
            case "post":
                post_due_earnings(now=NOW)
            case "refund fails":
                for refund in Refund.objects.exclude(state="failed"):
                    record_refund_result(refund=refund, state="failed", now=NOW)
            case _ if payment is not None:
                self._return(kind, payment, amount, why)

    def _return(self, kind: str, payment: Payment, amount: Decimal, why: dict[str, Any]) -> None:
        if kind == "reverse":
            part = min(amount, payment.returnable)
            reverse_payment(payment=payment, amount=part, reversed_at=NOW, **why)
        elif kind == "refund":
            request_refund(
                client=self.client,
                amount=amount,
                currency="USD",
                requested_by=None,
                payment=payment,
                **why,
            )
        else:
            state = kind.removeprefix("dispute").strip() or "opened"
            open_ = Dispute.objects.filter(payment=payment, state="opened").first()
            record_dispute(
                payment=payment,
                provider_id=open_.provider_id if open_ else why["key"],
                state=state,
                amount=open_.amount if open_ else min(amount, payment.returnable),
                happened_at=NOW,
                now=NOW,
            )

    def prove(self) -> None:
        for invoice in Invoice.objects.all():
            assert invoice.total == invoice.amount_paid + invoice.amount_credited + (
                invoice.amount_due
            )
            assert invoice.amount_due >= 0
            for line in invoice.lines.all():
                assert abs(line.credited) <= abs(line.net)
        for balance in ClientBalance.objects.all():
            amounts = balance.entries.values_list("amount", flat=True)
            assert balance.amount == sum(amounts, ZERO) >= 0
        post_due_earnings(now=NOW)
        build_payouts(now=NOW + dt.timedelta(days=62))
        assert list(differences()) == []
        kept = sum((i.amount_paid for i in Invoice.objects.all()), ZERO)
        if not kept:
            assert sum(Earning.objects.values_list("amount", flat=True), ZERO) == 0


def differences() -> Iterator[str]:
    """What the proof of invoices, credit notes, balances, earnings, payouts and cash finds."""
    scope = Scope()
    found = chain(
        check_invoices(scope),
        check_credit_notes(scope),
        check_client_balances(scope),
        check_earnings(scope),
        check_payouts(scope),
        check_cash(scope),
    )
    return (str(finding) for finding in found if isinstance(finding, Difference))


@pytest.mark.usefixtures("platform")
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(1, 18000)), max_size=10),
)
@example(steps=[("pay", 14675), ("dispute", 5000)])
@example(steps=[("pay", 14675), ("dispute", 5000), ("dispute won", 1)])
@example(steps=[("pay", 14675), ("dispute", 5000), ("dispute lost", 1), ("pay", 5000)])
def test_any_sequence_keeps_the_books(acme_support, steps):
    agency = acme_support.agency
    with transaction.atomic():
        TaxRate.objects.create(
            agency=agency,
            country=acme_support.client.country,
            category="S",
            percent=Decimal(19),
            effective_from=dt.date(2020, 1, 1),
        )
        always = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
        add_fee_rule(agency=agency, percent=Decimal(7), effective_from=always, now=always)
        books = Books(acme_support)
        for kind, cents in steps:
            books.step(kind, cents)
        books.prove()
        transaction.set_rollback(True)
