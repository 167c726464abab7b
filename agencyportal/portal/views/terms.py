"""What was agreed and what is watched: the package and the alerts."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from agencyportal.portal import selectors
from agencyportal.portal.alerts import rules_in_words
from agencyportal.portal.package import package_sheets
from agencyportal.portal.tables import AlertTable
from agencyportal.portal.views.paging import page_of
from agencyportal.portal.visits import Visit, client_page, show


@client_page
@require_safe
def package(request: HttpRequest, visit: Visit) -> HttpResponse:
    """The packages of all workspaces, in plain words."""
    context = {"sheets": package_sheets(visit), "platform": selectors.platform()}
    return show(request, visit, "portal/package.html", context, section="package")


@client_page
@require_safe
def alerts(request: HttpRequest, visit: Visit) -> HttpResponse:
    """When somebody is told, and when they were."""
    page = page_of(request, selectors.alerts(visit.client))
    context = {
        "rules": rules_in_words(visit),
        "page": page,
        "alerts": AlertTable(page.object_list, visit=visit, caption=_("Alerts so far")),
    }
    return show(request, visit, "portal/alerts.html", context, section="alerts")
