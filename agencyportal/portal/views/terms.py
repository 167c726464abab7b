"""What was agreed: the package."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from agencyportal.portal import selectors
from agencyportal.portal.package import package_sheets
from agencyportal.portal.visits import Visit, client_page, show


@client_page
@require_safe
def package(request: HttpRequest, visit: Visit) -> HttpResponse:
    """The packages of all workspaces, in plain words."""
    context = {"sheets": package_sheets(visit), "platform": selectors.platform()}
    return show(request, visit, "portal/package.html", context, section="package")
