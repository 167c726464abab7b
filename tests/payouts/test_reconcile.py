"""`manage.py reconcile` proves honest books, and names every row that somebody changed."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Callable, Iterator
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from django.db import connection, models, transaction
from django.test.utils import CaptureQueriesContext

from agencyportal.core import append_only
from agencyportal.core.append_only_triggers import installed
from billing.models import (
    BillingPeriod,
    Charge,
    CreditGrant,
    GrantRevocation,
    GrantUse,
    Invoice,
    InvoiceDocument,
    InvoiceLine,
    InvoiceTax,
    Payment,
    PeriodUsage,
    PlanAllowance,
    PlanVersion,
    SubscriptionDiscount,
)
from clients.models import (
    Agency,
    Meter,
    UniqueSubject,
    UsageDay,
    UsageEvent,
    UsageQuarter,
    UsageWindow,
    Workspace,
)
from clients.services.recording import record_events
from payouts.models import Earning, Payout, PayoutItem, StatementDocument

from . import story

D = Decimal


@pytest.fixture(scope="module")
def told(django_db_setup, django_db_blocker) -> Iterator[None]:
    """The story, told once for all tests here, in a transaction that is rolled back."""
    with django_db_blocker.unblock(), transaction.atomic():
        story.tell()
        yield
        transaction.set_rollback(True)


@pytest.fixture
def books(told, db) -> Iterator[None]:
    """The story's books, for one test to change: a savepoint is rolled back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def reconcile(*args: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("reconcile", *args, stdout=out)
    except CommandError as error:
        return error.returncode, out.getvalue()
    return 0, out.getvalue()


def tamper(row: models.Model, **values: Any) -> None:
    with append_only.lifted(reason="a test tampers"):
        type(row)._base_manager.filter(pk=row.pk).update(**values)


def remove(row: models.Model) -> None:
    """Delete a row and nothing else, as somebody with the database's password could."""
    with append_only.lifted(reason="a test tampers"), connection.cursor() as cursor:
        table = connection.ops.quote_name(row._meta.db_table)
        cursor.execute(f"DELETE FROM {table} WHERE id = %s", [row.pk])  # noqa: S608


def test_honest_books_are_proved(books):
    code, said = reconcile()

    assert code == 0, said
    counts = {
        line[:22].strip(): line.split()[-1] for line in said.splitlines() if line.endswith("proved")
    }
    assert set(counts) >= {
        "Events",
        "Quarter hours",
        "Days",
        "Windows",
        "Unique subjects",
        "Billing periods",
        "Credit grants",
        "Frozen waterfalls",
        "Grant uses",
        "Revocations",
        "Charges",
        "Discounts",
        "Invoices",
        "Invoice lines",
        "Invoice taxes",
        "Invoice snapshots",
        "Payments",
        "Numbers",
        "Earnings",
        "Payouts",
        "Payout items",
        "Statement snapshots",
        "Files",
        "Append-only triggers",
        "Stored words",
    }


def test_the_story_has_what_is_to_be_proved(books):
    """Else a proof of nothing would look like a proof."""
    assert UsageEvent.objects.filter(standing="late").exists()
    assert UsageEvent.objects.filter(standing="unbilled").exists()
    assert PeriodUsage.objects.filter(overage__gt=0, overage_amount__gt=0).exists()
    assert GrantUse.objects.filter(rolled_over__gt=0).exists()
    assert CreditGrant.objects.filter(kind="top_up").exists()
    assert GrantUse.objects.filter(revoked__gt=0, remaining__gt=0).exists()
    assert Charge.objects.filter(kind="minimum").exists()
    assert Charge.objects.filter(kind="discount", details__group="overage").exists()
    assert Charge.objects.filter(kind="discount", amount__gt=0).exists()
    assert InvoiceTax.objects.filter(tax__gt=0).exists()
    assert Invoice.objects.filter(state="partially_paid").exists()
    assert Earning.objects.filter(kind="routed_cost", unit__slug="memo").exists()
    assert Payout.objects.count() == 2


@pytest.mark.parametrize(
    ("find", "field"),
    [
        (lambda: UsageEvent.objects.order_by("pk")[0], "standing"),
        (lambda: Meter.objects.order_by("pk")[0], "aggregation"),
        (lambda: CreditGrant.objects.order_by("pk")[0], "kind"),
        (lambda: BillingPeriod.objects.open().order_by("pk")[0], "state"),
        (lambda: Charge.objects.order_by("pk")[0], "kind"),
        (lambda: PlanAllowance.objects.order_by("pk")[0], "policy"),
        (lambda: PlanVersion.objects.order_by("pk")[0], "interval"),
        (lambda: InvoiceLine.objects.order_by("pk")[0], "tax_category"),
        (lambda: Earning.objects.order_by("pk")[0], "kind"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_word_that_nobody_knows_is_named_and_the_rest_is_gone_through(books, find, field):
    row = find()
    tamper(row, **{field: "?"})

    code, said = reconcile()

    assert code == 1
    named = [line for line in said.splitlines() if f"{row._meta.label} {row.pk} (" in line]
    assert any(f"{field}: ?, but it must be" in line for line in named), said
    assert "Append-only triggers" in said, "the last of all checks"


def test_what_is_wrong_with_known_words_still_stops_the_report(books, monkeypatch):
    """A mistake of ours must not look like one of the books."""
    monkeypatch.setattr("payouts.reconcile.books.check_numbers", lambda: iter([int("?")]))

    with pytest.raises(ValueError, match="invalid literal"):
        reconcile()


def other_meter() -> int:
    return Meter.objects.get(unit__slug="page").pk


Row = Callable[[], models.Model]

CHANGES: list[tuple[str, Row, dict[str, Any]]] = [
    ("event quantity", lambda: event("02-c3-conversation"), {"quantity": D(2)}),
    ("summed quantity", lambda: event("02-p1-page"), {"quantity": D(3)}),
    ("unique quantity", lambda: event("02-b/1-lead"), {"quantity": D(2)}),
    ("event cost", lambda: event("02-c3-conversation"), {"cost": D("0.3")}),
    ("converted cost", lambda: event("02-c3-conversation"), {"client_cost": D("0.3")}),
    ("event tokens", lambda: event("02-c3-conversation"), {"output_tokens": 4_001}),
    ("override's tokens", lambda: event("02-p1-page"), {"input_tokens": 1}),
    ("unbilled cost", lambda: event("01-unit outside-memo"), {"cost": D(0), "client_cost": D(0)}),
    ("price", lambda: event("02-c3-conversation"), {"price_source": ""}),
    ("rate", lambda: event("02-c3-conversation"), {"exchange_rate": D("1.1")}),
    ("flag", lambda: event("02-c3-conversation"), {"cost": None}),
    ("meter", lambda: event("02-c3-conversation"), {"meter_id": other_meter}),
    ("window's end", lambda: UsageWindow.objects.order_by("-start")[0], {"end": story.utc(6, 1)}),
    ("period's end", lambda: BillingPeriod.objects.all()[0], {"full_end": story.utc(6, 1)}),
    ("standing", lambda: event("02-c3-conversation"), {"standing": "late"}),
    ("quarter", lambda: UsageQuarter.objects.order_by("start")[3], {"quantity": D(99)}),
    ("quarter's cost", lambda: UsageQuarter.objects.order_by("start")[3], {"platform_cost": D(9)}),
    ("day", lambda: UsageDay.objects.order_by("day")[0], {"retries": 7}),
    ("window", lambda: UsageWindow.objects.filter(used__gt=0)[0], {"used": D(1000)}),
    ("subject", lambda: UniqueSubject.objects.all()[0], {"occurred_at": story.utc(1, 1)}),
    ("allowance", lambda: CreditGrant.objects.filter(kind="allowance")[0], {"quantity": D(11)}),
    ("rollover", lambda: CreditGrant.objects.filter(kind="rollover")[0], {"quantity": D(1)}),
    ("top-up", lambda: CreditGrant.objects.get(kind="top_up"), {"quantity": D(500)}),
    ("revocation", lambda: GrantRevocation.objects.get(), {"quantity": D(2)}),
    ("too much revoked", lambda: GrantRevocation.objects.get(), {"quantity": D(99)}),
    ("revoked later", lambda: GrantRevocation.objects.get(), {"revoked_at": story.utc(6, 1)}),
    ("frozen revocation", lambda: GrantUse.objects.get(revoked__gt=0), {"revoked": D(2)}),
    ("frozen usage", lambda: PeriodUsage.objects.filter(used__gt=0)[0], {"included": D(3)}),
    ("frozen cost", lambda: PeriodUsage.objects.filter(used__gt=0)[0], {"platform_cost": D(3)}),
    ("grant use", lambda: GrantUse.objects.filter(consumed__gt=0)[0], {"consumed": D(1)}),
    ("opening", lambda: GrantUse.objects.order_by("-pk")[0], {"opening": D(77)}),
    ("fee", lambda: Charge.objects.filter(kind="base")[0], {"amount": D("48.99")}),
    ("overage", lambda: Charge.objects.filter(kind="overage")[0], {"amount": D("0.01")}),
    ("discount", lambda: Charge.objects.filter(kind="discount")[0], {"amount": D("-0.01")}),
    ("discount's time", lambda: discount_on("overage"), {"bill_at": story.utc(6, 1)}),
    ("minimum", lambda: Charge.objects.filter(kind="minimum")[0], {"amount": D("0.01")}),
    ("top-up's price", lambda: Charge.objects.get(kind="top_up"), {"amount": D("1.49")}),
    ("line", lambda: InvoiceLine.objects.order_by("-pk")[0], {"net": D("0.01")}),
    ("line's rate", lambda: InvoiceLine.objects.order_by("-pk")[0], {"tax_percent": D(7)}),
    ("tax", lambda: InvoiceTax.objects.all()[0], {"tax": D("0.01")}),
    ("total", lambda: Invoice.objects.order_by("pk")[0], {"total": D("999.00")}),
    ("paid", lambda: Invoice.objects.order_by("pk")[0], {"amount_paid": D("1.00")}),
    ("state", lambda: Invoice.objects.order_by("pk")[0], {"state": "issued"}),
    ("payment", lambda: Payment.objects.order_by("pk")[0], {"amount": D("1.00")}),
    ("revenue", lambda: Earning.objects.filter(kind="revenue")[0], {"amount": D("1.00")}),
    ("fee earned", lambda: Earning.objects.filter(kind="platform_fee")[0], {"amount": D(0)}),
    ("routed cost", lambda: Earning.objects.filter(kind="routed_cost")[0], {"amount": D(0)}),
    ("month", lambda: Earning.objects.all()[0], {"occurred_at": story.utc(6, 1)}),
    ("payout", lambda: Payout.objects.all()[0], {"amount": D("1.00")}),
    ("opening balance", lambda: Payout.objects.order_by("month")[1], {"opening": D("1.00")}),
    ("payout's state", lambda: Payout.objects.all()[0], {"state": "carried"}),
    ("file's hash", lambda: InvoiceDocument.objects.all()[0], {"sha256": "0" * 64}),
]


def discount_on(group: str) -> Charge:
    return Charge.objects.filter(kind="discount", details__group=group)[0]


def event(external_id: str) -> UsageEvent:
    return UsageEvent.objects.get(external_id=external_id)


@pytest.mark.parametrize(
    ("row", "values"), [change[1:] for change in CHANGES], ids=[change[0] for change in CHANGES]
)
def test_a_changed_row_is_named(books, row: Row, values: dict[str, Any]):
    changed = row()
    tamper(changed, **{k: v() if callable(v) else v for k, v in values.items()})

    code, said = reconcile()

    assert code == 1
    assert f"{changed._meta.label} {changed.pk} (" in said


REMOVALS: list[tuple[str, Row, str]] = [
    ("agreed discount", lambda: SubscriptionDiscount.objects.get(name="Sorry"), "billing.Charge "),
    ("event", lambda: event("02-c3-conversation"), "clients.UsageQuarter"),
    ("quarter", lambda: UsageQuarter.objects.all()[0], "clients.UsageQuarter (conversations of"),
    ("window", lambda: UsageWindow.objects.order_by("-start")[0], "clients.UsageWindow ("),
    ("day", lambda: UsageDay.objects.all()[0], "clients.UsageDay (conversations of"),
    ("grant use", lambda: GrantUse.objects.all()[0], "billing.GrantUse ("),
    ("line", lambda: InvoiceLine.objects.order_by("-pk")[0], "billing.Invoice "),
    ("tax", lambda: InvoiceTax.objects.all()[0], "billing.InvoiceTax ("),
    ("earning", lambda: Earning.objects.filter(kind="revenue")[0], "payouts.Earning ("),
    ("payout item", lambda: PayoutItem.objects.all()[0], "payouts.PayoutItem ("),
    ("invoice's file", lambda: InvoiceDocument.objects.all()[0], "billing.InvoiceDocument ("),
    ("statement", lambda: StatementDocument.objects.all()[0], "payouts.StatementDocument ("),
]


@pytest.mark.parametrize(
    ("row", "named"), [gone[1:] for gone in REMOVALS], ids=[gone[0] for gone in REMOVALS]
)
def test_a_removed_row_is_missed(books, row: Row, named: str):
    remove(row())

    code, said = reconcile()

    assert code == 1
    assert named in said


def test_a_removed_invoice_leaves_a_gap_that_is_named(books):
    last = Invoice.objects.order_by("-sequence")[0]
    remove(last)

    code, said = reconcile()

    assert code == 1
    assert f"(invoice-2026), {last.number}: no such document, but it must be issued" in said


def test_a_changed_snapshot_is_named(books):
    invoice = Invoice.objects.order_by("pk")[0]
    snapshot = {**(invoice.snapshot or {}), "number": "INV-2026-999999"}
    tamper(invoice, snapshot=snapshot)

    code, said = reconcile()

    assert code == 1
    assert f"billing.Invoice {invoice.pk} (invoice {invoice.number}), snapshot.number" in said


def test_a_snapshot_whose_figures_do_not_add_up_is_named(books):
    payout = Payout.objects.order_by("pk")[0]
    totals = {**payout.snapshot["totals"], "paid_out": "1.00"}
    tamper(payout, snapshot={**payout.snapshot, "totals": totals})

    code, said = reconcile()

    assert code == 1
    assert f"payouts.Payout {payout.pk} (payout {payout.number}), snapshot" in said


def test_usage_printed_otherwise_than_frozen_is_named(books):
    invoice = Invoice.objects.order_by("-pk")[0]
    snapshot = copy.deepcopy(invoice.snapshot or {})
    usage = snapshot["sections"][0]["usage"][0]
    usage["used"], usage["overage"] = (str(D(usage[name]) + 1) for name in ("used", "overage"))
    tamper(invoice, snapshot=snapshot)

    code, said = reconcile()

    assert code == 1
    assert "snapshot.sections.usage" in said


@pytest.mark.parametrize("model", [InvoiceDocument, StatementDocument])
@pytest.mark.parametrize("content", [b"%PDF something else", None], ids=["tampered", "missing"])
def test_a_file_that_is_not_what_was_recorded_is_named(books, model, content):
    document = model.objects.all()[0]
    storage = storages["documents"]
    with storage.open(document.path, "rb") as file:
        original = file.read()
    storage.delete(document.path)
    if content is not None:
        storage.save(document.path, ContentFile(content))
    try:
        code, said = reconcile()
    finally:
        storage.delete(document.path)
        storage.save(document.path, ContentFile(original))

    assert code == 1
    assert f"{model._meta.label} {document.pk} ({document.path})" in said


def test_a_missing_trigger_is_named(books):
    trigger = min(installed(connection), key=lambda trigger: trigger.name)
    on = f' ON "{trigger.table}"' if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute(f'DROP TRIGGER "{trigger.name}"{on}')

    code, said = reconcile()

    assert code == 1
    assert f"Trigger {trigger.name} is missing" in said


def test_the_event_behind_a_sum_that_differs_is_named_and_no_other(books):
    changed = event("02-c3-conversation")
    tamper(changed, quantity=D(2))

    _code, said = reconcile()

    named = [line for line in said.splitlines() if line.startswith("clients.UsageEvent ")]
    assert len(named) == 1
    assert named[0] == (
        f"clients.UsageEvent {changed.pk} (event 02-c3-conversation of acme-support), seal: "
        f"{changed.seal}, but it must be another, as the row stands now"
    )


def test_a_difference_says_what_is_stored_and_what_it_must_be(books):
    changed = event("02-p1-page")
    tamper(changed, quantity=D("3"))

    _code, said = reconcile()

    assert (
        f"clients.UsageEvent {changed.pk} (event 02-p1-page of acme-support), quantity: 3, "
        "but it must be 2.5"
    ) in said


def test_a_payment_that_is_not_posted_yet_is_open(books):
    story.pay_all(story.utc(4, 2), part=True)

    code, said = reconcile()

    assert code == 0, said
    row = next(line for line in said.splitlines() if line.startswith("Earnings"))
    assert int(row.split()[2]) > 0


@pytest.mark.parametrize(
    "values",
    [
        {"external_id": "another"},
        {"source": "another"},
        {"subject": "another"},
        {"run_id": "another"},
        {"provider": "another"},
        {"properties": {"another": 1}},
        {"body_hash": "0" * 32},
        {"occurred_at": story.utc(2, 11, 7)},
        {"recorded_at": story.utc(2, 28)},
    ],
    ids=lambda values: next(iter(values)),
)
def test_an_event_is_sealed_in_columns_that_enter_no_sum_too(books, values):
    changed = event("02-c3-conversation")
    tamper(changed, **values)

    code, said = reconcile()

    assert code == 1
    assert f"clients.UsageEvent {changed.pk} " in said


def test_one_agencys_books_are_proved_alone(books):
    Agency.objects.create(slug="harbor", name="Harbor")
    tamper(event("02-p1-page"), quantity=D("3"))

    assert reconcile("--agency", "harbor")[0] == 0
    assert reconcile("--agency", "northwind")[0] == 1


def test_an_agency_that_is_not_there_is_answered_with_those_that_are(books):
    with pytest.raises(CommandError, match=r"no agency 'nobody'; there are northwind\.") as raised:
        call_command("reconcile", "--agency", "nobody")

    assert raised.value.returncode == 2


def test_queries_do_not_grow_with_events(books):
    workspace = Workspace.objects.get()

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert reconcile()[0] == 0
        return len(captured)

    before = queries()
    start = story.utc(3, 12)
    events = [
        story.call(f"more{n}", "conversation", start + dt.timedelta(minutes=n)) for n in range(300)
    ]
    record_events(workspace=workspace, events=events, now=story.utc(3, 20))

    assert queries() == before
