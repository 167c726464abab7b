"""The books as files: one's own rows, sums that tie to the invoices, no formulas."""

from __future__ import annotations

import csv
import io
import zipfile
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.models import InvoiceLine
from billing.services.credit_notes import void_invoice
from billing.table_files import csv_lines, safe_text, xlsx_file
from tests.console.conftest import Story


def asked(story: Story, table: str, kind: str = "csv", **more: str) -> dict[str, str]:
    day = f"{story.invoice.issue_date:%Y-%m-%d}"
    return {"table": table, "format": kind, "first": day, "last": day} | more


def rows_of(browser: Browser, data: dict[str, str]) -> list[dict[str, str]]:
    response: Any = browser.get("/admin/billing/invoice/export/", data)
    assert response.status_code == 200
    text = b"".join(response.streaming_content).decode()
    return list(csv.DictReader(io.StringIO(text)))


def test_invoices_and_their_lines_tie(story: Story, as_finance: Browser) -> None:
    (invoice,) = rows_of(as_finance, asked(story, "invoices"))
    lines = rows_of(as_finance, asked(story, "invoice_lines"))
    assert invoice["number"] == story.invoice.number
    assert Decimal(invoice["total"]) == story.invoice.total > 0
    assert Decimal(invoice["net"]) + Decimal(invoice["tax"]) == Decimal(invoice["total"])
    ours = [Decimal(line["net"]) for line in lines if line["collected_by"] == "platform"]
    assert sum(ours) == Decimal(invoice["net"])


def test_credit_notes_and_their_lines_tie(story: Story, as_operator: Browser, now: object) -> None:
    note = void_invoice(
        invoice=story.invoice,
        reason="=Goodwill",
        created_by=None,
        now=timezone.now(),
        key="one",
    )
    (row,) = rows_of(as_operator, asked(story, "credit_notes"))
    lines = rows_of(as_operator, asked(story, "credit_note_lines"))
    assert (row["number"], row["invoice"]) == (note.number, story.invoice.number)
    assert row["reason"] == "'=Goodwill"
    assert sum(Decimal(line["net"]) for line in lines) == Decimal(row["net"]) == note.net


@pytest.mark.parametrize("table", ["invoices", "invoice_lines", "payments", "credit_notes"])
def test_others_get_none_of_it(story: Story, as_outsider: Browser, table: str) -> None:
    assert rows_of(as_outsider, asked(story, table)) == []


@pytest.mark.parametrize(
    ("first", "last"), [("0001-01-01", "2026-03-31"), ("2026-03-01", "9999-12-31")]
)
def test_days_at_the_calendars_end_are_refused(
    story: Story, as_operator: Browser, first: str, last: str
) -> None:
    """They begin before, or end after, the instants that there are."""
    data = asked(story, "payments", first=first, last=last)
    response: Any = as_operator.get("/admin/billing/invoice/export/", data, follow=True)
    assert "Nothing was exported." in response.content.decode()


def test_who_only_looks_and_clients_find_no_export(
    story: Story, as_viewer: Browser, as_client_admin: Browser
) -> None:
    for browser in (as_viewer, as_client_admin):
        response = browser.get("/admin/billing/invoice/export/", asked(story, "invoices"))
        assert response.status_code == 404
    assert "Export for accounting" not in as_viewer.get("/admin/billing/invoice/").content.decode()


def test_days_that_are_none_are_said_on_the_list(story: Story, as_finance: Browser) -> None:
    data = asked(story, "invoices", last="2020-01-01")
    response = as_finance.get("/admin/billing/invoice/export/", data, follow=True)
    text = response.content.decode()
    assert "Nothing was exported. Until: The last day is before the first." in text
    assert "Export for accounting" in text


def test_a_workbook_opens_and_has_the_same_rows(story: Story, as_finance: Browser) -> None:
    data = asked(story, "invoices", "xlsx")
    response: Any = as_finance.get("/admin/billing/invoice/export/", data)
    book = zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content)))
    sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert sheet.count("<row ") == 2
    assert str(story.invoice.number) in sheet
    assert "<f>" not in sheet


def test_a_table_is_one_query_however_many_rows(story: Story, as_finance: Browser) -> None:
    assert InvoiceLine.objects.count() >= 1

    def queries(data: dict[str, str]) -> int:
        with CaptureQueriesContext(
            connection,
        ) as seen:
            rows_of(as_finance, data)
        return len(seen)

    none = queries(asked(story, "invoice_lines", first="2020-01-01", last="2020-01-01"))
    assert queries(asked(story, "invoice_lines")) == none


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_no_text_is_a_formula(text: str) -> None:
    assert safe_text(text) == f"'{text}"
    _, line = csv_lines(["a", "b"], [[text, Decimal("-1.50")]])
    assert next(csv.reader([line], strict=True))[1] == "-1.50"
    with xlsx_file("A", ["a"], [[text]]) as file:
        assert b"<f>" not in zipfile.ZipFile(file).read("xl/worksheets/sheet1.xml")
