"""The main job in one story: real model calls become an invoice that is paid and a payout.

The trace has 22 calls of the same shape as the published ones, and the package includes 10, so
that 12 are overage. Costs are worked out by hand below.
"""

from __future__ import annotations

import copy
import datetime as dt
from decimal import Decimal
from io import StringIO

import pytest
from django.core import mail
from django.core.files.storage import storages
from django.core.management import call_command
from pypdf import PdfReader

from agencyportal.celery import app
from agencyportal.demo.packages import CODE_PILOT
from agencyportal.demo.replay import Story, replay
from agencyportal.demo.trace import Trace, TraceError, read_trace
from agencyportal.schedule import SCHEDULE
from billing.models import Invoice
from clients.models import UsageDay, UsageEvent
from payouts.models import Earning
from tests.everything import everything

CALLS = 22
INCLUDED = "10"
NOW = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)

# gpt-4.1 costs 2 USD a million input tokens and 8 USD a million output tokens.
INPUT, OUTPUT = CALLS * 2_048, CALLS * 28
COST = Decimal("0.095040000")  # (2,048 x 2 + 28 x 8) / 1,000,000 x 22


@pytest.fixture
def trace() -> Trace:
    start = dt.datetime(2023, 11, 16, 18, 17, 3, 979_960, tzinfo=dt.UTC)
    times = (start + dt.timedelta(milliseconds=700 * row) for row in range(CALLS))
    rows = (f"{time:%Y-%m-%d %H:%M:%S.%f}0,2048,28" for time in times)
    return read_trace("\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *rows]).encode())


@pytest.fixture(autouse=True)
def small_package(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = copy.deepcopy(CODE_PILOT)
    plan["allowances"][0]["included"] = INCLUDED
    monkeypatch.setattr("agencyportal.demo.replay.CODE_PILOT", plan)


@pytest.fixture
def story(db: None, trace: Trace) -> Story:
    return replay(trace, now=NOW)


def text_of(path: str) -> str:
    with storages["documents"].open(path) as file:
        return " ".join(page.extract_text() for page in PdfReader(file).pages).replace("\n", " ")


def test_every_call_is_stored_once_with_its_tokens_and_its_cost(story: Story) -> None:
    events = UsageEvent.objects.filter(workspace=story.workspace)

    assert events.count() == CALLS
    assert sum(event.input_tokens or 0 for event in events) == INPUT
    assert sum(event.output_tokens or 0 for event in events) == OUTPUT
    assert sum(event.cost or 0 for event in events) == COST
    assert {(event.cost_payer, event.standing) for event in events} == {("platform", "counted")}
    assert sum(day.platform_cost for day in UsageDay.objects.all()) == COST


def test_the_month_is_the_one_before_last_in_new_york(story: Story) -> None:
    assert story.period.start == dt.datetime(2026, 9, 1, 4, tzinfo=dt.UTC)
    assert story.period.end == dt.datetime(2026, 10, 1, 4, tzinfo=dt.UTC)
    assert story.period.state == "closed"


def test_the_client_is_invoiced_and_has_paid(story: Story) -> None:
    """1,200.00 set-up + 299.00 base; then 12 completions beyond the allowance at 0.02."""
    fees, usage = story.invoices

    assert (fees.number, fees.total, fees.state) == ("INV-2026-000001", Decimal("1499"), "paid")
    assert (usage.number, usage.total, usage.state) == ("INV-2026-000002", Decimal("0.24"), "paid")
    printed = text_of(usage.document.path)
    assert "22 completions used, 10 in the allowance" in printed
    assert "12 completions $0.02 $0.24" in printed


def test_the_agency_earns_what_was_paid_less_cost_and_fee(story: Story) -> None:
    """1,499.24 paid - 0.10 routed cost - 5 % of 1,200.00, 299.00 and 0.24 (60 + 14.95 + 0.01)."""
    payout = story.payout
    assert payout is not None

    assert (payout.revenue, payout.routed_cost, payout.platform_fee) == (
        Decimal("1499.24"),
        Decimal("0.10"),
        Decimal("74.96"),
    )
    assert payout.amount == Decimal("1424.18")
    printed = text_of(payout.document.path)
    assert "To be paid out $1,424.18" in printed
    assert "Routed cost of that usage −$0.10" in printed


def test_each_document_is_mailed_once_with_its_file(story: Story) -> None:
    attached = sorted(
        (attachment[0], message.to[0])
        for message in mail.outbox
        for attachment in message.attachments
    )

    assert attached == [
        ("INV-2026-000001.pdf", "accounts@drift.example"),
        ("INV-2026-000002.pdf", "accounts@drift.example"),
        ("PAY-2026-000001.pdf", "finance@northwind.example"),
    ]


def test_reconcile_proves_all_of_it(story: Story) -> None:
    out = StringIO()

    call_command("reconcile", stdout=out)

    assert "events" in out.getvalue().lower()


@pytest.mark.usefixtures("story")
def test_a_second_replay_and_every_task_run_twice_change_nothing(trace: Trace) -> None:
    app.loader.import_default_modules()
    before = everything()

    replay(trace, now=NOW + dt.timedelta(days=3))
    for _ in range(2):
        for entry in SCHEDULE.values():
            app.tasks[entry["task"]].apply(throw=True)

    assert everything() == before
    assert len(mail.outbox) == 3


def test_another_file_is_another_pilot_whose_earnings_wait_for_the_next_payout(
    story: Story,
) -> None:
    """October's payout is made up already. 1,499.00 - 0.01 cost - 74.95 fee is not lost."""
    other = read_trace(
        b"TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10"
    )

    second = replay(other, now=NOW)

    assert second.workspace.client != story.workspace.client
    assert UsageEvent.objects.filter(workspace=second.workspace).get().cost == Decimal("0.009696")
    assert [invoice.total for invoice in second.invoices] == [Decimal("1499")]
    assert second.payout is None
    earnings = Earning.objects.for_agency(second.workspace.agency).unpaid()
    assert sum(earning.amount for earning in earnings) == Decimal("1424.04")


def test_a_trace_longer_than_the_month_is_refused_before_anything_is_recorded(db: None) -> None:
    long = read_trace(
        b"TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03,1,1\n2023-12-30 18:17:03,1,1"
    )

    with pytest.raises(TraceError, match="does not fit"):
        replay(long, now=NOW)

    assert not UsageEvent.objects.exists()
    assert not Invoice.objects.exists()
