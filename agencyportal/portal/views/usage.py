"""The start of the portal, and the usage page."""

from __future__ import annotations

from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from agencyportal.portal import explained, selectors
from agencyportal.portal.caps import cap_rows
from agencyportal.portal.dunning import suspensions
from agencyportal.portal.questions import waiting
from agencyportal.portal.tables import AlertTable
from agencyportal.portal.usage import notices, workspace_cards
from agencyportal.portal.views.paging import page_of
from agencyportal.portal.visits import Visit, client_page, show
from billing.selectors.caps import caps_of_client
from billing.selectors.explaining import explain
from billing.selectors.questions import open_questions
from clients.models import UsageUnit, User

WORKSPACES_PER_PAGE = 8
RECENT_ALERTS = 5


@never_cache
@login_required
@require_safe
def start(request: HttpRequest) -> HttpResponse:
    """To one's client, or a choice between several; 404 for who belongs to none."""
    memberships = selectors.memberships(cast(User, request.user))
    if not memberships:
        raise Http404("No client to show.")
    if len(memberships) == 1:
        return redirect("portal:usage", memberships[0].client_id)
    return render(request, "portal/clients.html", {"memberships": memberships})


@client_page
@require_safe
def usage(request: HttpRequest, visit: Visit) -> HttpResponse:
    """What was used, what is left and why, for every workspace."""
    page = page_of(request, selectors.workspaces(visit.client), WORKSPACES_PER_PAGE)
    caps = caps_of_client(client=visit.client, now=visit.now)
    cards = workspace_cards(visit, list(page.object_list), caps)
    alerts = AlertTable(
        selectors.alerts(visit.client)[:RECENT_ALERTS], visit=visit, caption="", show_header=True
    )
    context = {
        "page": page,
        "cards": cards,
        "notices": list(notices(cards)),
        "alerts": alerts,
        "caps": cap_rows(visit, caps),
        "waiting": waiting(visit, open_questions(visit.client, now=visit.now)),
        "suspensions": suspensions(visit),
        "platform": selectors.platform(),
    }
    return show(request, visit, "portal/usage.html", context, section="usage")


@client_page
@require_safe
def where_it_went(request: HttpRequest, visit: Visit, period_id: int, unit_id: int) -> HttpResponse:
    """What consumed each credit of a unit in a period: workflows, days, runs."""
    period = get_object_or_404(selectors.periods(visit.client), pk=period_id)
    unit = get_object_or_404(UsageUnit.objects.for_agency(visit.agency), pk=unit_id)
    explanation = explain(period=period, unit=unit, now=visit.now)
    if explanation is None:
        raise Http404("Nothing of this was counted then.")
    context = {
        "explanation": explanation,
        "period": explained.period_in_words(visit, period),
        "used": visit.writing.units(explanation.used, unit),
        "sections": explained.sections(visit, explanation),
    }
    return show(request, visit, "portal/explained.html", context, section="usage")
