"""What is watched, what was told, and what a client's admin wants to be told."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from agencyportal.portal import selectors
from agencyportal.portal.alerts import rules_in_words
from agencyportal.portal.own_alerts import OwnAlertsForm
from agencyportal.portal.questions import waiting
from agencyportal.portal.tables import AlertTable
from agencyportal.portal.views.paging import page_of
from agencyportal.portal.visits import Visit, client_page, show
from billing.selectors.questions import open_questions
from billing.services.alert_reading import mark_read, unread_by_client


@client_page
@require_safe
def alerts(request: HttpRequest, visit: Visit) -> HttpResponse:
    """When somebody is told, and when they were."""
    form = OwnAlertsForm(visit=visit) if visit.may_buy else None
    return _page(request, visit, form)


@client_page
@require_http_methods(["GET", "HEAD", "POST"])
def read(request: HttpRequest, visit: Visit) -> HttpResponse:
    """The person has read what was on the page, and what came before it."""
    if request.method != "POST":
        return redirect("portal:alerts", visit.client.pk)
    up_to = request.POST.get("up_to", "")
    told = selectors.alerts(visit.client)
    alert = told.filter(pk=int(up_to)).first() if _is_id(up_to) else None
    if alert is not None:
        mark_read(user=visit.user, up_to=alert, client=visit.client, now=visit.now)
    return redirect("portal:alerts", visit.client.pk)


@client_page
@require_http_methods(["GET", "HEAD", "POST"])
def own(request: HttpRequest, visit: Visit) -> HttpResponse:
    """The client's admin says what the client wants to be told."""
    if request.method != "POST":
        return redirect("portal:alerts", visit.client.pk)
    visit.must_be_allowed_to_buy()
    form = OwnAlertsForm(request.POST, visit=visit)
    if not form.is_valid():
        return _page(request, visit, form)
    form.save()
    messages.success(request, _("Your alerts are set."))
    return redirect("portal:alerts", visit.client.pk)


def _page(request: HttpRequest, visit: Visit, form: OwnAlertsForm | None) -> HttpResponse:
    told = selectors.alerts(visit.client)
    page = page_of(request, told)
    unread = unread_by_client(client=visit.client, user=visit.user)
    new = frozenset(unread.values_list("pk", flat=True)) if visit.unread_alerts else frozenset()
    context = {
        "rules": rules_in_words(visit),
        "page": page,
        "alerts": AlertTable(page.object_list, visit=visit, caption=_("Alerts so far"), new=new),
        "up_to": told.aggregate(last=Max("pk"))["last"] if visit.unread_alerts else None,
        "form": form,
        "waiting": waiting(visit, open_questions(visit.client, now=visit.now)),
    }
    return show(request, visit, "portal/alerts.html", context, section="alerts")


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19
