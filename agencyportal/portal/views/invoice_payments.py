"""Paying an invoice online: on the way to Stripe, and back from there."""

from __future__ import annotations

import datetime as dt
from typing import Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from agencyportal.portal import selectors
from agencyportal.portal.views.invoices import SECTION
from agencyportal.portal.visits import Visit, client_page, show
from billing import stripe_gateway
from billing.models import Invoice, InvoiceCheckout
from billing.refusals import RefusedError
from billing.services.invoice_booking import look_at_checkout
from billing.services.invoice_checkouts import pay_invoice
from billing.services.saved_card_charges import confirm_charge
from billing.stripe_gateway import GatewayError

LOOKS_AGAIN_FOR: Final = dt.timedelta(minutes=10)
"""How long the page opens itself again; later it changes with Stripe's events."""

SECONDS: Final = 4


@client_page
@require_http_methods(["GET", "HEAD", "POST"])
def pay(request: HttpRequest, visit: Visit, invoice_id: int) -> HttpResponse:
    """Open Stripe's page for what is due; clicked twice, it is one page. A charge of the saved card
    that waits for its holder can be confirmed instead (``way=confirm``)."""
    found = get_object_or_404(selectors.invoices(visit.client).defer(None), pk=invoice_id)
    if request.method != "POST":  # whoever had to sign in again comes back with GET
        return redirect("portal:invoice", visit.client.pk, found.pk)
    visit.must_be_allowed_to_buy()
    try:
        waiting = _waiting(found) if request.POST.get("way") == "confirm" else None
        if waiting is not None:
            checkout = confirm_charge(checkout=waiting, now=visit.now)
        else:
            checkout = pay_invoice(invoice=found, payer=visit.user, now=visit.now)
    except (RefusedError, GatewayError) as error:
        messages.warning(request, str(error))
        return redirect("portal:invoice", visit.client.pk, found.pk)
    page = reverse("portal:invoice_payment", args=[visit.client.pk, checkout.pk])
    return redirect(f"{page}?go=pay")


def _waiting(found: Invoice) -> InvoiceCheckout | None:
    rows = InvoiceCheckout.objects.unsettled().select_related(*InvoiceCheckout.RELATED)
    waiting = rows.filter(invoice=found).first()
    return waiting if waiting is not None and waiting.awaits_holder else None


@client_page
@require_safe
def payment(request: HttpRequest, visit: Visit, checkout_id: int) -> HttpResponse:
    """How a payment stands, as Stripe says now. ``?go=pay`` leads on to where it is paid."""
    rows = InvoiceCheckout.objects.for_client(visit.client)
    rows = rows.select_related("invoice__client", "client__agency")
    checkout, problem = _looked_at(get_object_or_404(rows, pk=checkout_id), visit)
    is_open = checkout.state == InvoiceCheckout.State.PENDING
    goes_on = is_open and bool(checkout.pay_url) and request.GET.get("go") == "pay"
    goes_on = goes_on and visit.may_buy
    looks_again = (
        checkout.state in (InvoiceCheckout.State.PENDING, InvoiceCheckout.State.PROCESSING)
        and visit.now - checkout.opened_at < LOOKS_AGAIN_FOR
        and request.GET.get("back") != "left"
    )
    context = {
        "checkout": checkout,
        "invoice": checkout.invoice,
        "problem": problem,
        "amount": visit.writing.price(checkout.amount, checkout.currency),
        "opened": visit.writing.at(checkout.opened_at),
        "kept": _kept(visit, checkout),
        "goes_on": goes_on,
        "came_back": request.GET.get("back") == "paid",
        "seconds": SECONDS if looks_again and not goes_on else 0,
        "platform": selectors.platform(),
    }
    return show(request, visit, "portal/invoice_payment.html", context, section=SECTION)


def _looked_at(checkout: InvoiceCheckout, visit: Visit) -> tuple[InvoiceCheckout, str]:
    """The payment as it stands now, and what kept us from looking."""
    if not stripe_gateway.is_on():
        return checkout, ""
    try:
        return look_at_checkout(checkout=checkout, now=visit.now), ""
    except GatewayError as error:
        return checkout, str(error)


def _kept(visit: Visit, checkout: InvoiceCheckout) -> str:
    """What of it was more than was due; empty where nothing was."""
    booked = checkout.payment
    if booked is None or not booked.kept:
        return ""
    return visit.writing.price(booked.kept, booked.currency)
