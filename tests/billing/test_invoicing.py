"""Invoices: from waiting charges over a draft to a numbered document that stays as it is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from agencyportal.core.documents import Span
from billing.documents.invoice_snapshot import InvoiceSnapshot
from billing.models import (
    BillingPeriod,
    Charge,
    DocumentSeries,
    Invoice,
    InvoiceDocument,
    InvoiceLine,
    InvoiceTax,
    LineKind,
    Mail,
    TaxRate,
)
from billing.services.invoicing import (
    InvoiceRefusedError,
    draft_invoices,
    issue_due_invoices,
    issue_invoice,
    preview_invoice,
)
from clients.models import Client, UsageDay, Workspace
from tests.billing import ledger
from tests.billing.ledger import utc

FEB, MAR, APR = utc(2026, 2, 1), utc(2026, 3, 1), utc(2026, 4, 1)
NOON = utc(2026, 3, 10, 12)
DAY = dt.timedelta(days=1)

pytestmark = pytest.mark.django_db


def descriptions(invoice: Invoice) -> list[str]:
    return list(invoice.lines.values_list("description", flat=True))


def snapshot(invoice: Invoice) -> InvoiceSnapshot:
    assert invoice.snapshot is not None
    return InvoiceSnapshot.from_dict(invoice.snapshot)


@pytest.fixture
def month(acme_support, acme_docs, conversation, page):
    """February of two workspaces, closed, with its usage, and March's fees in advance."""
    support = ledger.subscription(acme_support, start=FEB)
    docs = ledger.subscription(acme_docs, start=FEB)
    february = ledger.period(support, FEB, MAR, closed=True)
    march = ledger.period(support, MAR, APR)
    docs_february = ledger.period(docs, FEB, MAR, closed=True)
    ledger.usage(february, conversation, used="1200", allowance="1000", amount="20.00")
    ledger.usage(docs_february, page, used="40", allowance="100")
    overage = {
        "kind": LineKind.OVERAGE,
        "unit": conversation,
        "quantity": Decimal(200),
        "unit_amount": "0.1",
    }
    ledger.charge(march, "499.00", MAR)
    ledger.charge(february, "20.00", MAR, **overage)
    ledger.charge(docs_february, "30.00", MAR, kind=LineKind.MINIMUM)
    return february


# --- Drafting ----------------------------------------------------------------------------------


def test_workspaces_that_end_together_share_an_invoice(month, acme):
    (draft,) = draft_invoices(now=NOON)
    assert (draft.client, draft.currency, draft.bill_at) == (acme, "USD", MAR)
    assert (draft.state, draft.number, draft.net) == ("draft", None, Decimal(549))
    assert descriptions(draft) == ["Minimum of february", "Base of march", "Overage of february"]


def test_drafting_again_finds_nothing(month):
    assert len(draft_invoices(now=NOON)) == 1
    assert draft_invoices(now=NOON + DAY) == []
    assert Charge.objects.waiting().count() == 0


def test_activation_is_invoiced_at_once(acme_support):
    ledger.activated(acme_support)
    assert draft_invoices(now=FEB - DAY) == []
    (draft,) = draft_invoices(now=FEB)
    assert (draft.bill_at, draft.total) == (FEB, Decimal(499))


def test_a_period_that_is_still_open_holds_up_the_invoice_of_all_that_end_with_it(month, acme_docs):
    other = acme_docs.periods.get()
    other.state, other.closed_at = "open", None
    other.save()
    assert draft_invoices(now=NOON) == []
    ledger.close(other)
    assert len(draft_invoices(now=NOON)) == 1


def test_clients_and_currencies_are_invoiced_apart(acme_support, acme_docs, birch_leads):
    ledger.activated(acme_support)
    ledger.activated(acme_docs, currency="EUR", fee="10.00")
    ledger.activated(birch_leads, fee="20.00")
    drafts = {(d.client.slug, d.currency): d.total for d in draft_invoices(now=NOON)}
    assert drafts == {
        ("acme", "USD"): Decimal(499),
        ("acme", "EUR"): Decimal(10),
        ("birch", "USD"): Decimal(20),
    }


def test_what_comes_before_the_issue_joins_the_draft(month):
    (draft,) = draft_invoices(now=NOON)
    ledger.charge(month, "5.00", MAR, kind=LineKind.TOP_UP)
    (same,) = draft_invoices(now=NOON)
    assert same == draft
    assert (same.total, same.lines.count()) == (Decimal(554), 4)
    assert [line.position for line in same.lines.all()] == [1, 2, 3, 4]


def test_what_comes_after_the_issue_goes_on_the_next_invoice(month):
    draft_invoices(now=NOON)
    issue_due_invoices(now=NOON)
    ledger.charge(month, "5.00", MAR, kind=LineKind.TOP_UP)
    assert draft_invoices(now=NOON) == []  # the next one is due on 1 April
    march = month.workspace.periods.get(start=MAR)
    ledger.charge(march, "7.00", APR, kind=LineKind.OVERAGE)
    assert draft_invoices(now=APR + DAY) == []
    ledger.close(march)
    (draft,) = draft_invoices(now=APR + DAY)
    assert (draft.bill_at, descriptions(draft)) == (
        APR,
        ["Top_up of february", "Overage of march"],
    )


def test_a_client_that_has_left_gets_a_last_invoice_for_what_comes_late(acme_support):
    gone = ledger.subscription(acme_support, start=FEB, end=MAR)
    last = ledger.period(gone, FEB, MAR, closed=True)
    ledger.charge(last, "20.00", MAR, kind=LineKind.OVERAGE)
    draft_invoices(now=NOON)
    issue_due_invoices(now=NOON)
    ledger.charge(last, "3.00", MAR, kind=LineKind.LATE_USAGE)
    (draft,) = draft_invoices(now=NOON + DAY)
    assert (draft.bill_at, draft.total) == (NOON + DAY, Decimal(3))


def test_a_workspace_activated_in_the_same_quarter_hour_is_invoiced_at_once(
    acme_support, acme_docs
):
    ledger.issued(acme_support, now=FEB)
    ledger.activated(acme_docs, fee="250.00")
    now = FEB + dt.timedelta(minutes=10)
    (draft,) = draft_invoices(now=now)
    assert (draft.bill_at, draft.total) == (now, Decimal(250))


def test_one_client_that_cannot_be_drafted_holds_up_no_other(
    acme_support, birch_leads, monkeypatch, caplog
):
    ledger.activated(acme_support)
    ledger.activated(birch_leads)
    from billing.services import drafting, invoice_pricing

    def price(invoice, charges, treatment):
        if invoice.client.slug == "acme":
            raise RuntimeError("no rates for Acme")
        return priced(invoice, charges, treatment)

    priced = invoice_pricing.price
    monkeypatch.setattr(drafting, "price", price)
    (draft,) = draft_invoices(now=NOON)
    assert draft.client.slug == "birch"
    assert "no rates for Acme" in caplog.text
    assert Invoice.objects.count() == 1


def questions(work: Callable[[], Any]) -> int:
    with CaptureQueriesContext(connection) as captured:
        work()
    return len(captured)


def test_many_invoices_take_as_many_queries_as_one(acme_support, northwind, conversation):
    """Drafted, added to, and issued with the usage of a month."""

    def ready(workspaces: list[Workspace]) -> None:
        for workspace in workspaces:
            sub = ledger.subscription(workspace, start=FEB)
            february = ledger.period(sub, FEB, MAR, closed=True)
            ledger.usage(february, conversation, used="1200", allowance="1000", amount="20")
            ledger.charge(february, "20.00", MAR, kind=LineKind.OVERAGE, unit=conversation)

    def add() -> None:
        for period in BillingPeriod.objects.filter(charges__line__invoice__state="draft"):
            ledger.charge(period, "1.00", MAR, kind=LineKind.TOP_UP)

    def counted(workspaces: list[Workspace]) -> list[int]:
        ready(workspaces)
        drafting = questions(lambda: draft_invoices(now=NOON))
        add()
        adding = questions(lambda: draft_invoices(now=NOON))
        issued: list[Invoice] = []
        issuing = questions(lambda: issued.extend(issue_due_invoices(now=NOON)[0]))
        assert [invoice.total for invoice in issued] == [Decimal(21)] * len(workspaces)
        return [drafting, adding, issuing]

    of_one = counted([acme_support])

    assert sum(of_one) < 70
    workspaces = []
    for n in range(8):
        client = Client.objects.create(
            agency=northwind, slug=f"c{n}", name=f"Client {n}", email="c@example.com"
        )
        workspaces.append(
            Workspace.objects.create(agency=northwind, client=client, slug=f"c{n}", name="W")
        )
    beginning_the_series = 2
    assert counted(workspaces) == [*of_one[:2], of_one[2] - beginning_the_series]


# --- Issuing -----------------------------------------------------------------------------------


def test_an_issued_invoice_has_its_number_dates_and_totals(month, northwind):
    northwind.payment_terms_days = 30
    northwind.save()
    (draft,) = draft_invoices(now=NOON)
    invoice = issue_invoice(invoice=draft, now=NOON)
    invoice.refresh_from_db()
    assert (invoice.state, invoice.number, invoice.sequence) == ("issued", "INV-2026-000001", 1)
    assert invoice.series == DocumentSeries.objects.get(code="invoice-2026")
    assert invoice.issued_at == NOON
    assert (invoice.issue_date, invoice.due_date) == (dt.date(2026, 3, 10), dt.date(2026, 4, 9))
    assert (invoice.net, invoice.tax, invoice.total) == (Decimal(549), Decimal(0), Decimal(549))


def test_the_document_and_the_message_wait_with_the_invoice(month):
    (draft,) = draft_invoices(now=NOON)
    invoice = issue_invoice(invoice=draft, now=NOON)
    document, mail = InvoiceDocument.objects.get(), Mail.objects.get()
    assert (document.invoice, document.state) == (invoice, "pending")
    assert document.path == "northwind/2026/INV-2026-000001.pdf"
    assert (mail.key, mail.state) == ("invoice:INV-2026-000001", "pending")
    assert mail.attachment_path == document.path


def test_issuing_twice_is_issuing_once(month):
    (draft,) = draft_invoices(now=NOON)
    first = issue_invoice(invoice=draft, now=NOON)
    again = issue_invoice(invoice=draft, now=NOON + DAY)
    assert (again.number, again.issued_at) == (first.number, NOON)
    assert (Mail.objects.count(), DocumentSeries.objects.get().next_number) == (1, 2)


def test_nothing_is_issued_when_one_part_fails(month, monkeypatch):
    from billing.services import invoicing

    (draft,) = draft_invoices(now=NOON)
    with monkeypatch.context() as patch:
        patch.setattr(invoicing, "invoice_mail", lambda *_, **__: 1 / 0)
        issued, failed = issue_due_invoices(now=NOON)
    assert issued == []
    assert failed == [f"{draft}: division by zero"]
    assert not InvoiceDocument.objects.exists()
    assert not DocumentSeries.objects.exists()
    draft.refresh_from_db()
    assert draft.state == "draft"
    assert issue_invoice(invoice=draft, now=NOON).number == "INV-2026-000001"


def test_the_year_of_the_number_is_the_platforms(acme_support, platform):
    platform.timezone = "America/Los_Angeles"
    platform.save()
    ledger.activated(acme_support)
    new_year = utc(2027, 1, 1, 7)
    (draft,) = draft_invoices(now=new_year)
    invoice = issue_invoice(invoice=draft, now=new_year)
    assert (invoice.number, invoice.issue_date) == ("INV-2026-000001", dt.date(2026, 12, 31))


def test_invoices_are_numbered_in_the_order_of_what_they_bill(acme_support, birch_leads):
    ledger.activated(acme_support)
    sub = ledger.subscription(birch_leads, start=utc(2026, 1, 15))
    ledger.charge(ledger.period(sub, utc(2026, 1, 15), utc(2026, 2, 15)), "1.00", utc(2026, 1, 15))
    draft_invoices(now=NOON)
    issued, failed = issue_due_invoices(now=NOON)
    assert failed == []
    assert [(i.number, i.client.slug) for i in issued] == [
        ("INV-2026-000001", "birch"),
        ("INV-2026-000002", "acme"),
    ]


def test_an_invoice_over_nothing_is_paid_when_it_is_issued(acme_support):
    invoice = ledger.issued(acme_support, now=NOON, fee="0.00")
    assert (invoice.state, invoice.total, invoice.due_date) == ("paid", Decimal(0), None)
    said = snapshot(invoice)
    assert (said.due_date, said.payment.terms, said.totals.due) == (None, "", Decimal(0))
    assert "nothing to pay" in Mail.objects.get().subject


def test_a_draft_that_comes_to_less_than_nothing_is_not_issued(acme_support):
    first = ledger.activated(acme_support)
    (draft,) = draft_invoices(now=NOON)
    credit = ledger.charge(first, "-500.00", FEB, kind=LineKind.CREDIT)
    InvoiceLine.objects.create(
        invoice=draft,
        charge=credit,
        position=2,
        workspace=acme_support,
        kind="credit",
        description="Credit",
        quantity=1,
        net=credit.amount,
        currency="USD",
        collected_by="platform",
        tax_category="O",
    )
    with pytest.raises(InvoiceRefusedError, match="needs a credit note"):
        issue_invoice(invoice=draft, now=NOON)


def test_credit_waits_for_an_invoice_that_can_bear_it(acme_support):
    first = ledger.activated(acme_support, fee="10.00")
    ledger.charge(first, "-15.00", FEB, kind=LineKind.CREDIT)
    assert draft_invoices(now=FEB + DAY) == []
    ledger.charge(first, "20.00", MAR, kind=LineKind.OVERAGE)
    ledger.close(first)
    (draft,) = draft_invoices(now=NOON)
    assert (draft.bill_at, draft.total) == (MAR, Decimal(15))


# --- Tax ---------------------------------------------------------------------------------------


def rate(agency, percent: str, on: dt.date, country: str = "US", **fields) -> TaxRate:
    fields = {"category": "S", "percent": Decimal(percent)} | fields
    return TaxRate.objects.create(agency=agency, country=country, effective_from=on, **fields)


def test_tax_is_the_rate_of_the_clients_country_on_the_day_of_issue(acme_support, northwind):
    rate(northwind, "19", dt.date(2026, 1, 1))
    rate(northwind, "7.7", dt.date(2026, 3, 10))
    rate(northwind, "25", dt.date(2026, 3, 11))
    rate(northwind, "99", dt.date(2026, 3, 1), country="CA")
    invoice = ledger.issued(acme_support, now=NOON)
    (tax,) = invoice.taxes.all()
    assert (tax.category, tax.percent, tax.base) == ("S", Decimal("7.7"), Decimal(499))
    assert tax.tax == Decimal("38.42")  # 38.423
    assert (invoice.net, invoice.tax, invoice.total) == (
        Decimal(499),
        Decimal("38.42"),
        Decimal("537.42"),
    )
    assert invoice.lines.get().tax_percent == Decimal("7.7")


def test_a_draft_is_taxed_anew_on_the_day_it_is_issued(acme_support, northwind):
    rate(northwind, "10", dt.date(2026, 3, 11))
    ledger.activated(acme_support)
    (draft,) = draft_invoices(now=NOON)
    assert draft.tax == 0
    assert issue_invoice(invoice=draft, now=NOON + DAY).tax == Decimal("49.90")


def test_tax_is_computed_once_on_the_sum(acme_support, northwind):
    rate(northwind, "10", dt.date(2026, 1, 1))
    first = ledger.activated(acme_support, fee="0.05")
    ledger.charge(first, "0.05", FEB, kind=LineKind.SUPPORT)
    ledger.charge(first, "0.04", FEB, kind=LineKind.TOP_UP)
    (draft,) = draft_invoices(now=NOON)
    assert (draft.net, draft.tax) == (Decimal("0.14"), Decimal("0.01"))


def test_without_a_rate_nothing_is_taxed_and_the_invoice_says_so(acme_support):
    invoice = ledger.issued(acme_support, now=NOON)
    (tax,) = snapshot(invoice).taxes
    assert (tax.category, tax.rate, tax.tax, tax.reason) == ("O", 0, 0, "Not subject to tax.")


def test_a_reverse_charge_prints_its_own_reason(acme_support, northwind):
    rate(northwind, "0", dt.date(2026, 1, 1), category="AE", reason="Article 196.")
    invoice = ledger.issued(acme_support, now=NOON)
    (tax,) = snapshot(invoice).taxes
    assert (tax.category, tax.reason) == ("AE", "Article 196.")


# --- What the agency collects ------------------------------------------------------------------


def test_what_the_agency_collects_is_shown_but_neither_taxed_nor_due(acme_support, northwind):
    rate(northwind, "10", dt.date(2026, 1, 1))
    first = ledger.activated(acme_support, fee="100.00")
    kind = LineKind.IMPLEMENTATION
    ledger.charge(first, "2500.00", FEB, kind=kind, collected_by="agency")
    (draft,) = draft_invoices(now=NOON)
    invoice = issue_invoice(invoice=draft, now=NOON)
    assert (invoice.net, invoice.tax, invoice.total) == (Decimal(100), Decimal(10), Decimal(110))
    shown = invoice.lines.get(collected_by="agency")
    assert (shown.net, shown.tax_category) == (Decimal(2500), "O")
    assert shown.tax_reason == "Invoiced by Northwind."
    (line,) = snapshot(invoice).collected_by_agency
    assert (line.net, line.workspace) == (Decimal(2500), "Acme support chat")
    assert [len(section.lines) for section in snapshot(invoice).sections] == [1]


# --- The snapshot ------------------------------------------------------------------------------


def test_the_snapshot_says_everything_that_is_printed(month, platform, acme, northwind):
    (draft,) = draft_invoices(now=NOON)
    said = snapshot(issue_invoice(invoice=draft, now=NOON))
    assert (said.number, said.currency, said.locale) == ("INV-2026-000001", "USD", "en_US")
    assert said.seller.name == "Agency Portal Inc."
    assert said.seller.address == ("1 Market Street", "San Francisco, CA 94105")
    assert (said.seller.country, said.buyer.name) == ("US", "Acme Corporation")
    assert (said.agency.name, said.agency.colour) == ("Northwind", "#1f4e79")
    assert said.totals.due == Decimal(549)
    assert said.payment.terms == "Payable within 14 days of issue, without deduction."
    assert said.payment.details[0].value == platform.payment_details
    docs, support = said.sections
    assert (docs.name, docs.slug, docs.net) == ("Acme documents", "acme-docs", Decimal(30))
    assert (support.package, support.net) == ("Support Starter", Decimal(519))
    assert support.period == Span(first=dt.date(2026, 2, 1), last=dt.date(2026, 2, 28))
    fee, overage = support.lines
    assert (fee.period.first, fee.quantity) == (dt.date(2026, 3, 1), None)
    assert (overage.quantity, overage.unit, overage.unit_price) == (
        Decimal(200),
        "conversations",
        Decimal("0.1"),
    )


def test_the_snapshot_shows_the_frozen_usage_and_a_bar_a_day(month):
    (draft,) = draft_invoices(now=NOON)
    said = snapshot(issue_invoice(invoice=draft, now=NOON))
    (pages,) = said.sections[0].usage
    assert (pages.unit, pages.used, pages.allowance) == ("pages", Decimal(40), Decimal(100))
    assert (pages.expired, pages.resets_on) == (Decimal(60), dt.date(2026, 3, 1))
    assert pages.daily == (Decimal(20), Decimal(20), *[Decimal(0)] * 26)


def test_the_snapshot_does_not_follow_what_changes_later(month, acme, acme_support):
    (draft,) = draft_invoices(now=NOON)
    invoice = issue_invoice(invoice=draft, now=NOON)
    said = snapshot(invoice)
    acme.legal_name = "Another name"
    acme.save()
    acme_support.name = "Renamed"
    acme_support.save()
    UsageDay.objects.all().delete()
    invoice.refresh_from_db()
    assert snapshot(invoice) == said
    assert preview_invoice(invoice=invoice, now=NOON + DAY) == said


def test_texts_are_in_the_clients_language(acme_support, acme):
    acme.language = "de"
    acme.country = "AT"
    acme.save()
    assert snapshot(ledger.issued(acme_support, now=NOON)).locale == "de_AT"


def test_a_preview_shows_what_would_be_issued_and_writes_nothing(month, northwind):
    (draft,) = draft_invoices(now=NOON)
    rate(northwind, "10", dt.date(2026, 3, 11))
    said = preview_invoice(invoice=draft, now=NOON + DAY)
    assert (said.number, said.totals.gross) == ("", Decimal("603.9"))
    assert said.due_date == dt.date(2026, 3, 25)
    draft.refresh_from_db()
    assert (draft.state, draft.total, draft.due_date) == ("draft", Decimal(549), None)
    assert not DocumentSeries.objects.exists()


# --- What stays --------------------------------------------------------------------------------

CHANGES = [
    "UPDATE billing_invoice SET total = total + 1",
    "UPDATE billing_invoice SET number = 'INV-1'",
    "UPDATE billing_invoice SET number = NULL, state = 'draft'",
    "UPDATE billing_invoice SET due_date = NULL",
    "UPDATE billing_invoice SET snapshot = '{}'",
    "DELETE FROM billing_invoice",
    "UPDATE billing_invoiceline SET net = net + 1",
    "UPDATE billing_invoiceline SET description = 'x'",
    "DELETE FROM billing_invoiceline",
    "UPDATE billing_invoicetax SET tax = tax + 1",
    "DELETE FROM billing_invoicetax",
    "UPDATE billing_charge SET amount = amount + 1",
    "DELETE FROM billing_charge",
    "UPDATE billing_creditgrant SET quantity = quantity + 1",
    "DELETE FROM billing_creditgrant",
    "UPDATE billing_periodusage SET used = used + 1",
    "DELETE FROM billing_periodusage",
    "UPDATE billing_grantuse SET consumed = consumed + 1",
    "DELETE FROM billing_grantuse",
]


def refused(statement: str) -> None:
    with (
        pytest.raises(IntegrityError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


@pytest.mark.parametrize("statement", CHANGES)
def test_what_an_issued_invoice_says_cannot_be_changed(month, statement):
    (draft,) = draft_invoices(now=NOON)
    issue_invoice(invoice=draft, now=NOON)
    refused(statement)


def test_nothing_can_be_added_to_an_issued_invoice(month):
    (draft,) = draft_invoices(now=NOON)
    invoice = issue_invoice(invoice=draft, now=NOON)
    late = ledger.charge(month, "1.00", MAR)
    line = invoice.lines.first()
    line.pk, line.charge, line.position = None, late, 99
    line._state.adding = True
    with pytest.raises(IntegrityError, match="nothing can be added"), transaction.atomic():
        line.save()
    with pytest.raises(IntegrityError, match="nothing can be added"), transaction.atomic():
        InvoiceTax.objects.create(
            invoice=invoice, category="S", percent=5, base=0, tax=0, currency="USD"
        )


def test_what_happens_to_an_issued_invoice_may_change(month):
    (draft,) = draft_invoices(now=NOON)
    invoice = issue_invoice(invoice=draft, now=NOON)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE billing_invoice SET state = 'paid', amount_paid = total")
        cursor.execute("UPDATE billing_invoicedocument SET state = 'failed'")
    invoice.refresh_from_db()
    assert invoice.amount_due == 0


def test_published_terms_cannot_be_changed(acme_support):
    version = ledger.subscription(acme_support, start=FEB).plan_version
    fee = version.fees.create(name="Base", kind="base", amount=499, when="period")
    fee.amount = 500
    fee.save()  # a draft may be edited
    version.published_at = NOON
    version.save()
    refused("UPDATE billing_planfee SET amount = amount + 1")
    refused("DELETE FROM billing_planfee")
    refused("UPDATE billing_planversion SET minimum_commitment = 1")
    refused("UPDATE billing_planversion SET published_at = NULL")
    with pytest.raises(IntegrityError, match="nothing can be added"), transaction.atomic():
        version.fees.create(name="Another", kind="base", amount=1, when="period")
