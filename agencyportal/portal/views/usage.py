"""The start of the portal, and the usage page."""

from __future__ import annotations

from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from agencyportal.portal import selectors
from agencyportal.portal.tables import AlertTable
from agencyportal.portal.usage import notices, workspace_cards
from agencyportal.portal.views.paging import page_of
from agencyportal.portal.visits import Visit, client_page, show
from clients.models import User

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
    cards = workspace_cards(visit, list(page.object_list))
    alerts = AlertTable(
        selectors.alerts(visit.client)[:RECENT_ALERTS], visit=visit, caption="", show_header=True
    )
    context = {
        "page": page,
        "cards": cards,
        "notices": list(notices(cards)),
        "alerts": alerts,
        "platform": selectors.platform(),
    }
    return show(request, visit, "portal/usage.html", context, section="usage")
