"""What clients and agencies are told about what is due: reminders, last notices, charges."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeVar, cast

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _

from agencyportal.core.formats import Formats
from billing import stripe_gateway as gateway
from billing.dunning import SUSPEND, Schedule
from billing.models import Invoice, InvoiceCheckout, InvoiceDocument, Mail
from billing.portal_links import page_of_invoice
from billing.stripe_gateway.errors import decline_words

from .alert_mail import admins_of, managers_at
from .invoice_mail import recipients_of
from .letterhead import letterhead
from .mailing import message, queue_mail
from .stripe_customers import customer_of

_Queue = TypeVar("_Queue", bound=Callable[..., Mail])


def _in_its_language(queue: _Queue) -> _Queue:
    """Have a message about an invoice written in its client's language."""

    @wraps(queue)
    def write(about: Invoice | InvoiceCheckout, **how: Any) -> Mail:
        invoice = about.invoice if isinstance(about, InvoiceCheckout) else about
        with translation.override(_formats(invoice).language):
            return queue(about, **how)

    return cast(_Queue, write)


@dataclass(frozen=True, slots=True)
class Words:
    """A message: its subject, its sentences, and what its link is called."""

    subject: str
    paragraphs: Sequence[str]
    link: str
    details: Sequence[str] = field(default_factory=tuple)
    """How to pay by bank transfer, line by line."""


@_in_its_language
def queue_reminder(invoice: Invoice, *, day: int, will_charge: bool, now: dt.datetime) -> Mail:
    """Remind a client of what is due; before the due date, ``will_charge`` says that its card is
    charged then. In the caller's transaction, as all of these."""
    facts = _facts(invoice)
    if day < 0 and will_charge:
        customer = customer_of(invoice.client)
        facts["card"] = customer.card_in_words if customer is not None else ""
        said = _("On %(due_date)s %(card)s is charged %(due)s. You need not do anything.") % facts
    elif day < 0:
        said = _("Please pay %(due)s by then, with the reference %(number)s.") % facts
    else:
        said = _("If your payment has crossed this message, please ignore it.")
    return _queue(
        invoice, _asking(facts, said, day), key=f"dunning:{invoice.number}:{day}", now=now
    )


@_in_its_language
def queue_last_notice(
    invoice: Invoice, *, day: int, schedule: Schedule, ends: dt.date, now: dt.datetime
) -> Mail:
    """Tell a client, for the last time, and what comes then."""
    facts = _facts(invoice) | {"ends": _formats(invoice).long_day(ends)}
    subject = _("Last notice: invoice %(number)s is not paid") % facts
    if schedule.policy == SUSPEND:
        then = _(
            "If it is not paid by %(ends)s, new usage of your applications is not admitted any "
            "more until it is."
        )
    else:
        then = _("If it is not paid by %(ends)s, %(agency)s decides how it goes on.")
    words = Words(subject, [_still_open(facts), then % facts], _link_words(), _details(invoice))
    return _queue(invoice, words, key=f"dunning:{invoice.number}:{day}", now=now)


@_in_its_language
def queue_suspended(invoice: Invoice, *, key: str, now: dt.datetime) -> Mail:
    """Tell a client that its new usage is not admitted any more."""
    facts = _facts(invoice)
    words = Words(
        _("New usage is suspended: invoice %(number)s is not paid") % facts,
        [
            _still_open(facts),
            _("From now on, new usage of your applications is not admitted.") % facts,
            _("As soon as it is paid, everything goes on by itself."),
        ],
        _link_words(),
        _details(invoice),
    )
    return _queue(invoice, words, key=key, now=now, more=admins_of(invoice.client))


@_in_its_language
def queue_charge_mail(checkout: InvoiceCheckout, *, now: dt.datetime) -> Mail:
    """Tell a client that its card could not be charged, or that its holder has to confirm it; once
    for each charge."""
    invoice = checkout.invoice
    facts = _facts(invoice) | {"amount": _formats(invoice).money(checkout.amount)}
    begun = _("Your card was to be charged %(amount)s for invoice %(number)s.") % facts
    if checkout.awaits_holder:
        words = Words(
            _("Please confirm the payment of invoice %(number)s") % facts,
            [begun, _("Its bank wants you to confirm that first. Nothing was charged yet.")],
            _("Confirm the payment"),
        )
    else:
        facts["reason"] = decline_words(checkout.decline)
        words = Words(
            _("Your card could not be charged for invoice %(number)s") % facts,
            [
                begun,
                _("That did not work: %(reason)s Nothing was charged.") % facts,
                _("Please pay another way, or save another card."),
            ],
            _link_words(),
            _details(invoice),
        )
    more = admins_of(invoice.client)
    return _queue(invoice, words, key=f"charge:{checkout.pk}", now=now, more=more)


def queue_end_for_agency(invoice: Invoice, *, day: int, suspends: bool, now: dt.datetime) -> Mail:
    """Tell an agency that an invoice's schedule is over, in its language."""
    formats = Formats(invoice.agency.language, invoice.currency)
    with translation.override(formats.language):
        return _queue_for_agency(invoice, formats, day=day, suspends=suspends, now=now)


def _queue_for_agency(
    invoice: Invoice, formats: Formats, *, day: int, suspends: bool, now: dt.datetime
) -> Mail:
    facts = _facts(invoice, formats) | {"client": invoice.client.name}
    then = _("Nothing more happens by itself.")
    if suspends:
        then = _("New usage of its applications is suspended until it is paid.")
    words = Words(
        _("%(client)s has not paid invoice %(number)s") % facts,
        [
            _("%(due)s of invoice %(number)s of %(client)s were due on %(due_date)s.") % facts,
            _("Every step of its dunning schedule is over.") + " " + then,
        ],
        _("Open the invoice"),
    )
    link = f"{settings.PORTAL_BASE_URL}/admin/billing/invoice/{invoice.pk}/change/"
    return queue_mail(
        _message(
            invoice,
            words,
            key=f"dunning:{invoice.number}:{day}:agency",
            recipients=managers_at(invoice.agency),
            link=link,
            now=now,
            is_client=False,
            formats=formats,
        )
    )


# --- What they are made of -------------------------------------------------------------------


def _formats(invoice: Invoice) -> Formats:
    return Formats(invoice.client.language, invoice.currency)


def _facts(invoice: Invoice, formats: Formats | None = None) -> dict[str, str]:
    formats = formats or _formats(invoice)
    return {
        "number": invoice.number or "",
        "agency": invoice.agency.name,
        "due": formats.money(invoice.amount_due),
        "issued": formats.long_day(invoice.issue_date) if invoice.issue_date else "",
        "due_date": formats.long_day(due) if (due := invoice.asked_for_from) else "",
    }


def _asking(facts: dict[str, str], said: str, day: int) -> Words:
    if day < 0:
        subject = _("Invoice %(number)s is due on %(due_date)s") % facts
        opening = _("Invoice %(number)s of %(issued)s is due on %(due_date)s.") % facts
        return Words(subject, [opening, said], _link_words())
    subject = _("Reminder: invoice %(number)s is not paid yet") % facts
    return Words(subject, [_still_open(facts), said], _link_words())


def _still_open(facts: dict[str, str]) -> str:
    return (
        _("Invoice %(number)s of %(issued)s was due on %(due_date)s. %(due)s are still to be paid.")
        % facts
    )


def _link_words() -> str:
    return _("Pay it online") if gateway.is_on() else _("See the invoice and how to pay it")


def _details(invoice: Invoice) -> list[str]:
    """How to pay by bank transfer, as printed on the invoice."""
    payment = (invoice.snapshot or {}).get("payment") or {}
    plain = _("Bank transfer")
    lines = [
        line["value"] if line["label"] == plain else f"{line['label']}: {line['value']}"
        for line in payment.get("details", [])
    ]
    return [*lines, _("Reference: %(number)s") % {"number": invoice.number}] if lines else []


def _queue(
    invoice: Invoice,
    words: Words,
    *,
    key: str,
    now: dt.datetime,
    more: Sequence[str] = (),
) -> Mail:
    """To whoever reads the client's invoices, with the invoice's PDF."""
    readers = list(dict.fromkeys([*recipients_of(invoice.client), *more]))
    link = page_of_invoice(invoice)
    return queue_mail(
        _message(invoice, words, key=key, recipients=readers, link=link, now=now, is_client=True)
    )


def _message(
    invoice: Invoice,
    words: Words,
    *,
    key: str,
    recipients: Sequence[str],
    link: str,
    now: dt.datetime,
    is_client: bool,
    formats: Formats | None = None,
) -> Mail:
    context = {
        "words": words,
        "link": link,
        **letterhead(invoice.agency, formats or _formats(invoice), answers=is_client),
    }
    document = InvoiceDocument.objects.filter(invoice=invoice).rendered().first()
    document = document if is_client else None
    return message(
        agency=invoice.agency,
        client=invoice.client if is_client else None,
        key=key,
        recipients=recipients,
        subject=words.subject,
        body_text=render_to_string("mail/dunning.txt", context),
        body_html=render_to_string("mail/dunning.html", context),
        attachment_path=document.path if document is not None else "",
        attachment_name=f"{invoice.number}.pdf" if document is not None else "",
        now=now,
    )
