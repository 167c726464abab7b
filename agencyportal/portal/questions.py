"""What a client's admins are asked about going on past the package, in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext as _

from agencyportal.portal.purchases import person
from agencyportal.portal.terms import TermsInWords, overage_of
from agencyportal.portal.visits import Visit
from billing.models import OverageQuestion
from billing.selectors.balances import balances
from billing.services.question_mail import most_until_answered

TONES = {"open": "warn", "approved": "good", "refused": "bad", "timed_out": "bad"}


@dataclass(frozen=True, slots=True)
class Waiting:
    """A question on the way to its page."""

    title: str
    text: str
    url: str


@dataclass(frozen=True, slots=True)
class QuestionPage:
    """A question with what each answer means."""

    title: str
    workspace: str
    units: str
    tone: str
    state: str
    said: str
    is_open: bool
    asked: str
    answer_by: str
    until: str
    used: str
    included: str
    beyond: str
    up_to: str
    price: str
    cap: str
    most: str


def waiting(visit: Visit, questions: Iterable[OverageQuestion]) -> list[Waiting]:
    """What waits for an answer, for the top of pages."""
    return [
        Waiting(
            title=_("%(workspace)s: may it go on?") % {"workspace": row.workspace.name},
            text=_("All %(units)s are used up. Without an answer by %(when)s the service pauses.")
            % {"units": row.unit.plural, "when": visit.writing.at(row.answer_by)},
            url=reverse("portal:question", args=[visit.client.pk, row.pk]),
        )
        for row in questions
    ]


def question_page(visit: Visit, row: OverageQuestion) -> QuestionPage:
    """One question, as it stands now."""
    writing, unit, period = visit.writing, row.unit, row.period
    allowance = period.plan_version.allowances.select_related("unit").get(unit=unit)
    overage = overage_of(allowance)
    words = TermsInWords(writing=writing, currency=period.currency, agency=visit.agency.name)
    found = balances(workspace=row.workspace, now=visit.now)
    balance = next((b for b in found if b.unit == unit and b.period == period), None)
    most = most_until_answered(overage, row.up_to, period.currency, cap=allowance.cap_amount)
    cap = allowance.cap_amount
    state = row.state(visit.now)
    is_over = period.end <= visit.now
    return QuestionPage(
        title=_("May it go on past the package?"),
        workspace=row.workspace.name,
        units=unit.plural,
        tone="warn" if is_over and state == "open" else TONES[state],
        state=_state(state),
        said=_said(visit, row, state),
        is_open=state == "open" and not is_over,
        asked=writing.at(row.asked_at),
        answer_by=writing.at(row.answer_by),
        until=writing.until(period.end),
        used="" if balance is None else writing.units(balance.used, unit),
        included="" if balance is None else writing.quantity(balance.granted),
        beyond="" if balance is None else writing.units(balance.overage, unit),
        up_to=writing.units(row.up_to, unit),
        price=words.price_alone(allowance, unit),
        cap="" if cap is None else writing.price(cap, period.currency),
        most="" if most is None else writing.price(most, period.currency),
    )


def _state(state: str) -> str:
    return {
        "open": _("Waiting for an answer"),
        "approved": _("It goes on"),
        "refused": _("It pauses"),
        "timed_out": _("Not answered in time"),
    }[state]


def _said(visit: Visit, row: OverageQuestion, state: str) -> str:
    """What was decided, by whom and when."""
    given = row.given_answer
    if state == "timed_out":
        return _(
            "Nobody answered by %(when)s, so the service pauses at the end of the package."
        ) % {"when": visit.writing.at(row.answer_by)}
    if given is None or given.answered_by is None:
        return ""
    values = {
        "who": visit.agency.name if given.on_behalf else person(visit, given.answered_by),
        "when": visit.writing.at(given.answered_at),
    }
    if state == "approved":
        return _("%(who)s agreed on %(when)s: what is used from then on is charged.") % values
    return _("%(who)s refused on %(when)s. What was let in before stays charged.") % values


def how_it_stands(asking: str) -> str:
    """Beside a unit whose client is asked first: what came of it so far."""
    return {
        "open": _("You are asked now, and nobody has answered yet."),
        "approved": _("You agreed for this period: it goes on."),
        "refused": _("You refused for this period: nothing beyond is let in."),
        "timed_out": _("Nobody answered in time: nothing beyond is let in this period."),
    }.get(asking, "")
