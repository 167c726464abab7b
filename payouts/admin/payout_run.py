"""The operator's page of a payout run: every payout of a month, beside the one before it, with what
is unusual and what stops it; approved one by one or many at once."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.timezone import now as clock

from agencyportal.core.admin_columns import money
from agencyportal.core.admin_dialogs import change_url
from agencyportal.core.powers import powers_in
from billing.refusals import RefusedError
from clients.models import User
from payouts.models import Payout, Transfer
from payouts.selectors.review import Review, review
from payouts.services.lifecycle import approve_payout
from payouts.services.transfers import make_bank_file

TEMPLATE: Final = "admin/payout_run.html"
PAGE: Final = 50
"""Payouts on one page: each is looked at from its earnings up."""

_States = Payout.State


class ApproveForm(forms.Form):
    """Which payouts; ``key`` is made with the page, so that sending it twice does it once."""

    key = forms.CharField(max_length=64)
    payouts = forms.ModelMultipleChoiceField(
        Payout.objects.none(), error_messages={"required": "Choose the payouts to approve."}
    )

    def __init__(self, *args: Any, month: dt.date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choice: Any = self.fields["payouts"]
        choice.queryset = Payout.objects.filter(month=month).select_related("agency")


class FileForm(forms.Form):
    """In which currency the bank gets a file."""

    key = forms.CharField(max_length=64)
    currency = forms.CharField(max_length=3)


@dataclass(frozen=True, slots=True)
class Row:
    """A payout as the page shows it."""

    review: Review
    url: str
    amount: str
    figures: list[tuple[str, str, str]]
    """Name, amount, and the change against the payout before."""
    is_mine: bool
    """Whether whoever looks had a hand in it."""

    @property
    def is_ready(self) -> bool:
        """Whether whoever looks may approve it."""
        return (
            self.review.payout.state in (_States.DRAFT, _States.FAILED)
            and not self.review.blockers
            and not self.is_mine
        )


def payout_run(request: HttpRequest) -> HttpResponse:
    """The page of a month (``?month=2026-02``, by default the last one with payouts). POST
    approves what was chosen. The operator's alone; to others nothing is here."""
    if not powers_in(request).everything:
        raise Http404
    month = _month_of(request)
    if request.method == "POST":
        return (_make_file if "currency" in request.POST else _approve)(request, month)
    if request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
    return TemplateResponse(request, TEMPLATE, _context(request, month))


def _month_of(request: HttpRequest) -> dt.date:
    asked = request.GET.get("month", "")
    if asked:
        try:
            return dt.datetime.strptime(asked, "%Y-%m").replace(tzinfo=dt.UTC).date()
        except ValueError:
            raise Http404 from None
    last = Payout.objects.order_by("-month").values_list("month", flat=True).first()
    return last or clock().date().replace(day=1)


def _context(request: HttpRequest, month: dt.date) -> dict[str, Any]:
    payouts = (
        Payout.objects.filter(month=month)
        .select_related("agency")
        .defer("snapshot")
        .order_by("agency__name", "currency")
    )
    page = _number(request.GET.get("p", ""))
    count = payouts.count()
    rows = [_row(request, payout) for payout in payouts[(page - 1) * PAGE : page * PAGE]]
    months = Payout.objects.order_by("-month").values_list("month", flat=True).distinct()
    return {
        **admin.site.each_context(request),
        "title": f"Payout run, {month:%B %Y}",
        "month": month,
        "months": list(months[:24]),
        "rows": rows,
        "ready": sum(row.is_ready for row in rows),
        "totals": _totals(month),
        "payable": _payable(month),
        "page": page,
        "pages": range(1, -(-count // PAGE) + 1),
        "key": uuid.uuid4().hex,
        "opts": None,
    }


def _number(asked: str) -> int:
    return max(int(asked), 1) if asked.isdigit() and len(asked) < 5 else 1


def _row(request: HttpRequest, payout: Payout) -> Row:
    found = review(payout, now=clock())
    figures = [
        (
            variance.figure,
            money(variance.now, payout.currency),
            "" if variance.percent is None else f"{variance.percent:+.0f} %",
        )
        for variance in found.variances
        if variance.now or variance.before
    ]
    return Row(
        review=found,
        url=change_url(payout),
        amount=money(payout.amount, payout.currency),
        figures=figures,
        is_mine=any(person.user_id == request.user.pk for person in found.involved),
    )


def _totals(month: dt.date) -> list[tuple[str, str, int]]:
    """Of every state in each currency: what it is called, how much, and how many."""
    sums: dict[tuple[str, str], list[Any]] = defaultdict(lambda: [Decimal(0), 0])
    rows = Payout.objects.filter(month=month).values_list("state", "currency", "amount")
    for state, currency, amount in rows:
        sums[currency, state][0] += amount
        sums[currency, state][1] += 1
    return [
        (str(_States(state).label), money(total, currency), count)
        for (currency, state), (total, count) in sorted(sums.items())
    ]


def _payable(month: dt.date) -> list[str]:
    """The currencies in which approved payouts are in no file yet."""
    rows = Payout.objects.filter(month=month, state=_States.APPROVED)
    waiting = rows.exclude(transfers__state__in=Transfer.LIVE)
    return sorted(set(waiting.values_list("currency", flat=True)))


def _approve(request: HttpRequest, month: dt.date) -> HttpResponse:
    form = ApproveForm(request.POST, month=month)
    back = HttpResponseRedirect(f"{reverse('admin:payouts_payout_run')}?month={month:%Y-%m}")
    if not form.is_valid():
        for errors in form.errors.values():
            messages.error(request, str(errors[0]))
        return back
    done, who = 0, cast(User, request.user)
    for payout in form.cleaned_data["payouts"]:
        key = f"approve:{payout.pk}:{form.cleaned_data['key']}"
        try:
            approve_payout(payout=payout, approved_by=who, now=clock(), key=key)
        except RefusedError as error:
            messages.error(request, f"{payout}, {payout.agency}: {error}")
        else:
            done += 1
            _note(who, payout)
    if done:
        messages.success(request, f"{done} payouts approved." if done > 1 else "1 payout approved.")
    return back


def _make_file(request: HttpRequest, month: dt.date) -> HttpResponse:
    """Put what is approved in one currency into a file for the bank, and show that."""
    form = FileForm(request.POST)
    if form.is_valid():
        said = form.cleaned_data
        try:
            file = make_bank_file(
                month=month,
                currency=said["currency"],
                created_by=cast(User, request.user),
                now=clock(),
                key=f"{month}:{said['currency']}:{said['key']}",
            )
        except RefusedError as error:
            messages.error(request, str(error))
        else:
            return HttpResponseRedirect(change_url(file))
    return HttpResponseRedirect(f"{reverse('admin:payouts_payout_run')}?month={month:%Y-%m}")


def _note(who: User, payout: Payout) -> None:
    LogEntry.objects.create(
        user=who,
        content_type=ContentType.objects.get_for_model(Payout),
        object_id=str(payout.pk),
        object_repr=str(payout),
        action_flag=CHANGE,
        change_message=f"{money(payout.amount, payout.currency)} for {payout.agency} is approved.",
    )
