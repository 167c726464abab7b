"""Top-ups that are bought automatically: how they stand, the terms, on, off, and on again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from agencyportal.core.money import round_money
from agencyportal.portal import automatic as words
from agencyportal.portal import selectors
from agencyportal.portal.automatic_forms import ASKED, AutomaticForm, ways_to_pay
from agencyportal.portal.purchases import person
from agencyportal.portal.views.top_ups import SECTION
from agencyportal.portal.visits import Visit, client_page, show
from billing import stripe_gateway
from billing.models import AutomaticTopUp, BillingPeriod, TopUpBand
from billing.refusals import RefusedError
from billing.services.automatic_consent import refuse_unfit, resume, switch_off, switch_on
from billing.services.automatic_terms import digest_of, terms_of
from clients.models import UsageUnit, Workspace

CONFLICT = 409


@dataclass(frozen=True, slots=True)
class _Place:
    """One unit of one workspace: how it stands, and what could be bought."""

    workspace: Workspace
    unit: UsageUnit
    automatic: AutomaticTopUp | None
    period: BillingPeriod | None
    bands: list[TopUpBand]

    @property
    def currency(self) -> str:
        return self.period.currency if self.period else self.workspace.client.currency


@client_page
@require_safe
def automatic(request: HttpRequest, visit: Visit) -> HttpResponse:
    """All of them."""
    periods = selectors.open_periods(visit.client, visit.now).order_by("workspace__name")
    context = {"rows": words.all_rows(visit, periods)}
    return show(request, visit, "portal/automatic.html", context, section=SECTION)


@client_page
@require_safe
def automatic_one(
    request: HttpRequest, visit: Visit, workspace_id: int, unit_id: int
) -> HttpResponse:
    """One of them: how it stands, what was agreed to, what happened."""
    return _page(request, visit, _found(visit, workspace_id, unit_id))


@client_page
@require_safe
def terms(request: HttpRequest, visit: Visit, workspace_id: int, unit_id: int) -> HttpResponse:
    """The terms that come of what was filled in, to be accepted. Nothing is written yet."""
    place = _found(visit, workspace_id, unit_id)
    if not any(name in request.GET for name in ASKED):
        return redirect("portal:automatic_one", visit.client.pk, workspace_id, unit_id)
    visit.must_be_allowed_to_buy()
    form = _form(visit, place, request.GET)
    if not form.is_valid():
        return _page(request, visit, place, form=form, status=400)
    return _terms_page(request, visit, place, form)


@client_page
@require_http_methods(["GET", "HEAD", "POST"])
def consent(request: HttpRequest, visit: Visit, workspace_id: int, unit_id: int) -> HttpResponse:
    """Accept the terms: it is on from now."""
    place = _found(visit, workspace_id, unit_id)
    here = redirect("portal:automatic_one", visit.client.pk, workspace_id, unit_id)
    if request.method != "POST":
        return here
    visit.must_be_allowed_to_buy()
    form = _form(visit, place, request.POST)
    if not form.is_valid():
        return _page(request, visit, place, form=form, status=400)
    if request.POST.get("accept") != "yes":
        problem = _("Please accept the terms; without that nothing is bought automatically.")
        return _terms_page(request, visit, place, form, problem=problem, status=400)
    try:
        switch_on(
            workspace=place.workspace,
            wanted=form.wanted,
            shown=request.POST.get("shown", ""),
            given_by=visit.user,
            now=visit.now,
        )
    except RefusedError as error:
        return _terms_page(request, visit, place, form, problem=str(error), status=CONFLICT)
    messages.success(request, _("Top-ups are bought automatically from now on."))
    return here


@client_page
@require_http_methods(["GET", "HEAD", "POST"])
def off(request: HttpRequest, visit: Visit, workspace_id: int, unit_id: int) -> HttpResponse:
    """Buy nothing automatically any more."""
    place = _found(visit, workspace_id, unit_id)
    if request.method == "POST":
        visit.must_be_allowed_to_buy()
        if place.automatic is not None:
            switch_off(automatic=place.automatic, ended_by=visit.user, now=visit.now)
        messages.info(request, _("Nothing is bought automatically any more."))
    return redirect("portal:automatic_one", visit.client.pk, workspace_id, unit_id)


@client_page
@require_http_methods(["GET", "HEAD", "POST"])
def go_on(request: HttpRequest, visit: Visit, workspace_id: int, unit_id: int) -> HttpResponse:
    """Go on after it has stopped, with what was agreed to."""
    place = _found(visit, workspace_id, unit_id)
    if request.method == "POST":
        visit.must_be_allowed_to_buy()
        if place.automatic is None:
            raise Http404("It was never on.")
        try:
            resume(automatic=place.automatic, resumed_by=visit.user, now=visit.now)
        except RefusedError as error:
            return _page(request, visit, place, problem=str(error), status=CONFLICT)
        messages.success(request, _("It goes on."))
    return redirect("portal:automatic_one", visit.client.pk, workspace_id, unit_id)


def _found(visit: Visit, workspace_id: int, unit_id: int) -> _Place:
    """Raises Http404 for what is not the client's, and for what nobody could buy."""
    workspace = get_object_or_404(
        selectors.workspaces(visit.client).select_related("client"), pk=workspace_id
    )
    unit = get_object_or_404(UsageUnit.objects.for_agency(visit.agency), pk=unit_id)
    mine = words.automatic_top_ups(visit.client).filter(workspace=workspace, unit=unit)
    period = selectors.open_periods(visit.client, visit.now).filter(workspace=workspace).first()
    bands: list[TopUpBand] = []
    if period is not None:
        on_sale = selectors.bands_on_sale({period.plan_version_id})
        bands = [
            band
            for band in on_sale.get(period.plan_version_id, ())
            if band.unit_id == unit.pk and band.buyer == TopUpBand.Buyer.CLIENT and band.price
        ]
    place = _Place(workspace, unit, mine.first(), period, bands)
    if place.automatic is None and not bands:
        raise Http404("Nothing of it is on sale.")
    return place


def _form(visit: Visit, place: _Place, data: Any = None) -> AutomaticForm:
    agreed = place.automatic.consent if place.automatic is not None else None
    initial: dict[str, Any] = {}
    if agreed is not None:
        same = [band.pk for band in place.bands if band.name == agreed.band.name]
        initial = {
            "band": same[0] if same else None,
            "threshold": agreed.threshold,
            "max_count": agreed.max_count,
            "max_amount": round_money(agreed.max_amount, agreed.currency),
            "pay": agreed.pay,
        }
    return AutomaticForm(
        data, visit=visit, bands=place.bands, currency=place.currency, initial=initial
    )


def _page(
    request: HttpRequest,
    visit: Visit,
    place: _Place,
    *,
    form: AutomaticForm | None = None,
    problem: str = "",
    status: int = 200,
) -> HttpResponse:
    mine = place.automatic
    agreed = mine.consent if mine is not None else None
    may_change = visit.may_buy and bool(place.bands)
    rests = words.resting(place.period, place.unit)
    context = {
        "place": place,
        "row": words.row_of(visit, place.workspace, place.unit, mine),
        "agreed": agreed,
        "agreed_at": visit.writing.at(agreed.given_at) if agreed is not None else "",
        "agreed_by": person(visit, agreed.given_by) if agreed is not None else "",
        "may_resume": visit.may_buy and words.may_resume(mine),
        "rests": rests,
        "history": words.history(visit, mine) if mine is not None else [],
        "form": (form or _form(visit, place)) if may_change else None,
        "ways": ways_to_pay(visit),
        "is_online": stripe_gateway.is_on(),
        "problem": problem,
        "waiting": words.waiting_order(mine),
    }
    return show(
        request, visit, "portal/automatic_one.html", context, section=SECTION, status=status
    )


def _terms_page(
    request: HttpRequest,
    visit: Visit,
    place: _Place,
    form: AutomaticForm,
    *,
    problem: str = "",
    status: int = 200,
) -> HttpResponse:
    """What would be agreed to; back to the form where it could not be bought."""
    try:
        refuse_unfit(workspace=place.workspace, wanted=form.wanted, now=visit.now)
    except RefusedError as error:
        form.add_error(error.field if error.field in form.fields else None, str(error))
        return _page(request, visit, place, form=form, status=CONFLICT)
    text = terms_of(workspace=place.workspace, wanted=form.wanted, now=visit.now)
    context = {
        "place": place,
        "terms": text.splitlines(),
        "shown": digest_of(text),
        "answers": [(name, form.data.get(name, "")) for name in ASKED],
        "problem": problem,
    }
    return show(
        request, visit, "portal/automatic_terms.html", context, section=SECTION, status=status
    )
