"""`manage.py close_periods`: everything that is due, from a terminal; and the schedule's ticks."""

from __future__ import annotations

import datetime as dt
import io
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from billing import tasks
from billing.documents.invoice import InvoiceFiles
from billing.models import BillingPeriod, Charge, DocumentSeries, Invoice, InvoiceDocument, Mail
from billing.services import closing, rendering
from billing.services.payments import record_payment
from tests.billing.plan_samples import NEW_YORK_2026, starter
from tests.billing.story import subscribe, use

JANUARY, FEBRUARY = NEW_YORK_2026[1], NEW_YORK_2026[2]
DAY = dt.timedelta(days=1)
DUE = FEBRUARY + DAY


@pytest.fixture(autouse=True)
def printer(monkeypatch):
    """A quick printer: what is printed is another test's affair."""

    def files(snapshot) -> InvoiceFiles:
        return InvoiceFiles(f"%PDF-{snapshot['number']}".encode(), xml=b"")

    monkeypatch.setattr(rendering, "render_invoice", files)


@pytest.fixture
def january(acme_support, conversation, documents) -> BillingPeriod:
    """A month of 1,200 conversations where 1,000 are included."""
    subscribe(acme_support, starter(), JANUARY)
    use(acme_support, conversation, JANUARY + 9 * DAY, 1200)
    return acme_support.periods.order_by("start")[0]


def run(*args: str, as_of: dt.datetime = DUE) -> str:
    out = io.StringIO()
    call_command("close_periods", "--as-of", as_of.isoformat(), *args, stdout=out, stderr=out)
    return out.getvalue()


def counts() -> tuple[int, ...]:
    models = (Charge, Invoice, InvoiceDocument, Mail, DocumentSeries)
    return tuple(model.objects.count() for model in models)


def files(documents: Path) -> dict[str, bytes]:
    found = (f for f in documents.rglob("*") if f.is_file())
    return {str(f.relative_to(documents)): f.read_bytes() for f in found}


def test_a_month_is_closed_invoiced_printed_and_sent(january, documents, mailoutbox):
    said = run()
    january.refresh_from_db()
    assert january.state == "closed"
    first, second = Invoice.objects.order_by("number")
    assert (first.number, first.bill_at) == ("INV-2026-000001", JANUARY)
    assert (second.number, second.bill_at) == ("INV-2026-000002", FEBRUARY)
    assert second.total == Decimal("519.00")  # January's overage of 200, and February's fee
    assert files(documents) == {
        "northwind/2026/INV-2026-000001.pdf": b"%PDF-INV-2026-000001",
        "northwind/2026/INV-2026-000002.pdf": b"%PDF-INV-2026-000002",
    }
    assert [m.attachments[0].filename for m in mailoutbox] == [
        "INV-2026-000001.pdf",
        "INV-2026-000002.pdf",
    ]
    assert "Periods closed         1" in said
    assert "Messages sent          2" in said
    (row,) = [line for line in said.splitlines() if line.startswith("INV-2026-000002")]
    assert row.split()[1:4] == ["Acme", "2026-02-01", "05:00"]


def test_running_it_again_changes_nothing(january, documents, mailoutbox):
    run()
    before = counts(), files(documents), len(mailoutbox)
    said = run()
    assert (counts(), files(documents), len(mailoutbox)) == before
    assert "Periods closed         0" in said


def test_nothing_is_due_during_the_grace(january):
    run(as_of=DUE - dt.timedelta(seconds=1))
    january.refresh_from_db()
    assert january.state == "open"
    assert [invoice.bill_at for invoice in Invoice.objects.all()] == [JANUARY]


def test_a_dry_run_says_what_would_be_done_and_changes_nothing(january, documents, mailoutbox):
    before = counts()
    said = run("--dry-run")
    january.refresh_from_db()
    assert (january.state, counts(), files(documents), mailoutbox) == ("open", before, {}, [])
    assert "Periods to close       1" in said
    assert "Invoices to issue      2" in said
    assert "(not issued)" in said
    assert "$519.00" in said
    assert "Nothing was changed." in said


def test_a_dry_run_says_what_would_go_wrong(january, monkeypatch):
    monkeypatch.setattr(closing, "_settle", lambda *_, **__: 1 / 0)
    with pytest.raises(CommandError, match=r"1 problem left:\n.*division by zero"):
        run("--dry-run")
    january.refresh_from_db()
    assert january.close_error == ""


def test_a_time_to_come_is_allowed_and_remarked_on(january):
    to_come = timezone.now() + 400 * DAY
    assert "has not come" in run(as_of=to_come)
    newest = Invoice.objects.latest("issued_at")
    assert newest.issued_at == to_come


def test_a_day_is_its_start_in_utc(january):
    call_command("close_periods", "--as-of", "2026-02-02", stdout=io.StringIO())
    assert set(Invoice.objects.values_list("issued_at", flat=True)) == {
        dt.datetime(2026, 2, 2, tzinfo=dt.UTC)
    }


def test_a_time_that_cannot_be_read_is_refused(january):
    with pytest.raises(CommandError, match="not an ISO 8601 instant"):
        call_command("close_periods", "--as-of", "yesterday")


def test_a_period_that_fails_is_reported_and_the_rest_goes_on(
    january, birch_leads, conversation, monkeypatch
):
    subscribe(birch_leads, starter(), JANUARY)
    settle = closing._settle

    def failing(periods, *args, **kwargs):
        if any(period.workspace.slug == "acme-support" for period in periods):
            raise RuntimeError("the meter is stuck")
        return settle(periods, *args, **kwargs)

    monkeypatch.setattr(closing, "_settle", failing)
    with pytest.raises(CommandError, match="the meter is stuck") as stopped:
        run()
    assert stopped.value.returncode == 1
    closed = BillingPeriod.objects.filter(state="closed")
    assert [period.workspace.slug for period in closed] == ["birch-leads"]


def test_a_document_that_fails_is_reported(january, monkeypatch):
    monkeypatch.setattr(rendering, "render_invoice", lambda snapshot: 1 / 0)
    with pytest.raises(CommandError, match="PDF of INV-2026-000001: ZeroDivisionError"):
        run()
    assert Mail.objects.filter(state="sent").count() == 0


# --- The schedule ------------------------------------------------------------------------------


def tick_all() -> None:
    for tick in (
        tasks.ensure_next_periods,
        tasks.tick_close,
        tasks.tick_invoices,
        tasks.tick_render,
        tasks.tick_mail,
    ):
        tick.delay()


def test_the_ticks_do_what_the_command_does(january, documents, mailoutbox):
    """Everything up to the present is closed, month by month; every tick twice changes nothing."""
    tick_all()
    tick_all()
    assert not BillingPeriod.objects.due(timezone.now()).exists()
    numbers = set(Invoice.objects.issued().values_list("number", flat=True))
    assert len(numbers) == Invoice.objects.count() >= 2
    assert len(files(documents)) == len(mailoutbox) == len(numbers)
    before = counts(), files(documents), len(mailoutbox)
    tick_all()
    assert (counts(), files(documents), len(mailoutbox)) == before


def test_ticks_have_stable_names():
    assert [task.name for task in (tasks.tick_close, tasks.ensure_next_periods)] == [
        "billing.tasks.tick_close",
        "billing.tasks.ensure_next_periods",
    ]


def test_a_paid_invoice_is_left_alone_by_later_runs(january):
    run()
    invoice = Invoice.objects.get(number="INV-2026-000002")
    record_payment(
        invoice=invoice,
        amount=invoice.total,
        currency="USD",
        method="bank_transfer",
        reference="ACME",
        received_at=DUE,
        now=DUE,
        key="bank:1",
    )
    run()
    invoice.refresh_from_db()
    assert invoice.state == "paid"
