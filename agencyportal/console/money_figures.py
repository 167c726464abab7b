"""What needs somebody about money that came, or did not."""

from __future__ import annotations

from django.http import HttpRequest

from agencyportal.core.admin_dialogs import list_url
from agencyportal.core.admin_filters import visible
from billing.models import AutomaticTopUp, InvoiceCheckout, StripeEvent, Suspension, TopUpOrder

from .figures import Figure


def money_figures(request: HttpRequest) -> list[Figure]:
    """Shown only where there is some."""
    return [
        _stripe_events(request),
        _orders(request),
        _checkouts(request),
        _suspensions(request),
        _automatic(request),
    ]


def _orders(request: HttpRequest) -> Figure:
    count = visible(request, TopUpOrder).exclude(trouble="").count()
    return Figure(
        "Top-ups paid and not granted",
        str(count),
        list_url(TopUpOrder, trouble="yes"),
        "each says why, and what can be done",
        level="danger" if count else "",
        icon="production_quantity_limits",
    )


def _checkouts(request: HttpRequest) -> Figure:
    count = visible(request, InvoiceCheckout).exclude(trouble="").count()
    return Figure(
        "Invoices paid and not booked",
        str(count),
        list_url(InvoiceCheckout, trouble="yes"),
        "each says why; look again",
        level="danger" if count else "",
        icon="credit_card_off",
    )


def _suspensions(request: HttpRequest) -> Figure:
    found = visible(request, Suspension).filter(lifted_at=None)
    count = found.values("client").distinct().count()
    return Figure(
        "Suspended clients",
        str(count),
        list_url(Suspension, suspension="open"),
        "new usage is refused until an invoice is paid",
        level="danger" if count else "",
        icon="block",
    )


def _stripe_events(request: HttpRequest) -> Figure:
    count = visible(request, StripeEvent).filter(state=StripeEvent.State.FAILED).count()
    return Figure(
        "Failed Stripe events",
        str(count),
        list_url(StripeEvent, state__exact="failed"),
        "given up; each says why, and can be done again",
        level="danger" if count else "",
        icon="credit_card_off",
    )


def _automatic(request: HttpRequest) -> Figure:
    stopped = AutomaticTopUp.State.STOPPED
    count = visible(request, AutomaticTopUp).filter(state=stopped).count()
    return Figure(
        "Automatic top-ups stopped",
        str(count),
        list_url(AutomaticTopUp, state__exact=stopped.value),
        "each says why; the client's admins have it go on",
        level="warning" if count else "",
        icon="pause_circle",
    )
