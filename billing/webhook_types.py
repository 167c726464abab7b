"""What webhooks tell of: a registry. An app above adds its own types with `register`.

A type reads rows that are there for good, and says of each when it happened and what to tell. So
nothing has to be called where things happen: whoever sends looks for rows that nobody was told of.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet

from agencyportal.core.money import plain
from billing.models import (
    Alert,
    BillingPeriod,
    CreditNote,
    Invoice,
    OverageAnswer,
    OverageQuestion,
    Payment,
    TopUpPurchase,
)

from .services.alert_words import words_of


@dataclass(frozen=True, slots=True)
class WebhookType:
    """One kind of event. ``rows``: everything it could tell of, of every agency; ``at``: the
    field that says when it happened. ``data``: what is told of a row, as JSON."""

    name: str
    words: str
    rows: Callable[[], QuerySet[Any]]
    at: str
    data: Callable[[Any], dict[str, Any]]
    client_id: Callable[[Any], int]
    is_for_clients: Callable[[Any], bool] = lambda _row: True


_types: dict[str, WebhookType] = {}


def register(found: WebhookType) -> None:
    """Add a type. Raises ValueError for a name that is taken."""
    if _types.setdefault(found.name, found) is not found:
        raise ValueError(f"There is a webhook type {found.name} already.")


def webhook_types() -> dict[str, WebhookType]:
    """Every type, by name."""
    return dict(_types)


# --- What billing tells of ---------------------------------------------------------------------


def _alert(row: Alert) -> dict[str, Any]:
    client = row.workspace.client
    levels = [crossing.level for crossing in row.crossings.all()]
    words = words_of(
        row, levels, place=row.workspace.name, currency=client.currency, locale=client.language
    )
    return {
        "id": row.pk,
        "kind": row.kind,
        "client": client.slug,
        "workspace": row.workspace.slug,
        "unit": row.unit.slug if row.unit is not None else None,
        "period": _span(row.period),
        "levels": [plain(level) for level in levels],
        "measured": plain(row.measured),
        "against": _number(row.against),
        "used": _number(row.used),
        "entitled": _number(row.entitled),
        "details": row.details,
        "title": words.title,
        "text": words.text,
    }


def _period(row: BillingPeriod) -> dict[str, Any]:
    return {
        "id": row.pk,
        "client": row.client.slug,
        "workspace": row.workspace.slug,
        "currency": row.currency,
        **_span(row),
        "units": [
            {
                "unit": usage.unit.slug,
                "used": plain(usage.used),
                "included": plain(usage.included),
                "top_up": plain(usage.top_up),
                "overage": plain(usage.overage),
                "overage_amount": plain(usage.overage_amount),
            }
            for usage in row.usage.all()
        ],
    }


def _invoice(row: Invoice) -> dict[str, Any]:
    return {
        "id": row.pk,
        "number": row.number,
        "client": row.client.slug,
        "currency": row.currency,
        "total": plain(row.total),
        "issue_date": row.issue_date.isoformat() if row.issue_date else None,
        "due_date": row.due_date.isoformat() if row.due_date else None,
    }


def _credit_note(row: CreditNote) -> dict[str, Any]:
    return {
        "id": row.pk,
        "number": row.number,
        "client": row.client.slug,
        "invoice": row.invoice.number if row.invoice is not None else None,
        "currency": row.currency,
        "total": plain(row.total),
        "to_due": plain(row.to_due),
        "to_balance": plain(row.to_balance),
        "issue_date": row.issue_date.isoformat(),
    }


def _payment(row: Payment) -> dict[str, Any]:
    return {
        "id": row.pk,
        "client": row.client.slug,
        "invoice": row.invoice.number,
        "currency": row.currency,
        "amount": plain(row.amount),
        "method": row.method,
        "received_at": _instant(row.received_at),
    }


def _top_up(row: TopUpPurchase) -> dict[str, Any]:
    return {
        "id": row.pk,
        "client": row.workspace.client.slug,
        "workspace": row.workspace.slug,
        "unit": row.unit.slug,
        "top_up": row.band.name,
        "quantity": plain(row.quantity),
        "currency": row.currency,
        "price": plain(row.price),
    }


def _question(row: OverageQuestion) -> dict[str, Any]:
    return {
        "id": row.pk,
        "client": row.client.slug,
        "workspace": row.workspace.slug,
        "unit": row.unit.slug,
        "period": _span(row.period),
        "up_to": plain(row.up_to),
        "asked_at": _instant(row.asked_at),
        "answer_by": _instant(row.answer_by),
    }


def _answer(row: OverageAnswer) -> dict[str, Any]:
    return _question(row.question) | {
        "answer": row.verdict,
        "answered_at": _instant(row.answered_at),
        "on_behalf": row.on_behalf,
    }


def _span(period: BillingPeriod) -> dict[str, str]:
    return {"start": _instant(period.start), "end": _instant(period.end)}


def _instant(at: dt.datetime) -> str:
    return at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def _number(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)


register(
    WebhookType(
        name="alert.crossed",
        words="An alert: levels of usage, money or margin were reached",
        rows=lambda: Alert.objects.select_related(
            "workspace__client", "unit", "period"
        ).prefetch_related("crossings"),
        at="noticed_at",
        data=_alert,
        client_id=lambda row: row.workspace.client_id,
        is_for_clients=lambda row: bool(row.tells_client),
    )
)
register(
    WebhookType(
        name="period.closed",
        words="A billing period was closed",
        rows=lambda: (
            BillingPeriod.objects.filter(state=BillingPeriod.State.CLOSED)
            .select_related("client", "workspace")
            .prefetch_related("usage__unit")
        ),
        at="closed_at",
        data=_period,
        client_id=lambda row: row.client_id,
    )
)
register(
    WebhookType(
        name="invoice.issued",
        words="An invoice was issued",
        rows=lambda: (
            Invoice.objects.exclude(issued_at=None).select_related("client").defer("snapshot")
        ),
        at="issued_at",
        data=_invoice,
        client_id=lambda row: row.client_id,
    )
)
register(
    WebhookType(
        name="credit_note.issued",
        words="A credit note was issued",
        rows=lambda: CreditNote.objects.select_related("client", "invoice").defer(
            "snapshot", "invoice__snapshot"
        ),
        at="issued_at",
        data=_credit_note,
        client_id=lambda row: row.client_id,
    )
)
register(
    WebhookType(
        name="payment.recorded",
        words="A payment for an invoice was recorded",
        rows=lambda: Payment.objects.select_related("client", "invoice"),
        at="created_at",
        data=_payment,
        client_id=lambda row: row.client_id,
    )
)
register(
    WebhookType(
        name="top_up.bought",
        words="A top-up was bought",
        rows=lambda: TopUpPurchase.objects.select_related("workspace__client", "unit", "band"),
        at="purchased_at",
        data=_top_up,
        client_id=lambda row: row.workspace.client_id,
    )
)
register(
    WebhookType(
        name="overage.asked",
        words="A client was asked whether usage goes on past its package",
        rows=lambda: OverageQuestion.objects.select_related(
            "client", "workspace", "unit", "period"
        ),
        at="asked_at",
        data=_question,
        client_id=lambda row: row.client_id,
    )
)
register(
    WebhookType(
        name="overage.answered",
        words="The client answered whether usage goes on, or did not in time",
        rows=lambda: OverageAnswer.objects.select_related(
            "question__client", "question__workspace", "question__unit", "question__period"
        ),
        at="answered_at",
        data=_answer,
        client_id=lambda row: row.question.client_id,
    )
)
