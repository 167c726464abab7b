"""Top-ups that were asked for: looking at one, approving it, declining it."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from agencyportal.portal import selectors
from agencyportal.portal.offers import Offer
from agencyportal.portal.purchases import person
from agencyportal.portal.tables import request_state
from agencyportal.portal.visits import Visit, client_page, show
from billing.models import TopUpBand, TopUpRequest
from billing.refusals import RefusedError
from billing.services.requests import approve_request, decline_request

CONFLICT = 409


@client_page
@require_safe
def request_page(request: HttpRequest, visit: Visit, request_id: int) -> HttpResponse:
    """One request, and what its approval would buy."""
    return _page(request, visit, _found(visit, request_id))


@client_page
@require_http_methods(["GET", "HEAD", "POST"])
def approve(request: HttpRequest, visit: Visit, request_id: int) -> HttpResponse:
    """Buy what was asked for. Approving twice buys once."""
    asked = _found(visit, request_id)
    if request.method != "POST":
        return redirect("portal:request", visit.client.pk, asked.pk)
    _must_decide(visit, asked)
    try:
        purchase = approve_request(request=asked, decided_by=visit.user, now=visit.now)
    except RefusedError as error:
        return _page(request, visit, _found(visit, request_id), problem=str(error), status=CONFLICT)
    return redirect("portal:bought", visit.client.pk, purchase.pk)


@client_page
@require_http_methods(["GET", "HEAD", "POST"])
def decline(request: HttpRequest, visit: Visit, request_id: int) -> HttpResponse:
    """Answer a request with no."""
    asked = _found(visit, request_id)
    if request.method != "POST":
        return redirect("portal:request", visit.client.pk, asked.pk)
    _must_decide(visit, asked)
    try:
        decline_request(request=asked, decided_by=visit.user, now=visit.now)
    except RefusedError as error:
        return _page(request, visit, _found(visit, request_id), problem=str(error), status=CONFLICT)
    messages.info(request, _("The request for %(band)s is declined.") % {"band": asked.band.name})
    return redirect("portal:top_ups", visit.client.pk)


def _found(visit: Visit, request_id: int) -> TopUpRequest:
    return get_object_or_404(selectors.requests(visit.client), pk=request_id)


def _must_decide(visit: Visit, asked: TopUpRequest) -> None:
    """The agency's own bands are the agency's to buy."""
    visit.must_be_allowed_to_buy()
    if asked.band.buyer != TopUpBand.Buyer.CLIENT:
        raise PermissionDenied


def _page(
    request: HttpRequest,
    visit: Visit,
    asked: TopUpRequest,
    *,
    problem: str = "",
    status: int = 200,
) -> HttpResponse:
    period = (
        selectors.open_periods(visit.client, visit.now)
        .filter(workspace=asked.workspace_id, plan_version=asked.band.version_id)
        .first()
    )
    offer = None
    if period is not None:
        offer = Offer.of(visit, workspace=asked.workspace, band=asked.band, period=period)
    tone, state = request_state(visit, asked)
    waiting = asked.state == TopUpRequest.State.PENDING
    context = {
        "asked": asked,
        "by": person(visit, asked.requested_by),
        "when": visit.writing.at(asked.requested_at),
        "tone": tone,
        "state": state,
        "offer": offer,
        "is_waiting": waiting,
        "may_decide": waiting and offer is not None and offer.viewer_buys,
        "problem": problem,
        "platform": selectors.platform(),
    }
    return show(request, visit, "portal/request.html", context, section="top_ups", status=status)
