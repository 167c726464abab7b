"""The card that top-ups and invoices are charged on: shown, saved and replaced on Stripe's page,
taken off; and whether invoices are charged on it by themselves."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_http_methods, require_safe

from agencyportal.portal import selectors
from agencyportal.portal.views.top_ups import SECTION
from agencyportal.portal.visits import Visit, client_page, show
from billing import stripe_gateway
from billing.models import ChargeConsent
from billing.refusals import RefusedError
from billing.services.charge_consents import consent_of, end_consent, give_consent
from billing.services.stripe_customers import (
    customer_of,
    open_card_page,
    remove_card,
    take_saved_card,
)
from billing.stripe_gateway import GatewayError

PAGE = "{CHECKOUT_SESSION_ID}"
CONSENT = gettext_noop(
    "Charge the saved card on the due date of each invoice, and again some days later if that does "
    "not work. I can switch this off here at any time."
)
"""What a client consents to, kept word for word."""


@client_page
@require_safe
def card(request: HttpRequest, visit: Visit) -> HttpResponse:
    """The saved card."""
    return _page(request, visit)


@client_page
@require_http_methods(["GET", "HEAD", "POST"])
def change(request: HttpRequest, visit: Visit) -> HttpResponse:
    """On to Stripe's page, where a card is saved in place of the one that is there."""
    if request.method != "POST":
        return redirect("portal:card", visit.client.pk)
    visit.must_be_allowed_to_buy()
    if request.POST.get("due_dates"):
        give_consent(client=visit.client, words=_(CONSENT), given_by=visit.user, now=visit.now)
    here = settings.PORTAL_BASE_URL + reverse("portal:card", args=[visit.client.pk])
    try:
        url = open_card_page(
            client=visit.client,
            success_url=f"{here}saved/?page={PAGE}",
            cancel_url=here,
            key=uuid.uuid4().hex,
            now=visit.now,
        )
    except GatewayError as error:
        return _page(request, visit, problem=str(error), status=503)
    return _page(request, visit, goes_to=url)


@client_page
@require_safe
def saved(request: HttpRequest, visit: Visit) -> HttpResponse:
    """Back from Stripe's page: take over what was saved there. Its event does the same."""
    customer = customer_of(visit.client)
    page_id = request.GET.get("page", "")
    if customer is None or not page_id:
        return redirect("portal:card", visit.client.pk)
    visit.must_be_allowed_to_buy()
    try:
        customer = take_saved_card(customer=customer, page_id=page_id, now=visit.now)
    except RefusedError:
        raise Http404("No such page.") from None
    except GatewayError as error:
        return _page(request, visit, problem=str(error), status=503)
    if customer.has_card:
        messages.success(request, _("%(card)s is saved.") % {"card": customer.card_in_words})
    return redirect("portal:card", visit.client.pk)


@client_page
@require_http_methods(["GET", "HEAD", "POST"])
def due_dates(request: HttpRequest, visit: Visit) -> HttpResponse:
    """Whether the saved card is charged on the due dates of invoices."""
    if request.method == "POST":
        visit.must_be_allowed_to_buy()
        if request.POST.get("charge") == "on":
            give_consent(client=visit.client, words=_(CONSENT), given_by=visit.user, now=visit.now)
            messages.success(request, _("Your card is charged on the due date of each invoice."))
        else:
            _end_consent(visit, _("Switched off on the page of the saved card."))
            messages.info(request, _("Your card is not charged on due dates any more."))
    return redirect("portal:card", visit.client.pk)


def _end_consent(visit: Visit, words: str) -> None:
    end_consent(
        client=visit.client,
        words=words,
        ended_by=visit.user,
        side=ChargeConsent.Side.CLIENT,
        now=visit.now,
    )


@client_page
@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: HttpRequest, visit: Visit) -> HttpResponse:
    """Take the saved card off: nothing is charged on it any more."""
    if request.method != "POST":
        return redirect("portal:card", visit.client.pk)
    visit.must_be_allowed_to_buy()
    customer = customer_of(visit.client)
    try:
        if customer is not None:
            remove_card(customer=customer, now=visit.now)
        _end_consent(visit, _("The saved card was taken off."))
    except GatewayError as error:
        return _page(request, visit, problem=str(error), status=503)
    messages.info(request, _("No card is saved any more."))
    return redirect("portal:card", visit.client.pk)


def _page(
    request: HttpRequest,
    visit: Visit,
    *,
    problem: str = "",
    goes_to: str = "",
    status: int = 200,
) -> HttpResponse:
    customer = customer_of(visit.client)
    expires = ""
    if customer is not None and customer.card_exp_month:
        expires = f"{customer.card_exp_month:02d}/{customer.card_exp_year}"
    consent = consent_of(visit.client)
    context = {
        "consent": consent,
        "consent_words": _(CONSENT),
        "consented_on": "" if consent is None else visit.writing.on(consent.decided_at),
        "is_online": stripe_gateway.is_on(),
        "card": customer.card_in_words if customer is not None else "",
        "expires": expires,
        "problem": problem,
        "goes_to": goes_to,
        "platform": selectors.platform(),
    }
    return show(request, visit, "portal/card.html", context, section=SECTION, status=status)
