"""Whether usage goes on past the package: the question, and its answer."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from agencyportal.portal import selectors
from agencyportal.portal.questions import question_page
from agencyportal.portal.visits import Visit, client_page, show
from billing.models import OverageQuestion
from billing.refusals import RefusedError
from billing.services.questions import answer as give_answer

CONFLICT = 409
ANSWERS = {"yes": True, "no": False}


@client_page
@require_safe
def question(request: HttpRequest, visit: Visit, question_id: int) -> HttpResponse:
    """One question; who may buy may answer it."""
    return _page(request, visit, _found(visit, question_id))


@client_page
@require_http_methods(["GET", "HEAD", "POST"])
def answer(request: HttpRequest, visit: Visit, question_id: int) -> HttpResponse:
    """Answer it. The same answer twice is one."""
    found = _found(visit, question_id)
    if request.method != "POST":
        return redirect("portal:question", visit.client.pk, found.pk)
    visit.must_be_allowed_to_buy()
    said = ANSWERS.get(request.POST.get("answer", ""))
    if said is None:
        problem = _("This form was damaged. Nothing was decided; please try again.")
        return _page(request, visit, found, problem=problem, status=400)
    try:
        give_answer(question=found, approve=said, answered_by=visit.user, now=visit.now)
    except RefusedError as error:
        found = _found(visit, question_id)
        return _page(request, visit, found, problem=str(error), status=CONFLICT)
    if said:
        messages.success(request, _("It goes on until the period ends."))
    else:
        messages.info(request, _("It pauses where the package ends. A top-up goes on from there."))
    return redirect("portal:question", visit.client.pk, found.pk)


def _found(visit: Visit, question_id: int) -> OverageQuestion:
    return get_object_or_404(selectors.questions(visit.client), pk=question_id)


def _page(
    request: HttpRequest,
    visit: Visit,
    found: OverageQuestion,
    *,
    problem: str = "",
    status: int = 200,
) -> HttpResponse:
    context = {
        "question": found,
        "page": question_page(visit, found),
        "problem": problem,
        "platform": selectors.platform(),
    }
    return show(request, visit, "portal/question.html", context, section="usage", status=status)
