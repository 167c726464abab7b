"""The tables of the client's pages. Rows are ordered and paged before they come here."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import Any

import django_tables2 as tables
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from agencyportal.core.rendered import RenderedDocument
from agencyportal.portal.gifts import Gift
from agencyportal.portal.purchases import Bought, person
from agencyportal.portal.visits import Visit
from billing.models import Alert, BalanceEntry, CreditNote, Invoice, TopUpRequest
from billing.services.alert_words import words_of

_NUM = {"td": {"class": "num"}, "th": {"class": "num"}}


class PortalTable(tables.Table):  # type: ignore[misc]  # untyped base
    """A table that writes as its visitor's client does, and becomes cards on a phone."""

    def __init__(self, *args: Any, visit: Visit, caption: str, **kwargs: Any) -> None:
        self.visit, self.writing = visit, visit.writing
        self.caption = caption
        super().__init__(*args, template_name="portal/table.html", orderable=False, **kwargs)


class InvoiceTable(PortalTable):
    """What was issued, and how it stands."""

    number = tables.Column(verbose_name=gettext_lazy("Invoice"))
    issue_date = tables.Column(verbose_name=gettext_lazy("Date"))
    due_date = tables.Column(verbose_name=gettext_lazy("Due"))
    total = tables.Column(verbose_name=gettext_lazy("Total"), attrs=_NUM)
    state = tables.Column(verbose_name=gettext_lazy("State"))
    document = tables.Column(verbose_name=gettext_lazy("PDF"), empty_values=())

    def render_number(self, record: Invoice) -> SafeString:
        url = reverse("portal:invoice", args=[record.client_id, record.pk])
        return format_html('<a href="{}">{}</a>', url, record.number)

    def render_issue_date(self, record: Invoice) -> str:
        return self.writing.day(record.issue_date) if record.issue_date else ""

    def render_due_date(self, record: Invoice) -> str:
        return self.writing.day(record.due_date) if record.due_date else ""

    def render_total(self, record: Invoice) -> str:
        return self.writing.price(record.total, record.currency)

    def render_state(self, record: Invoice) -> SafeString:
        tone, words = invoice_state(self.visit, record)
        return format_html('<span class="badge badge--{}">{}</span>', tone, words)

    def render_document(self, record: Invoice) -> SafeString | str:
        document = getattr(record, "document", None)
        if document is None or document.state != RenderedDocument.State.RENDERED:
            return _("Being prepared")
        url = reverse("portal:invoice_pdf", args=[record.client_id, record.pk])
        return format_html(
            '<a class="tap" href="{}">{}<span class="visually-hidden"> {}</span></a>',
            url,
            _("Download"),
            record.number,
        )


class CreditNoteTable(PortalTable):
    """What was taken back of invoices."""

    number = tables.Column(verbose_name=gettext_lazy("Credit note"))
    issue_date = tables.Column(verbose_name=gettext_lazy("Date"))
    invoice = tables.Column(verbose_name=gettext_lazy("Corrects"), empty_values=())
    total = tables.Column(verbose_name=gettext_lazy("Total"), attrs=_NUM)

    def render_number(self, record: CreditNote) -> SafeString:
        url = reverse("portal:credit_note", args=[record.client_id, record.pk])
        return format_html('<a href="{}">{}</a>', url, record.number)

    def render_issue_date(self, record: CreditNote) -> str:
        return self.writing.day(record.issue_date)

    def render_invoice(self, record: CreditNote) -> str:
        return record.invoice.number or "" if record.invoice else _("Credit")

    def render_total(self, record: CreditNote) -> str:
        return self.writing.price(record.total, record.currency)


class BalanceTable(PortalTable):
    """What came onto a balance and went from it, the latest first."""

    created_at = tables.Column(verbose_name=gettext_lazy("When"))
    kind = tables.Column(verbose_name=gettext_lazy("What"))
    amount = tables.Column(verbose_name=gettext_lazy("Amount"), attrs=_NUM)

    def render_created_at(self, record: BalanceEntry) -> str:
        return self.writing.day(self.writing.date_of(record.created_at))

    def render_kind(self, record: BalanceEntry) -> SafeString | str:
        words = str(BALANCE_WORDS[BalanceEntry.Kind(record.kind)])
        if record.credit_note is not None:
            url = reverse("portal:credit_note", args=[record.client_id, record.credit_note_id])
            return format_html('{} <a href="{}">{}</a>', words, url, record.credit_note.number)
        if record.payment is not None:
            invoice = record.payment.invoice
            url = reverse("portal:invoice", args=[record.client_id, invoice.pk])
            return format_html('{} <a href="{}">{}</a>', words, url, invoice.number)
        return words

    def render_amount(self, record: BalanceEntry) -> str:
        return self.writing.price(record.amount, record.currency)


BALANCE_WORDS = {
    BalanceEntry.Kind.OVERPAYMENT: gettext_lazy("Paid more than was due"),
    BalanceEntry.Kind.CREDIT_NOTE: gettext_lazy("Credit note"),
    BalanceEntry.Kind.APPLIED: gettext_lazy("Used for invoice"),
    BalanceEntry.Kind.REFUND: gettext_lazy("Paid back to you"),
    BalanceEntry.Kind.REFUND_FAILED: gettext_lazy("Paying back failed"),
    BalanceEntry.Kind.REVERSAL: gettext_lazy("A payment did not arrive after all"),
    BalanceEntry.Kind.ADJUSTMENT: gettext_lazy("Correction"),
}


class PurchaseTable(PortalTable):
    """Top-ups that were bought."""

    bought = tables.Column(verbose_name=gettext_lazy("Bought"))
    name = tables.Column(verbose_name=gettext_lazy("Top-up"))
    quantity = tables.Column(verbose_name=gettext_lazy("Units"), attrs=_NUM)
    left = tables.Column(verbose_name=gettext_lazy("Left"), attrs=_NUM)
    expires = tables.Column(verbose_name=gettext_lazy("Usable through"))
    price = tables.Column(verbose_name=gettext_lazy("Price"), attrs=_NUM)

    def render_bought(self, record: Bought) -> SafeString:
        return format_html('{}<br><span class="soft small">{}</span>', record.bought, record.by)

    def render_name(self, record: Bought) -> SafeString:
        url = reverse("portal:bought", args=[self.visit.client.pk, record.pk])
        return format_html(
            '<a href="{}">{}</a><br><span class="soft small">{}</span>',
            url,
            record.name,
            record.workspace,
        )


class GiftTable(PortalTable):
    """Credit that was given and can be used."""

    name = tables.Column(verbose_name=gettext_lazy("Credit"))
    given = tables.Column(verbose_name=gettext_lazy("Usable from"))
    quantity = tables.Column(verbose_name=gettext_lazy("Units"), attrs=_NUM)
    left = tables.Column(verbose_name=gettext_lazy("Left"), attrs=_NUM)
    expires = tables.Column(verbose_name=gettext_lazy("Usable through"))

    def render_name(self, record: Gift) -> SafeString:
        return format_html(
            '{}<br><span class="soft small">{}</span>', record.name, record.workspace
        )


class RequestTable(PortalTable):
    """Top-ups that somebody asked for."""

    requested_at = tables.Column(verbose_name=gettext_lazy("Asked"))
    band = tables.Column(verbose_name=gettext_lazy("Top-up"))
    note = tables.Column(verbose_name=gettext_lazy("Note"))
    state = tables.Column(verbose_name=gettext_lazy("Answer"))

    def render_requested_at(self, record: TopUpRequest) -> SafeString:
        return format_html(
            '{}<br><span class="soft small">{}</span>',
            self.writing.at(record.requested_at),
            person(self.visit, record.requested_by),
        )

    def render_band(self, record: TopUpRequest) -> SafeString:
        url = reverse("portal:request", args=[self.visit.client.pk, record.pk])
        return format_html(
            '<a href="{}">{}</a><br><span class="soft small">{}</span>',
            url,
            record.band.name,
            record.workspace.name,
        )

    def render_state(self, record: TopUpRequest) -> SafeString:
        tone, words = request_state(self.visit, record)
        return format_html('<span class="badge badge--{}">{}</span>', tone, words)


class AlertTable(PortalTable):
    """Alerts that were raised."""

    noticed_at = tables.Column(verbose_name=gettext_lazy("When"))
    workspace = tables.Column(verbose_name=gettext_lazy("Where"), accessor="workspace__name")
    crossings = tables.Column(verbose_name=gettext_lazy("What was reached"), accessor="pk")
    used = tables.Column(verbose_name=gettext_lazy("Used by then"), attrs=_NUM)

    def __init__(self, *args: Any, new: Collection[int] = (), **kwargs: Any) -> None:
        self.new = new
        super().__init__(*args, **kwargs)

    def render_noticed_at(self, record: Alert) -> SafeString | str:
        at = self.writing.at(record.noticed_at)
        if record.pk not in self.new:
            return at
        return format_html('{} <span class="badge badge--accent">{}</span>', at, _("New"))

    def render_crossings(self, record: Alert) -> str:
        return crossed(self.visit, record)

    def render_used(self, record: Alert, value: Decimal) -> str:
        return self.writing.units(value, record.unit) if record.unit is not None else ""


def crossed(visit: Visit, alert: Alert) -> str:
    """Every level that one alert names, in words: "80% and 100% of 1,500 conversations"."""
    return words_of(
        alert,
        [row.level for row in alert.crossings.all()],
        place=alert.workspace.name,
        currency=visit.client.currency,
        locale=visit.writing.locale,
    ).reached


def invoice_state(visit: Visit, invoice: Invoice) -> tuple[str, str]:
    """(tone, words) for how an issued invoice stands today."""
    states = Invoice.State
    if invoice.state == states.PAID:
        return "good", _("Paid") if invoice.total else _("Nothing to pay")
    if invoice.state == states.VOID:
        return "soft", _("Cancelled")
    if invoice.state == states.UNCOLLECTIBLE:
        return "soft", _("Written off")
    due = visit.writing.price(invoice.amount_due, invoice.currency)
    if invoice.due_date is not None and invoice.is_overdue(visit.writing.today):
        late = (visit.writing.today - invoice.due_date).days
        words = ngettext(
            "%(due)s overdue by %(days)s day", "%(due)s overdue by %(days)s days", late
        )
        return "bad", words % {"due": due, "days": late}
    if invoice.state == states.PARTIALLY_PAID:
        return "warn", _("%(due)s still to pay") % {"due": due}
    return "accent", _("To pay")


def request_state(visit: Visit, request: TopUpRequest) -> tuple[str, str]:
    """(tone, words) for what became of a request."""
    if request.state == TopUpRequest.State.PENDING:
        return "warn", _("Waiting for an answer")
    who = person(visit, request.decided_by)
    if request.state == TopUpRequest.State.APPROVED:
        return "good", _("Bought by %(who)s") % {"who": who}
    return "soft", _("Declined by %(who)s") % {"who": who}
