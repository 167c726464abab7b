"""A client's limits: where usage and spending stop, and its own ones, set and lifted."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from agencyportal.portal.cap_forms import CapForm
from agencyportal.portal.caps import cap_rows
from agencyportal.portal.visits import Visit, client_page, show
from billing.refusals import RefusedError
from billing.selectors.caps import caps_of_client, own_caps_of_client
from billing.services.caps import set_cap

CONFLICT = 409


@client_page
@require_safe
def caps(request: HttpRequest, visit: Visit) -> HttpResponse:
    """What stops where, how far it is used, and a form for the client's admins."""
    return _page(request, visit, CapForm(visit=visit) if visit.may_buy else None)


@client_page
@require_http_methods(["GET", "HEAD", "POST"])
def set_own(request: HttpRequest, visit: Visit) -> HttpResponse:
    """Set or lift one of the client's own limits. The agency's stay as they are."""
    if request.method != "POST":
        return redirect("portal:caps", visit.client.pk)
    visit.must_be_allowed_to_buy()
    form = CapForm(request.POST, visit=visit)
    if not form.is_valid():
        return _page(request, visit, form, status=400)
    limit = None if form.lifts else form.cleaned_data["limit"]
    try:
        set_cap(
            agency=visit.agency,
            client=visit.client,
            workspace=form.workspace,
            kind=form.kind,
            unit=form.unit,
            limit=limit,
            now=visit.now,
            set_by=visit.user,
            for_client=True,
        )
    except RefusedError as error:
        form.add_error(error.field if error.field in form.fields else None, str(error))
        return _page(request, visit, form, status=CONFLICT)
    messages.success(
        request, _("The limit is lifted.") if limit is None else _("The limit is set.")
    )
    return redirect("portal:caps", visit.client.pk)


def _page(
    request: HttpRequest, visit: Visit, form: CapForm | None, *, status: int = 200
) -> HttpResponse:
    uses = caps_of_client(client=visit.client, now=visit.now)
    own = own_caps_of_client(client=visit.client, now=visit.now)
    context = {"caps": cap_rows(visit, uses), "own": cap_rows(visit, own), "form": form}
    return show(request, visit, "portal/caps.html", context, section="usage", status=status)
