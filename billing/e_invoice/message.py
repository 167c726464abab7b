"""A whole invoice or credit note as a Cross Industry Invoice of the profile EN 16931."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Final
from xml.etree.ElementTree import Element

from agencyportal.core.documents import Span
from billing.documents.invoice_snapshot import InvoiceSnapshot, TaxLine
from billing.e_invoice import parties
from billing.e_invoice.gaps import WITH_REASON, gaps
from billing.e_invoice.lines import Content, add_allowance, add_line, add_period, content_of
from billing.e_invoice.xml import (
    QDT,
    amount,
    child,
    cleaned,
    day,
    number,
    part,
    root,
    text_child,
    written,
)

PROFILE: Final = "urn:cen.eu:en16931:2017"
TYPE_CODES: Final = {"invoice": "380", "credit_note": "381"}
"""UNTDID 1001."""

SEPA_TRANSFER, CREDIT_TRANSFER = "58", "30"
"""UNTDID 4461."""

IBAN: Final = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
BIC: Final = re.compile(r"[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?")

NO_TERMS: Final = "Nothing is to be paid."
"""On a credit note without other words: BR-CO-25 wants a date or terms."""


class EInvoiceError(ValueError):
    """There is no valid e-invoice of this document; the message says what it lacks."""


def e_invoice_xml(snapshot: InvoiceSnapshot) -> bytes:
    """The document as XML, the same bytes for the same snapshot.

    Raises EInvoiceError where `gaps` finds any.
    """
    if missing := gaps(snapshot):
        raise EInvoiceError(" ".join(missing))
    content = content_of(snapshot)
    message = root("CrossIndustryInvoice")
    _add_context(message)
    _add_header(message, snapshot)
    trade = part(message, "SupplyChainTradeTransaction")
    for position, placed in enumerate(content.lines, start=1):
        add_line(trade, position, placed, snapshot.currency)
    _add_agreement(trade, snapshot)
    _add_delivery(trade, snapshot)
    _add_settlement(trade, snapshot, content)
    return written(message)


def _add_context(message: Element) -> None:
    context = part(message, "ExchangedDocumentContext")
    child(child(context, "GuidelineSpecifiedDocumentContextParameter"), "ID", PROFILE)


def _add_header(message: Element, snapshot: InvoiceSnapshot) -> None:
    document = part(message, "ExchangedDocument")
    child(document, "ID", snapshot.number)
    child(document, "TypeCode", TYPE_CODES[snapshot.kind])
    day(document, "IssueDateTime", snapshot.issue_date)
    for note in snapshot.notes:
        if cleaned(note):
            child(child(document, "IncludedNote"), "Content", note)


def _add_agreement(trade: Element, snapshot: InvoiceSnapshot) -> None:
    agreement = child(trade, "ApplicableHeaderTradeAgreement")
    names_vat = _names_vat(snapshot)
    text_child(agreement, "BuyerReference", snapshot.buyer_reference)
    parties.seller(agreement, snapshot.seller, names_vat=names_vat)
    parties.buyer(agreement, snapshot.buyer, names_vat=names_vat)


def _names_vat(snapshot: InvoiceSnapshot) -> bool:
    """BR-O-02: a document outside the scope of tax names nobody's VAT id."""
    return bool(snapshot.taxes) and all(tax.category != "O" for tax in snapshot.taxes)


def _add_delivery(trade: Element, snapshot: InvoiceSnapshot) -> None:
    """To where the buyer is, as BR-IC-12 asks; on the day of issue where no period is named."""
    delivery = child(trade, "ApplicableHeaderTradeDelivery")
    parties.place(delivery, "ShipToTradeParty", snapshot.buyer)
    if not snapshot.service_periods:
        event = child(delivery, "ActualDeliverySupplyChainEvent")
        day(event, "OccurrenceDateTime", snapshot.issue_date)


def _add_settlement(trade: Element, snapshot: InvoiceSnapshot, content: Content) -> None:
    settlement = child(trade, "ApplicableHeaderTradeSettlement")
    child(settlement, "PaymentReference", snapshot.number)
    child(settlement, "InvoiceCurrencyCode", snapshot.currency)
    _add_payment_means(settlement, snapshot)
    for tax in snapshot.taxes or (_no_tax(),):
        _add_tax(settlement, tax)
    if snapshot.service_periods:
        add_period(settlement, _whole(snapshot.service_periods))
    for allowance in content.allowances:
        add_allowance(settlement, allowance)
    _add_terms(settlement, snapshot)
    _add_sums(settlement, snapshot, content)
    if snapshot.corrects:
        reference = child(settlement, "InvoiceReferencedDocument")
        child(reference, "IssuerAssignedID", snapshot.corrects.number)
        day(reference, "FormattedIssueDateTime", snapshot.corrects.issue_date, namespace=QDT)


def _add_payment_means(settlement: Element, snapshot: InvoiceSnapshot) -> None:
    """A transfer to the printed account, where it has an IBAN. Nobody pays a credit note."""
    accounts = list(_found(snapshot, IBAN)) if snapshot.kind == "invoice" else []
    if not accounts:
        return
    means = child(settlement, "SpecifiedTradeSettlementPaymentMeans")
    child(means, "TypeCode", SEPA_TRANSFER if snapshot.currency == "EUR" else CREDIT_TRANSFER)
    child(child(means, "PayeePartyCreditorFinancialAccount"), "IBANID", accounts[0])
    for bank in list(_found(snapshot, BIC))[:1]:
        child(child(means, "PayeeSpecifiedCreditorFinancialInstitution"), "BICID", bank)


def _found(snapshot: InvoiceSnapshot, pattern: re.Pattern[str]) -> Iterator[str]:
    for detail in snapshot.payment.details:
        value = re.sub(r"\s", "", detail.value)
        if pattern.fullmatch(value):
            yield value


def _no_tax() -> TaxLine:
    """Of a document on which nothing is charged."""
    zero = Decimal(0)
    return TaxLine(category="O", rate=zero, base=zero, tax=zero, reason="Nothing is charged.")


def _add_tax(settlement: Element, tax: TaxLine) -> None:
    element = child(settlement, "ApplicableTradeTax")
    amount(element, "CalculatedAmount", tax.tax)
    child(element, "TypeCode", "VAT")
    if tax.category in WITH_REASON:
        child(element, "ExemptionReason", tax.reason)
    amount(element, "BasisAmount", tax.base)
    child(element, "CategoryCode", tax.category)
    if tax.reason_code:
        child(element, "ExemptionReasonCode", tax.reason_code)
    if tax.category != "O":
        number(element, "RateApplicablePercent", tax.rate)


def _whole(spans: tuple[Span, ...]) -> Span:
    """From the first day of all to the last: the norm has one period."""
    return Span(first=min(span.first for span in spans), last=max(span.last for span in spans))


def _add_terms(settlement: Element, snapshot: InvoiceSnapshot) -> None:
    words = cleaned(snapshot.payment.terms)
    if not words and not snapshot.due_date and snapshot.totals.due > 0:
        words = NO_TERMS
    if words or snapshot.due_date:
        terms = child(settlement, "SpecifiedTradePaymentTerms")
        text_child(terms, "Description", words)
        if snapshot.due_date:
            day(terms, "DueDateDateTime", snapshot.due_date)


def _add_sums(settlement: Element, snapshot: InvoiceSnapshot, content: Content) -> None:
    totals = snapshot.totals
    sums = child(settlement, "SpecifiedTradeSettlementHeaderMonetarySummation")
    amount(sums, "LineTotalAmount", content.lines_net)
    if content.allowances:
        amount(sums, "AllowanceTotalAmount", content.allowed)
    amount(sums, "TaxBasisTotalAmount", totals.net)
    amount(sums, "TaxTotalAmount", totals.tax, currencyID=snapshot.currency)
    amount(sums, "GrandTotalAmount", totals.gross)
    if totals.paid:
        amount(sums, "TotalPrepaidAmount", totals.paid)
    amount(sums, "DuePayableAmount", totals.due)
