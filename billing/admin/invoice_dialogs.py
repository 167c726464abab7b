"""What can be done to an issued invoice: paid, sent again, credited, voided, given up."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, ClassVar

from django import forms

from agencyportal.core.admin_columns import money, quantity
from agencyportal.core.admin_dialogs import DayField, DialogForm, dress
from agencyportal.core.form_fields import PlainDecimalFormField
from agencyportal.core.money import plain
from agencyportal.core.periods import local_date, local_day_start
from agencyportal.core.powers import Power
from billing.crediting import LineLeft, Part
from billing.models import ClientBalance, Invoice, Payment
from billing.services.client_balance import apply_balance
from billing.services.credit_notes import (
    everything,
    issue_credit_note,
    lines_left,
    preview_credit_note,
)
from billing.services.invoice_mail import recipients_of, resend_invoice
from billing.services.payments import RECEIVED_BY, record_payment
from billing.services.refunds import pay_back
from billing.services.write_offs import write_off

from .dialogs import BillingDialog, ReasonForm

UNPAID = (Invoice.State.ISSUED, Invoice.State.PARTIALLY_PAID)
MOST_LINES = 60
"""Lines that a dialog asks about one by one; a longer invoice is voided, or credited in parts."""

METHODS = [(m.value, m.label) for m in Payment.Method if m.value in RECEIVED_BY]
NOWHERE = "balance"
WHERE = (
    (NOWHERE, "Keep it as the client's balance: it pays the next invoice"),
    ("payer", "Pay it back, the way it was paid where that is known, else by bank transfer"),
)


class OfInvoice(BillingDialog):
    """Something about the money of an issued invoice."""

    power = Power.MONEY

    def facts(self) -> list[tuple[str, str]]:
        invoice: Invoice = self.row
        shown = [
            ("Client", str(invoice.client)),
            ("Total", money(invoice.total, invoice.currency)),
            ("Due", money(invoice.amount_due, invoice.currency)),
        ]
        if invoice.amount_credited:
            shown.insert(2, ("Credited", money(invoice.amount_credited, invoice.currency)))
        return shown


class PaymentForm(DialogForm):
    amount = PlainDecimalFormField(max_digits=19, decimal_places=4)
    received_at = DayField(label="Received on")
    method = forms.ChoiceField(choices=METHODS)
    reference = forms.CharField(max_length=200, help_text="As on the bank statement.")


class RecordPayment(OfInvoice):
    """Money arrived for an invoice."""

    slug = "record-payment"
    title = "Record a payment"
    icon = "payments"
    submit = "Record the payment"
    form_class: ClassVar[type[DialogForm]] = PaymentForm

    def is_offered(self) -> bool:
        return bool(self.row.state != Invoice.State.DRAFT)

    def explanation(self) -> str:
        return "What is more than is due is kept as the client's balance and pays what comes next."

    def form(self, data: Any = None) -> DialogForm:
        due = plain(self.row.amount_due)
        form = PaymentForm(data, initial={"amount": due, "received_at": self._today()})
        form.fields["amount"].label = f"Amount in {self.row.currency}"
        return form

    @property
    def first_submit(self) -> str:
        """Mostly it is done at once, and the button says so."""
        return self.submit

    def preview(self, form: DialogForm) -> list[tuple[str, str]]:
        """Only where it is more than is due: then it is easily a mistake."""
        over = form.cleaned_data["amount"] - self.row.amount_due
        if over <= 0:
            return []
        currency = self.row.currency
        return [
            ("Settles", money(self.row.amount_due, currency)),
            ("Kept as the client's balance", money(over, currency)),
        ]

    def act(self, form: DialogForm) -> str:
        said = form.cleaned_data
        payment = record_payment(
            invoice=self.row,
            amount=said["amount"],
            currency=self.row.currency,
            method=said["method"],
            reference=said["reference"],
            received_at=local_day_start(said["received_at"], self._zone),
            now=self.now,
            key=self.key(form),
            recorded_by=self.user,
        )
        amount = money(payment.amount, payment.currency)
        return f"Recorded {amount} for {self.row}, reference {payment.reference}."

    @property
    def _zone(self) -> str:
        """The agency's: its payout month is decided by the day."""
        zone: str = self.row.agency.timezone
        return zone

    def _today(self) -> dt.date:
        return local_date(self.now, self._zone)


class UseBalance(OfInvoice):
    """The client's balance pays an invoice that was issued already."""

    slug = "use-balance"
    title = "Use the balance"
    icon = "account_balance_wallet"
    submit = "Pay it from the balance"

    def is_offered(self) -> bool:
        return self.row.state in (*UNPAID, Invoice.State.UNCOLLECTIBLE) and self._balance() > 0

    def why_not(self) -> str:
        if self.request.method == "GET" and not self._balance():
            return f"{self.row.client} has no balance in {self.row.currency}."
        return ""

    def facts(self) -> list[tuple[str, str]]:
        return [*super().facts(), ("Balance", money(self._balance(), self.row.currency))]

    def explanation(self) -> str:
        return "As much of what is due is paid as the balance has."

    def act(self, form: DialogForm) -> str:
        payment = apply_balance(
            invoice=self.row, now=self.now, key=self.key(form), applied_by=self.user
        )
        return f"{money(payment.amount, payment.currency)} of the balance paid {self.row}."

    def _balance(self) -> Decimal:
        rows = ClientBalance.objects.filter(client=self.row.client, currency=self.row.currency)
        return sum((row.amount for row in rows), Decimal(0))


class ResendInvoice(BillingDialog):
    """The client gets the message with the PDF once more."""

    slug = "resend"
    title = "Send again"
    icon = "forward_to_inbox"
    submit = "Send the invoice again"
    power = Power.MONEY

    def is_offered(self) -> bool:
        return bool(self.row.state != Invoice.State.DRAFT)

    def why_not(self) -> str:
        if self.row.state == Invoice.State.DRAFT:
            return "The invoice is a draft: there is nothing to send again."
        return ""

    def facts(self) -> list[tuple[str, str]]:
        return [("To", ", ".join(recipients_of(self.row.client)) or "Nobody has an address")]

    def explanation(self) -> str:
        return "The same message with the same PDF, to whoever reads this client's invoices now."

    def act(self, form: DialogForm) -> str:
        mail = resend_invoice(invoice=self.row, now=self.now, key=self.key(form))
        return f"{self.row} goes out again, to {', '.join(mail.recipients)}."


# --- Credit notes ------------------------------------------------------------------------------


class CreditForm(ReasonForm):
    reason = forms.CharField(
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Printed on the credit note.",
    )
    everything = forms.BooleanField(
        required=False, label="All that is left: the invoice is void", initial=False
    )
    to = forms.ChoiceField(label="What was paid already", choices=WHERE)


class CreditInvoice(OfInvoice):
    """Lines, parts of them, or all of it are taken back; shown before it is done."""

    slug = "credit"
    title = "Credit note"
    icon = "assignment_return"
    submit = "Issue the credit note"
    danger = True
    form_class: ClassVar[type[DialogForm]] = CreditForm

    def is_offered(self) -> bool:
        invoice: Invoice = self.row
        return invoice.state != Invoice.State.DRAFT and invoice.amount_credited < invoice.total

    def why_not(self) -> str:
        if self.request.method == "GET" and not self.is_offered():
            return "There is nothing on it that could be taken back."
        return ""

    def explanation(self) -> str:
        return (
            "Void the invoice, or give a net amount, or a quantity where there is one, for each "
            "line to be taken back. Tax follows as it was charged. The invoice keeps its number; "
            "the credit note gets one of its own and is sent to the client. What is taken back is "
            "not invoiced again: what is still owed is charged anew."
        )

    def form(self, data: Any = None) -> DialogForm:
        form = CreditForm(data)
        asked = {}
        for line in self._lines():
            left = money(line.left, self.row.currency)
            asked[f"amount_{line.id}"] = _number(f"{line.description}, net", f"{left} left.", 4)
            units = line.quantity - line.credited_quantity
            if line.quantity != 1 and line.net > 0 and units > 0:
                words = f"{quantity(units)} left; instead of an amount."
                asked[f"quantity_{line.id}"] = _number(f"{line.description}, quantity", words, 6)
        whole = form.fields.pop("everything")
        form.fields = {"everything": whole, **asked, **form.fields}
        return form

    def preview(self, form: DialogForm) -> list[tuple[str, str]]:
        made = preview_credit_note(invoice=self.row, parts=self._parts(form))
        currency = self.row.currency
        kept = form.cleaned_data["to"] == NOWHERE
        rest = "Put on the client's balance" if kept else "Paid back to the client"
        return [
            ("Net", money(made.credit.net, currency)),
            ("Tax", money(made.credit.tax, currency)),
            ("Credit note over", money(made.credit.total, currency)),
            ("No longer due", money(made.to_due, currency)),
            (rest, money(made.to_balance, currency)),
            ("The agency's earnings", "sink by its share of what was paid, the fee comes back"),
        ]

    def act(self, form: DialogForm) -> str:
        note = issue_credit_note(
            invoice=self.row,
            parts=self._parts(form),
            reason=form.cleaned_data["reason"],
            created_by=self.user,
            now=self.now,
            key=self.key(form),
        )
        words = f"Credit note {note.number} over {money(note.total, note.currency)} was issued"
        if form.cleaned_data["to"] == NOWHERE or not note.to_balance:
            return f"{words}."
        refunds = pay_back(note=note, requested_by=self.user, now=self.now)
        back = sum((refund.amount for refund in refunds), Decimal(0))
        return f"{words}; {money(back, note.currency)} is to be paid back."

    def _parts(self, form: DialogForm) -> list[Part]:
        said = form.cleaned_data
        if said["everything"]:
            return everything(self.row)
        parts = []
        for line in self._lines():
            amount, units = said.get(f"amount_{line.id}"), said.get(f"quantity_{line.id}")
            if amount or units:
                parts.append(Part(line.id, amount=None if units else amount, quantity=units))
        return parts

    def _lines(self) -> list[LineLeft]:
        return [line for line in lines_left(self.row) if line.left][:MOST_LINES]


class WriteOffInvoice(OfInvoice):
    """What is due is not asked for any more."""

    slug = "write-off"
    title = "Uncollectible"
    icon = "money_off"
    submit = "Mark as uncollectible"
    danger = True
    form_class: ClassVar[type[DialogForm]] = ReasonForm

    def is_offered(self) -> bool:
        return self.row.state in UNPAID

    def explanation(self) -> str:
        return (
            "What is due is not asked for any more. Nothing is credited and no tax comes back: "
            "that takes a credit note. A payment that comes later undoes it."
        )

    def act(self, form: DialogForm) -> str:
        row = write_off(
            invoice=self.row,
            reason=form.cleaned_data["reason"],
            written_off_by=self.user,
            now=self.now,
            key=self.key(form),
        )
        return f"{money(row.amount, row.currency)} of {self.row} is uncollectible."


def _number(label: str, help_text: str, places: int) -> PlainDecimalFormField:
    field = PlainDecimalFormField(
        label=label[:120], help_text=help_text, max_digits=19, decimal_places=places, required=False
    )
    dress(field.widget)
    return field
