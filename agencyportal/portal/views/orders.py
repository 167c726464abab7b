"""A top-up that is paid at once: on the way to Stripe, and back from there.

The page reads from Stripe how the payment stands whenever it is opened, so it is right before
Stripe has told of anything. While something may still happen it opens itself again.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from agencyportal.portal import selectors
from agencyportal.portal.orders import orders
from agencyportal.portal.views.top_ups import SECTION
from agencyportal.portal.visits import Visit, client_page, show
from billing import stripe_gateway
from billing.models import TopUpOrder
from billing.refusals import RefusedError
from billing.services.top_up_orders import cancel_order, confirm_payment, look_at_order
from billing.stripe_gateway import GatewayError

LOOKS_AGAIN_FOR: Final = dt.timedelta(minutes=10)
"""How long the page of an order opens itself again; later it changes with Stripe's events."""

SECONDS: Final = 4


@client_page
@require_safe
def order_page(request: HttpRequest, visit: Visit, order_id: int) -> HttpResponse:
    """How one order stands. ``?go=pay`` leads on to where it is paid."""
    order, problem = _looked_at(_found(visit, order_id), visit)
    if order.purchase_id is not None:
        return redirect("portal:bought", visit.client.pk, order.purchase_id)
    is_open = order.state == TopUpOrder.State.PENDING
    goes_on = is_open and bool(order.pay_url) and request.GET.get("go") == "pay" and visit.may_buy
    looks_again = (
        order.state in (TopUpOrder.State.PENDING, TopUpOrder.State.PROCESSING)
        and visit.now - order.ordered_at < LOOKS_AGAIN_FOR
        and not order.waits_for_holder
        and request.GET.get("back") != "left"
    )
    context = {
        "order": order,
        "problem": problem,
        "units": visit.writing.units(order.quantity, order.band.unit),
        "gross": visit.writing.price(order.gross, order.currency),
        "ordered": visit.writing.at(order.ordered_at),
        "goes_on": goes_on,
        "came_back": request.GET.get("back") == "paid",
        "seconds": SECONDS if looks_again and not goes_on else 0,
        "platform": selectors.platform(),
    }
    return show(request, visit, "portal/order.html", context, section=SECTION)


@client_page
@require_http_methods(["GET", "HEAD", "POST"])
def cancel(request: HttpRequest, visit: Visit, order_id: int) -> HttpResponse:
    """Do not pay for it after all. What is paid by now stays paid."""
    order = _found(visit, order_id)
    if request.method != "POST":
        return redirect("portal:order", visit.client.pk, order.pk)
    visit.must_be_allowed_to_buy()
    try:
        order = cancel_order(order=order, now=visit.now)
    except GatewayError as error:
        messages.error(request, str(error))
        return redirect("portal:order", visit.client.pk, order.pk)
    if order.state == TopUpOrder.State.CANCELLED:
        messages.info(request, _("Nothing was paid, and nothing was bought."))
        return redirect("portal:top_ups", visit.client.pk)
    return redirect("portal:order", visit.client.pk, order.pk)


@client_page
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest, visit: Visit, order_id: int) -> HttpResponse:
    """On to the bank, which wants to know that it is them."""
    order = _found(visit, order_id)
    page = reverse("portal:order", args=[visit.client.pk, order.pk])
    if request.method != "POST":
        return redirect(page)
    visit.must_be_allowed_to_buy()
    try:
        confirm_payment(order=order, now=visit.now)
    except (RefusedError, GatewayError) as error:
        messages.error(request, str(error))
        return redirect(page)
    return redirect(f"{page}?go=pay")


def _looked_at(order: TopUpOrder, visit: Visit) -> tuple[TopUpOrder, str]:
    """The order as it stands now, and what kept us from looking."""
    if not stripe_gateway.is_on():
        return order, ""
    try:
        return look_at_order(order=order, now=visit.now), ""
    except GatewayError as error:
        return order, str(error)


def _found(visit: Visit, order_id: int) -> TopUpOrder:
    return get_object_or_404(orders(visit.client), pk=order_id)
