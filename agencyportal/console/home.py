"""The admin's home page: what needs somebody, and how the month stands. Each figure opens into
the rows that it counts."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, cast

from django.db.models import F, Q, Sum
from django.http import HttpRequest
from django.urls import reverse
from django.utils.timezone import get_current_timezone_name, now

from agencyportal.core.admin_columns import money
from agencyportal.core.admin_dialogs import change_url, list_url
from agencyportal.core.admin_filters import visible
from agencyportal.core.money import round_money, whole_percent
from agencyportal.core.periods import local_date, local_day_start
from agencyportal.core.rendered import RenderedDocument
from billing.admin.invoices import overdue
from billing.admin.periods import about_to_close
from billing.models import (
    Alert,
    BillingPeriod,
    Invoice,
    InvoiceDocument,
    Mail,
    OverageQuestion,
    Payment,
    TopUpRequest,
)
from billing.models.questions import OverageQuestionQuerySet
from billing.selectors.limits import entitlements, near_limit
from billing.services.alert_reading import unread_by_agencies
from clients.models import (
    Client,
    EventConflict,
    UsageDay,
    UsageEvent,
    UsageQuarter,
    UsageWindow,
    User,
    Workspace,
)
from payouts.models import Earning, StatementDocument

from .figures import Figure, trials_ending_figure
from .money_figures import money_figures

ZERO = Decimal(0)
SHOWN = 6
WITHOUT_CREDIT = 10**9
MOST_COUNTED = 1_000


def home(request: HttpRequest) -> dict[str, Any]:
    """What the template shows: things to do, the month in money, and short lists."""
    moment = now()
    zone = get_current_timezone_name()
    today = local_date(moment, zone)
    near = near_limit(visible(request, UsageWindow), now=moment)
    return {
        "todo": _to_do(request, moment, today, near),
        "month": _month(request, moment, today.replace(day=1), zone),
        "month_name": f"{today:%B %Y}",
        "counts": _counts(request),
        "near": _near(near),
        "requests": _requests(request),
        "overdue": _overdue(request, today),
        "is_empty": not visible(request, Client).exists(),
        "add_client": reverse("admin:clients_client_add"),
    }


# --- What needs somebody -----------------------------------------------------------------------


def _to_do(
    request: HttpRequest, moment: dt.datetime, today: dt.date, near: list[int]
) -> list[Figure]:
    told = visible(request, Alert)
    new = unread_by_agencies(alerts=told, user=cast(User, request.user)).count()
    late = overdue(visible(request, Invoice), today).count()
    asked = visible(request, TopUpRequest).filter(state=TopUpRequest.State.PENDING).count()
    closing = about_to_close(visible(request, BillingPeriod), moment).count()
    mail = visible(request, Mail).filter(state=Mail.State.FAILED).count()
    stuck = visible(request, BillingPeriod).exclude(state=BillingPeriod.State.CLOSED)
    failed = stuck.exclude(close_error="").count()
    return [
        *(figure for figure in _seldom(request, moment) if figure.level),
        Figure(
            "Near their limit",
            str(len(near)),
            list_url(UsageWindow, limit="near"),
            "at 80 % of the period's credit or beyond",
            level="warning" if near else "",
            icon="speed",
        ),
        Figure(
            "New alerts",
            str(new),
            list_url(Alert, read="new"),
            "told to the agency and not read by you",
            level="warning" if new else "",
            icon="notifications",
        ),
        Figure(
            "Requests waiting",
            str(asked),
            list_url(TopUpRequest, state__exact="pending"),
            "top-ups that somebody asked for",
            level="warning" if asked else "",
            icon="hourglass_top",
        ),
        Figure(
            "Overdue invoices",
            str(late),
            list_url(Invoice, payment="overdue"),
            "past their due date",
            level="danger" if late else "",
            icon="receipt_long",
        ),
        Figure(
            "Periods about to close",
            str(closing),
            list_url(BillingPeriod, closing="soon"),
            f"{failed} failed to close" if failed else "within three days",
            level="danger" if failed else "",
            icon="event_upcoming",
        ),
        _failed(request, InvoiceDocument, "Failed invoice files"),
        Figure(
            "Failed mail",
            str(mail),
            list_url(Mail, state__exact="failed"),
            "given up, or without an address",
            level="danger" if mail else "",
            icon="mail_off",
        ),
    ]


def _questions(request: HttpRequest, moment: dt.datetime) -> Figure:
    seen = cast(OverageQuestionQuerySet, visible(request, OverageQuestion))
    found = seen.open(moment).count()
    return Figure(
        "Clients asked",
        str(found),
        list_url(OverageQuestion, asked="open"),
        "whether usage goes on past the package; no answer yet",
        level="warning" if found else "",
        icon="contact_support",
    )


def _seldom(request: HttpRequest, moment: dt.datetime) -> list[Figure]:
    """What is shown only where there is some."""
    return [
        _failed(request, StatementDocument, "Failed statements"),
        _unbilled(request),
        _conflicts(request),
        *money_figures(request),
        trials_ending_figure(request, moment),
        _questions(request, moment),
    ]


def _failed(request: HttpRequest, model: type[RenderedDocument], name: str) -> Figure:
    state = RenderedDocument.State.FAILED
    count = visible(request, model).filter(state=state).count()
    return Figure(
        name,
        str(count),
        list_url(model, state__exact=state.value),
        "PDFs that could not be made",
        level="danger" if count else "",
        icon="draft",
    )


def _unbilled(request: HttpRequest) -> Figure:
    found = visible(request, UsageEvent).filter(
        standing=UsageEvent.Standing.UNBILLED, quantity__gt=ZERO
    )
    count = found[: MOST_COUNTED + 1].count()
    return Figure(
        "Unbilled usage",
        str(count) if count <= MOST_COUNTED else f"{MOST_COUNTED:,}+",
        list_url(UsageEvent, standing__exact="unbilled"),
        "events outside a package; each says why, and what to do",
        level="warning" if count else "",
        icon="money_off",
    )


def _conflicts(request: HttpRequest) -> Figure:
    count = visible(request, EventConflict).filter(settled_at=None).count()
    return Figure(
        "Conflicting reports",
        str(count),
        list_url(EventConflict, settled="open"),
        "events that came again with something else in them",
        level="warning" if count else "",
        icon="call_split",
    )


# --- The month in money ------------------------------------------------------------------------


def _month(request: HttpRequest, moment: dt.datetime, first: dt.date, zone: str) -> list[Figure]:
    start = local_day_start(first, zone)
    collected = _by_currency(
        visible(request, Payment)
        .filter(received_at__gte=start, received_at__lte=moment)
        .exclude(method=Payment.Method.BALANCE),
        "currency",
        "amount",
    )
    routed = _by_currency(
        visible(request, UsageDay).filter(day__gte=first),
        "workspace__client__currency",
        "platform_cost",
    )
    return [
        Figure(
            "Collected",
            _sums(collected),
            list_url(Payment, **_in_month("received_at", first)),
            "payments received this month, tax included",
        ),
        Figure(
            "Routed cost so far",
            _sums(routed),
            list_url(UsageDay, **_in_month("day", first)),
            "what the platform paid for the month's calls; late usage still counts",
            is_estimate=True,
        ),
        Figure(
            "Earnings so far",
            _sums(_earned(request, start, moment)),
            list_url(Earning, **_in_month("occurred_at", first)),
            "posted this month, less routed cost that is not posted yet",
            is_estimate=True,
        ),
    ]


def _in_month(field: str, first: dt.date) -> dict[str, str]:
    """The month as the lists' date hierarchy says it."""
    return {f"{field}__year": str(first.year), f"{field}__month": str(first.month)}


def _earned(request: HttpRequest, start: dt.datetime, moment: dt.datetime) -> dict[str, Decimal]:
    """Posted this month, less the routed cost of periods that nobody has closed."""
    posted = _by_currency(
        visible(request, Earning).filter(occurred_at__gte=start, occurred_at__lte=moment),
        "currency",
        "amount",
    )
    is_open = Q(workspace__settled_until=None) | Q(start__gte=F("workspace__settled_until"))
    unposted = _by_currency(
        visible(request, UsageQuarter).filter(is_open, start__gte=start),
        "workspace__client__currency",
        "platform_cost",
    )
    return {
        currency: round_money(posted.get(currency, ZERO) - unposted.get(currency, ZERO), currency)
        for currency in {*posted, *unposted}
    }


def _by_currency(rows: Any, currency: str, amount: str) -> dict[str, Decimal]:
    sums = rows.order_by().values_list(currency).annotate(total=Sum(amount))
    return {code: round_money(total, code) for code, total in sums if total is not None}


def _sums(amounts: dict[str, Decimal]) -> str:
    return " · ".join(money(amounts[code], code) for code in sorted(amounts)) or "–"


# --- Short lists -------------------------------------------------------------------------------


def _counts(request: HttpRequest) -> list[Figure]:
    return [
        Figure("Clients", str(visible(request, Client).count()), list_url(Client)),
        Figure("Workspaces", str(visible(request, Workspace).count()), list_url(Workspace)),
        Figure(
            "Outstanding invoices",
            str(visible(request, Invoice).filter(state__in=("issued", "partially_paid")).count()),
            list_url(Invoice, payment="outstanding"),
        ),
    ]


def _near(ids: list[int]) -> list[dict[str, Any]]:
    windows = list(
        UsageWindow.objects.filter(pk__in=ids).select_related("workspace__client", "unit")
    )
    entitled = entitlements(windows)
    shares = [(_percent(window, entitled[window.pk]), window) for window in windows]
    shares.sort(key=lambda share: -(WITHOUT_CREDIT if share[0] is None else share[0]))
    return [
        {
            "title": f"{window.workspace.client} · {window.workspace.name}",
            "unit": window.unit.plural,
            "percent": percent,
            "url": change_url(window.workspace),
        }
        for percent, window in shares[:SHOWN]
    ]


def _percent(window: UsageWindow, whole: Decimal) -> int | None:
    return whole_percent(window.used, whole) if whole else None


def _requests(request: HttpRequest) -> list[dict[str, Any]]:
    pending = (
        visible(request, TopUpRequest)
        .filter(state=TopUpRequest.State.PENDING)
        .select_related("workspace__client", "band__version__plan", "requested_by")
        .order_by("requested_at")[:SHOWN]
    )
    return [
        {
            "title": f"{row.workspace.client} · {row.band}",
            "note": f"{row.requested_by} asked {row.requested_at:%-d %b}",
            "amount": money(row.band.price, row.band.version.plan.currency),
            "url": change_url(row),
        }
        for row in pending
    ]


def _overdue(request: HttpRequest, today: dt.date) -> list[dict[str, Any]]:
    rows = overdue(visible(request, Invoice), today).select_related("client").defer("snapshot")
    return [
        {
            "title": f"{row.number} · {row.client}",
            "note": f"due {row.due_date:%-d %b %Y}",
            "amount": money(row.amount_due, row.currency),
            "url": change_url(row),
        }
        for row in rows.order_by("due_date")[:SHOWN]
    ]
