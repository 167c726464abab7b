"""The books of a period as files, from the list of invoices."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.urls import reverse
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from agencyportal.core.admin_dialogs import DayField
from agencyportal.core.powers import Power, powers_in
from agencyportal.core.tenancy import Access
from billing.selectors.accounting import TABLES, Span
from billing.table_files import csv_lines, xlsx_file

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def _day() -> forms.Widget:
    """The browser's own picker of days, as the admin's fields look."""
    widget: forms.Widget = UnfoldAdminTextInputWidget(attrs={"type": "date"})
    return widget


class ExportForm(forms.Form):
    """Which table, of which days, as which file."""

    table = forms.ChoiceField(
        choices=[(table.slug, table.title) for table in TABLES.values()],
        widget=UnfoldAdminSelectWidget,
    )
    first = forms.DateField(label="From", widget=_day(), validators=DayField.default_validators)
    last = forms.DateField(label="Until", widget=_day(), validators=DayField.default_validators)
    format = forms.ChoiceField(
        label="As", choices=[("csv", "CSV"), ("xlsx", "XLSX")], widget=UnfoldAdminSelectWidget
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors and cleaned["last"] < cleaned["first"]:
            self.add_error("last", "The last day is before the first.")
        return cleaned


def may_export(request: HttpRequest) -> bool:
    return powers_in(request).anywhere(Power.MONEY)


def books_of(request: HttpRequest) -> Access:
    """The agencies whose money the person deals with."""
    powers = powers_in(request)
    if powers.everything:
        return Access.all()
    held = powers.by_agency.items()
    return Access(agency_ids=frozenset(pk for pk, powers in held if Power.MONEY in powers))


def export_books(request: HttpRequest) -> HttpResponseBase:
    """A file of the person's own rows; with days that are none, back to the list, saying why."""
    if not may_export(request):
        raise Http404
    if request.method != "GET":
        return HttpResponseNotAllowed(["GET"])
    form = ExportForm(request.GET)
    if not form.is_valid():
        said = [f"{form[name].label}: {errors[0]}" for name, errors in form.errors.items()]
        messages.error(request, f"Nothing was exported. {' '.join(said)}")
        return HttpResponseRedirect(reverse("admin:billing_invoice_changelist"))
    asked = form.cleaned_data
    table, span = TABLES[asked["table"]], Span(asked["first"], asked["last"])
    rows = table.read(books_of(request), span)
    name = f"{table.slug}-{span.first}-{span.last}.{asked['format']}"
    if asked["format"] == "xlsx":
        file = xlsx_file(table.title, list(table.columns), rows)
        return FileResponse(file, as_attachment=True, filename=name, content_type=XLSX)
    lines = csv_lines(list(table.columns), rows)
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
