"""Two months of Northwind's books, made by the services themselves from raw events.

Acme's support chat counts conversations, pages (a sum) and leads (unique); model calls are priced
by the list and by an override. January and February are closed, invoiced and paid; March runs.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from billing.discounts import DiscountDocument
from billing.models import (
    Invoice,
    InvoiceDocument,
    Payment,
    Subscription,
    TaxRate,
    TopUpBand,
)
from billing.services.closing import close_due_periods
from billing.services.discounts import add_discount, end_discount
from billing.services.grants import adjust
from billing.services.invoicing import draft_invoices, issue_due_invoices
from billing.services.payments import record_payment
from billing.services.plans import import_plan
from billing.services.purchases import buy_on_account
from billing.services.rendering import render_due
from billing.services.revocations import revoke
from billing.services.subscriptions import activate
from clients.models import Agency, Client, Meter, ModelPrice, Platform, UsageUnit, Workspace
from clients.services.recording import SubmittedEvent, TokenUsage, record_events
from payouts.models import StatementDocument
from payouts.services.earnings import post_due_earnings
from payouts.services.payouts import build_payouts
from payouts.services.terms import add_fee_rule

D = Decimal

PLAN: dict[str, Any] = {
    "name": "Support Starter",
    "currency": "USD",
    "timezone": "America/New_York",
    "interval": "month",
    "anchor": "calendar",
    "minimum_commitment": "9.00",
    "discounts": [{"name": "Loyal", "on": "overage", "percent": "10"}],
    "fees": [
        {"name": "Implementation", "kind": "implementation", "amount": "250.00", "when": "once"},
        {"name": "Base package", "kind": "base", "amount": "49.00", "when": "period"},
    ],
    "allowances": [
        {
            "unit": "conversation",
            "included": "10",
            "rollover_max": "4",
            "overage": {"policy": "bill", "pricing": {"model": "per_unit", "unit_amount": "0.25"}},
        },
        {
            "unit": "page",
            "included": "0",
            "overage": {
                "policy": "bill",
                "pricing": {"model": "cost_plus", "margin_percent": "25"},
            },
        },
        {"unit": "lead", "included": "2", "overage": {"policy": "notify"}},
    ],
    "top_ups": [
        {
            "unit": "conversation",
            "name": "Five more",
            "quantity": "5",
            "price": "1.50",
            "expires": "never",
        }
    ],
}


def utc(month: int, day: int, hour: int = 12, minute: int = 0) -> dt.datetime:
    return dt.datetime(2026, month, day, hour, minute, tzinfo=dt.UTC)


MARCH_STARTS = utc(3, 1, 5)
APRIL_STARTS = utc(4, 1, 4)


def tell() -> Workspace:
    """Live through January and February, on time; the workspace it is about."""
    workspace, conversation = set_up()
    now = utc(1, 15)
    subscription = activate(
        workspace=workspace, plan_version=_plan(workspace), start=utc(1, 10), now=utc(1, 10)
    )
    invoice_and_render(utc(1, 10))
    record_events(workspace=workspace, events=month_of_events(1, conversations=5), now=now)
    adjust(
        workspace=workspace,
        unit=conversation,
        quantity=D(1),
        reason="Sorry for the outage",
        created_by=None,
        now=now,
        key="sorry",
    )
    record_events(workspace=workspace, events=[call("unit outside", "memo", utc(1, 14))], now=now)
    close_month(utc(2, 3))
    record_events(
        workspace=workspace, events=month_of_events(2, conversations=20), now=utc(2, 20, 20)
    )
    buy_on_account(
        workspace=workspace,
        band=TopUpBand.objects.get(),
        now=utc(2, 18),
        key="more",
    )
    take_back_a_gift(workspace, utc(2, 20, 21))
    agree_on_discounts(subscription, utc(2, 20, 22))
    pay_all(utc(2, 21))
    close_month(utc(3, 3))
    record_events(workspace=workspace, events=[call("late", "page", utc(2, 5))], now=utc(3, 4))
    record_events(
        workspace=workspace, events=month_of_events(3, conversations=3), now=utc(3, 20, 20)
    )
    pay_all(utc(3, 10), part=True)
    settle_up(APRIL_STARTS)
    return workspace


def set_up() -> tuple[Workspace, UsageUnit]:
    """Northwind and its client Acme, units, a price of our own, a fee, and 8.25 % of tax."""
    always = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    Platform.objects.create(name="Agency Portal", country="US")
    agency = Agency.objects.create(
        slug="northwind", name="Northwind", timezone="America/New_York", email="n@northwind.example"
    )
    client = Client.objects.create(
        agency=agency,
        slug="acme",
        name="Acme",
        country="US",
        email="billing@acme.example",
        timezone="America/New_York",
    )
    workspace = Workspace.objects.create(
        agency=agency, client=client, slug="acme-support", name="Acme support chat"
    )
    for slug, aggregation, name in (
        ("conversation", "count", ""),
        ("page", "sum", "pages"),
        ("lead", "unique", ""),
        ("memo", "count", ""),
    ):
        unit = UsageUnit.objects.create(agency=agency, slug=slug, name=slug, plural=f"{slug}s")
        Meter.objects.create(
            unit=unit,
            version=1,
            aggregation=aggregation,
            property_name=name,
            effective_from=always,
        )
    ModelPrice.objects.create(
        cost_payer="platform",
        model="house-model",
        input_price=D("1.5"),
        output_price=D("6"),
        effective_from=always,
    )
    TaxRate.objects.create(
        agency=agency,
        country="US",
        category="S",
        percent=D("8.25"),
        effective_from=dt.date(2020, 1, 1),
    )
    add_fee_rule(agency=agency, percent=D(5), effective_from=always, now=always)
    return workspace, UsageUnit.objects.get(slug="conversation")


def take_back_a_gift(workspace: Workspace, now: dt.datetime) -> None:
    """Three leads were given too late to cover any, and one of them by mistake."""
    gift = adjust(
        workspace=workspace,
        unit=UsageUnit.objects.get(slug="lead"),
        quantity=D(3),
        reason="For next month",
        created_by=None,
        now=now,
        key="gift",
    )
    revoke(
        grant=gift,
        quantity=D(1),
        reason="Two were meant",
        revoked_by=None,
        now=now + dt.timedelta(hours=1),
        key="gift",
    )


def agree_on_discounts(subscription: Subscription, now: dt.datetime) -> None:
    """Four off February's fee, which is invoiced already; and half of March's, but not any more."""
    for name, discount in (
        ("Sorry", DiscountDocument("Sorry", "fees", amount=D(4), periods=1)),
        ("Half", DiscountDocument("Half", "fees", percent=D(50))),
    ):
        row = add_discount(
            subscription=subscription,
            discount=discount,
            effective_at=utc(2, 1, 5) if name == "Sorry" else MARCH_STARTS,
            now=now,
            key=name,
        )
    end_discount(discount=row, now=now + dt.timedelta(hours=1))


def _plan(workspace: Workspace) -> Any:
    return import_plan(agency=workspace.agency, document=PLAN, now=utc(1, 10))


def call(name: str, unit: str, at: dt.datetime, **fields: Any) -> SubmittedEvent:
    """A routed model call."""
    values: dict[str, Any] = {
        "provider": "openai",
        "model": "gpt-4o",
        "label": "triage",
        "usage": TokenUsage(input_tokens=120_000, cached_input_tokens=20_000, output_tokens=4_000),
    }
    if unit == "page":
        values |= {"properties": {"pages": "2.5"}, "model": "house-model", "provider": None}
    if unit == "lead":
        values |= {"subject": name.split("/", maxsplit=1)[0]}
    return SubmittedEvent(id=f"{at:%m}-{name}-{unit}", unit=unit, time=at, **(values | fields))


def month_of_events(month: int, *, conversations: int) -> list[SubmittedEvent]:
    start = utc(month, 11)
    events = [
        call(f"c{number}", "conversation", start + dt.timedelta(minutes=7 * number))
        for number in range(conversations)
    ]
    events.append(call("failed", "conversation", start, status="error", attempts=3))
    events += [call(f"p{n}", "page", start + dt.timedelta(minutes=n)) for n in range(4)]
    events += [call(f"a/{n}", "lead", start + dt.timedelta(minutes=20 - n)) for n in range(3)]
    events += [call("b/1", "lead", start), call("c/1", "lead", start)]
    return events


def close_month(now: dt.datetime) -> None:
    close_due_periods(now=now)
    invoice_and_render(now)


def invoice_and_render(now: dt.datetime) -> None:
    draft_invoices(now=now)
    _issued, failed = issue_due_invoices(now=now)
    assert not failed
    render_due(model=InvoiceDocument, render=lambda row: f"%PDF {row.invoice}".encode(), now=now)


def pay_all(now: dt.datetime, *, part: bool = False) -> None:
    """Pay what is due of every invoice, or a first part of it."""
    for invoice in Invoice.objects.outstanding().order_by("pk"):
        amount = D("20.00") if part else invoice.amount_due
        record_payment(
            invoice=invoice,
            amount=amount,
            currency=invoice.currency,
            method=Payment.Method.BANK_TRANSFER,
            reference=f"transfer for {invoice.number}",
            received_at=now,
            now=now,
            key=f"pay:{invoice.pk}:{now}",
        )


def settle_up(now: dt.datetime) -> None:
    """Earnings, payouts and their statements, as the schedule does them month by month."""
    for moment in (MARCH_STARTS, now):
        post_due_earnings(now=moment)
        build_payouts(now=moment)
    render_due(model=StatementDocument, render=lambda row: f"%PDF {row.payout}".encode(), now=now)
