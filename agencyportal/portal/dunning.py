"""What was done about what is due of an invoice, and what comes, in words for the client."""

from __future__ import annotations

from django.utils.translation import gettext as _

from agencyportal.core.periods import local_date
from agencyportal.portal.visits import Visit
from billing.dunning import SUSPEND, Step
from billing.models import Dunning, DunningEntry, Invoice, InvoiceCheckout, Suspension
from billing.services.dunning import UNPAID, why_waits
from billing.services.saved_card_charges import why_not_charged
from billing.services.stripe_customers import customer_of

_Kinds = DunningEntry.Kind


def steps_done(visit: Visit, invoice: Invoice) -> list[dict[str, str]]:
    """What the client was told and charged, the earliest first; what was passed over, and why the
    agency paused it, is the agency's own."""
    entries = invoice.dunning_entries.select_related("checkout")
    return [
        {"on": visit.writing.on(entry.done_at), "words": words}
        for entry in entries
        if (words := _done(visit, entry))
    ]


def coming(visit: Visit, invoice: Invoice) -> str:
    """What happens next if it stays unpaid; empty where nothing does."""
    row = Dunning.objects.select_related("version").filter(invoice=invoice).first()
    if row is None or invoice.state not in UNPAID:
        return ""
    if row.paused_at is not None:
        return _("%(agency)s has put reminders on hold.") % {"agency": visit.agency.name}
    if row.next_at is None or why_waits(invoice):
        return ""
    done = set(invoice.dunning_entries.exclude(day=None).values_list("day", flat=True))
    step = next((step for step in row.schedule.steps() if step.day not in done), None)
    if step is None:
        return ""
    facts = {
        "day": visit.writing.long_day(local_date(row.next_at, visit.client.timezone)),
        "agency": visit.agency.name,
        "card": _card(visit, invoice) if step.charges else "",
    }
    return _coming(step, row.schedule.policy, will_charge=bool(facts["card"])) % facts


def _card(visit: Visit, invoice: Invoice) -> str:
    """The card that is charged then; empty where none is."""
    customer = customer_of(visit.client)
    return "" if customer is None or why_not_charged(invoice) else customer.card_in_words


def _coming(step: Step, policy: str, *, will_charge: bool) -> str:
    if step.ends and policy == SUSPEND:
        return _("From %(day)s on new usage is refused until it is paid.")
    if step.ends:
        return _("On %(day)s %(agency)s decides how it goes on.")
    if will_charge:
        return _("On %(day)s %(card)s is charged what is due then.")
    return _("On %(day)s you are reminded of it.") if step.letter else ""


def _done(visit: Visit, entry: DunningEntry) -> str:
    words = {
        _Kinds.REMINDER: _("You were reminded."),
        _Kinds.FINAL: _("You were reminded for the last time."),
        _Kinds.NOTIFIED: _("%(agency)s was told.") % {"agency": visit.agency.name},
        _Kinds.SUSPENDED: _("New usage is refused from here on."),
        _Kinds.LIFTED: _("New usage is admitted again."),
    }
    if entry.checkout is not None:
        return _charged(visit, entry.checkout)
    return words.get(_Kinds(entry.kind), "")


def _charged(visit: Visit, checkout: InvoiceCheckout) -> str:
    facts = {
        "amount": visit.writing.price(checkout.amount, checkout.currency),
        "why": checkout.failure,
    }
    if checkout.state == InvoiceCheckout.State.PAID:
        return _("Your card was charged %(amount)s.") % facts
    if checkout.awaits_holder:
        return (
            _("Your card was to be charged %(amount)s; its bank wants you to confirm it.") % facts
        )
    if checkout.state in InvoiceCheckout.UNSETTLED:
        return _("Your card is being charged %(amount)s.") % facts
    if checkout.state == InvoiceCheckout.State.CANCELLED:
        return _("A charge of your card over %(amount)s was taken back.") % facts
    return _("Your card could not be charged %(amount)s. %(why)s") % facts


def suspensions(visit: Visit) -> list[Suspension]:
    """The invoices for which the client's new usage is refused, the oldest first."""
    rows = Suspension.objects.for_client(visit.client).open()
    return list(rows.select_related("invoice").defer("invoice__snapshot").order_by("began_at"))
