"""Top-ups: what is on sale, buying, asking, deciding, and what was bought."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from agencyportal.portal import explained, selectors
from agencyportal.portal.automatic import all_rows
from agencyportal.portal.forms import AskForm, BuyForm
from agencyportal.portal.gifts import gift_rows
from agencyportal.portal.offers import Offer
from agencyportal.portal.orders import unpaid_orders
from agencyportal.portal.paying import Paying
from agencyportal.portal.purchases import bought_rows
from agencyportal.portal.tables import GiftTable, PurchaseTable, RequestTable
from agencyportal.portal.views.paging import page_of
from agencyportal.portal.visits import Visit, client_page, show
from billing import stripe_gateway
from billing.models import TopUpBand, TopUpOrder, TopUpRequest
from billing.refusals import RefusedError
from billing.selectors import balances
from billing.selectors.explaining import periods_of_grant
from billing.services.purchases import buy_on_account
from billing.services.requests import ask_for_top_up
from billing.services.top_up_orders import begin_payment, place_order
from billing.stripe_gateway import GatewayError, OffError
from clients.models import Workspace

RECENT_REQUESTS = 10
SECTION = "top_ups"
CONFLICT = 409


@client_page
@require_safe
def top_ups(request: HttpRequest, visit: Visit) -> HttpResponse:
    """What is on sale, what was asked for, and what was bought with what is left of it."""
    periods = list(selectors.open_periods(visit.client, visit.now).order_by("workspace__name"))
    on_sale = selectors.bands_on_sale({period.plan_version_id for period in periods})
    page = page_of(request, selectors.purchases(visit.client))
    context = {
        "shelves": [
            (
                period.workspace,
                [
                    Offer.of(visit, workspace=period.workspace, band=band, period=period)
                    for band in on_sale.get(period.plan_version_id, [])
                ],
            )
            for period in periods
        ],
        "page": page,
        "purchases": PurchaseTable(
            bought_rows(visit, page.object_list), visit=visit, caption=_("Top-ups bought")
        ),
        "gifts": GiftTable(gift_rows(visit), visit=visit, caption=_("Credit given to you")),
        "requests": RequestTable(
            selectors.requests(visit.client)[:RECENT_REQUESTS],
            visit=visit,
            caption=_("Top-ups asked for"),
        ),
        "platform": selectors.platform(),
        "is_online": stripe_gateway.is_on(),
        "automatic": all_rows(visit, periods),
        "unpaid": unpaid_orders(visit.client, visit.now),
    }
    return show(request, visit, "portal/top_ups.html", context, section=SECTION)


@client_page
@require_safe
def offer(request: HttpRequest, visit: Visit, workspace_id: int, band_id: int) -> HttpResponse:
    """A band, to be confirmed by who may buy it, or asked for by who may not."""
    workspace, found = _offered(visit, workspace_id, band_id)
    return _offer_page(request, visit, workspace, found)


@client_page
@require_http_methods(["GET", "HEAD", "POST"])
def buy(request: HttpRequest, visit: Visit, workspace_id: int, band_id: int) -> HttpResponse:
    """Buy a band: on account, or to be paid at once. The same form sent twice is one purchase."""
    workspace, found = _offered(visit, workspace_id, band_id)
    if request.method != "POST":  # whoever had to sign in again comes back with GET
        return redirect(found.url)
    visit.must_be_allowed_to_buy()
    form = BuyForm(request.POST)
    if not form.is_valid():
        problem = " ".join(str(error) for errors in form.errors.values() for error in errors)
        return _offer_page(request, visit, workspace, found, problem=problem, status=400)
    if form.cleaned_data["pay"] in TopUpOrder.Method.values:
        return _order(request, visit, workspace, found, form)
    try:
        purchase = buy_on_account(
            workspace=workspace,
            band=found.band,
            now=visit.now,
            key=f"portal:{form.cleaned_data['key']}",
            purchased_by=visit.user,
            starts=form.cleaned_data["starts"] or "now",
        )
    except RefusedError as error:
        return _offer_page(request, visit, workspace, found, problem=str(error), status=CONFLICT)
    return redirect("portal:bought", visit.client.pk, purchase.pk)


def _order(
    request: HttpRequest, visit: Visit, workspace: Workspace, found: Offer, form: BuyForm
) -> HttpResponse:
    """Order it, and go on to its page, which leads to the payment."""
    answers = form.cleaned_data
    try:
        order = place_order(
            workspace=workspace,
            band=found.band,
            method=answers["pay"],
            now=visit.now,
            key=f"portal:{answers['key']}",
            buyer=visit.user,
            starts=answers["starts"] or "now",
            saves_card=answers["save_card"],
        )
    except (RefusedError, OffError) as error:
        return _offer_page(request, visit, workspace, found, problem=str(error), status=CONFLICT)
    try:
        begin_payment(order=order, now=visit.now)
    except GatewayError as error:
        messages.warning(request, str(error))
    page = reverse("portal:order", args=[visit.client.pk, order.pk])
    return redirect(f"{page}?go=pay")


@client_page
@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: HttpRequest, visit: Visit, workspace_id: int, band_id: int) -> HttpResponse:
    """Ask for a band; while it waits for an answer, asking again is the same request."""
    workspace, found = _offered(visit, workspace_id, band_id)
    if request.method != "POST":
        return redirect(found.url)
    form = AskForm(request.POST)
    if not form.is_valid():
        return _offer_page(request, visit, workspace, found, ask_form=form, status=400)
    try:
        asked = ask_for_top_up(
            workspace=workspace,
            band=found.band,
            requested_by=visit.user,
            now=visit.now,
            note=form.cleaned_data["note"],
        )
    except RefusedError as error:
        return _offer_page(request, visit, workspace, found, problem=str(error), status=CONFLICT)
    return redirect("portal:request", visit.client.pk, asked.pk)


@client_page
@require_safe
def bought(request: HttpRequest, visit: Visit, purchase_id: int) -> HttpResponse:
    """One purchase: what it gave, what is left of it, where its price goes."""
    purchase = get_object_or_404(selectors.purchases(visit.client), pk=purchase_id)
    now_left = {
        balance.unit.pk: balance.remaining
        for balance in balances(workspace=purchase.workspace, now=visit.now)
    }
    left = now_left.get(purchase.unit_id)
    charge = selectors.charge_of(purchase)
    context = {
        "purchase": purchase,
        "row": bought_rows(visit, [purchase])[0],
        "is_new": visit.now - purchase.purchased_at < selectors.JUST_NOW,
        "left": "" if left is None else visit.writing.units(left, purchase.unit),
        "invoice": charge.line.invoice if charge is not None and hasattr(charge, "line") else None,
        "billed_after": visit.writing.until(charge.bill_at) if charge is not None else "",
        "explained": explained.links(
            visit,
            [
                (period, purchase.unit)
                for period in periods_of_grant(grant=purchase.grant, now=visit.now)
            ],
        ),
        "platform": selectors.platform(),
    }
    return show(request, visit, "portal/bought.html", context, section=SECTION)


def _offered(visit: Visit, workspace_id: int, band_id: int) -> tuple[Workspace, Offer]:
    """A band that a workspace of the client can have now. Raises Http404 for any other."""
    period = get_object_or_404(
        selectors.open_periods(visit.client, visit.now), workspace_id=workspace_id
    )
    band = (
        TopUpBand.objects.select_related("unit")
        .filter(version_id=period.plan_version_id, pk=band_id)
        .first()
    )
    if band is None:
        raise Http404("The package does not offer it.")
    workspace = period.workspace
    return workspace, Offer.of(visit, workspace=workspace, band=band, period=period)


def _offer_page(
    request: HttpRequest,
    visit: Visit,
    workspace: Workspace,
    found: Offer,
    *,
    problem: str = "",
    ask_form: AskForm | None = None,
    status: int = 200,
) -> HttpResponse:
    waiting = selectors.requests(visit.client).filter(
        workspace=workspace, band=found.band, state=TopUpRequest.State.PENDING
    )
    context = {
        "workspace": workspace,
        "offer": found,
        "problem": problem,
        "buy_form": BuyForm.fresh(),
        "paying": Paying.of(visit, band=found.band, period=found.period),
        "ask_form": ask_form or AskForm(),
        "waiting": waiting.first(),
        "platform": selectors.platform(),
    }
    return show(request, visit, "portal/offer.html", context, section=SECTION, status=status)
