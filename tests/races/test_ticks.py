"""Two schedulers and two workers: every tick of the schedule at one moment, several times over.

The pilot of `agencyportal.demo` is recorded and its month is over. Four connections then do all of
the schedule's work at once, twice; the client pays; and once more until the payout is made up. What
is left must be what one worker would have left.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from decimal import Decimal

import pytest
from django.core import mail

from agencyportal.demo.cast import NORTHWIND
from agencyportal.demo.replay import pilot_steps
from agencyportal.demo.script import Order
from agencyportal.demo.seeding import month_start, seed_agency, seed_platform
from agencyportal.demo.trace import read_trace
from billing.models import (
    BillingPeriod,
    Charge,
    CreditGrant,
    GrantUse,
    Invoice,
    InvoiceDocument,
    Payment,
    PeriodUsage,
)
from billing.services.closing import close_due_periods
from billing.services.invoicing import draft_invoices, issue_due_invoices
from billing.services.mailing import send_due_mail
from billing.services.payments import record_payment
from billing.services.rendering import render_due_documents
from billing.services.subscriptions import ensure_due_periods
from payouts.models import Earning, Payout, PayoutItem, StatementDocument
from payouts.services.earnings import post_due_earnings
from payouts.services.payouts import build_payouts
from payouts.services.rendering import render_due_statements
from tests.races.at_once import at_once

pytestmark = pytest.mark.django_db(transaction=True)

WORKERS = 4
NOW = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)
TRACE = b"TIMESTAMP,ContextTokens,GeneratedTokens\n" + b"\n".join(
    b"2023-11-16 18:17:%02d.0319600,4808,10" % second for second in range(40)
)


def everything_due(now: dt.datetime) -> None:
    """Every tick of the schedule, twice."""
    for _ in range(2):
        ensure_due_periods(now=now)
        close_due_periods(now=now)
        draft_invoices(now=now)
        issue_due_invoices(now=now)
        render_due_documents(now=now)
        post_due_earnings(now=now)
        build_payouts(now=now)
        render_due_statements(now=now)
        send_due_mail(now=now)


def workers_at(now: dt.datetime) -> None:
    assert at_once(WORKERS, lambda _number: everything_due(now)) == [None] * WORKERS


def test_ticks_at_once_leave_what_one_worker_would() -> None:
    seed_platform()
    agency = seed_agency(NORTHWIND)
    trace = read_trace(TRACE)
    for step in pilot_steps(trace, now=NOW):
        if step.order in (Order.ACTIVATE, Order.USE):
            step.run()
    period = BillingPeriod.objects.get()

    workers_at(period.due_at)
    for invoice in Invoice.objects.outstanding():
        record_payment(
            invoice=invoice,
            amount=invoice.amount_due,
            currency=invoice.currency,
            method=Payment.Method.BANK_TRANSFER,
            reference="Wire",
            received_at=period.due_at,
            now=period.due_at,
            key=f"wire:{invoice.pk}",
        )
    workers_at(month_start(agency.timezone, NOW) + dt.timedelta(hours=9))

    assert rows() == {
        "Charge": 2,
        "CreditGrant": 1,
        "PeriodUsage": 1,
        "GrantUse": 1,
        "Invoice": 1,
        "InvoiceDocument": 1,
        "Payment": 1,
        "Earning": 5,  # two fees collected, a platform fee on each, the routed cost
        "Payout": 1,
        "PayoutItem": 5,
        "StatementDocument": 1,
    }
    assert [invoice.number for invoice in Invoice.objects.all()] == ["INV-2026-000001"]
    assert Payout.objects.get().amount == Decimal("1423.66")  # 1,499.00 - 0.39 - 74.95
    assert set(InvoiceDocument.objects.values_list("state", "attempts")) == {("rendered", 1)}
    assert set(StatementDocument.objects.values_list("state", "attempts")) == {("rendered", 1)}
    subjects = Counter(message.extra_headers["Message-ID"] for message in mail.outbox)
    assert len(subjects) == 2
    assert set(subjects.values()) == {1}


def rows() -> dict[str, int]:
    models = (
        Charge,
        CreditGrant,
        PeriodUsage,
        GrantUse,
        Invoice,
        InvoiceDocument,
        Payment,
        Earning,
        Payout,
        PayoutItem,
        StatementDocument,
    )
    return {model.__name__: model._base_manager.count() for model in models}
