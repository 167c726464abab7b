"""Rows as closing leaves them, made by hand: for tests of what becomes of charges."""

from __future__ import annotations

import datetime as dt
import itertools
from decimal import Decimal
from typing import Any

from billing.models import (
    BillingPeriod,
    Charge,
    CreditGrant,
    GrantUse,
    Invoice,
    PeriodUsage,
    Plan,
    PlanVersion,
    Subscription,
)
from billing.services.invoicing import draft_invoices, issue_invoice
from clients.models import UsageDay, UsageUnit, Workspace

_keys = itertools.count(1)


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> dt.datetime:
    return dt.datetime(year, month, day, hour, minute, tzinfo=dt.UTC)


def subscription(
    workspace: Workspace,
    *,
    start: dt.datetime,
    end: dt.datetime | None = None,
    currency: str = "",
    timezone: str = "UTC",
) -> Subscription:
    """A subscription to a monthly plan, without periods."""
    currency = currency or workspace.client.currency
    plan, _ = Plan.objects.get_or_create(
        agency=workspace.agency,
        slug=f"starter-{currency.lower()}",
        defaults={"name": "Support Starter", "currency": currency},
    )
    version, _ = PlanVersion.objects.get_or_create(
        plan=plan, number=1, defaults={"interval": PlanVersion.Interval.MONTH}
    )
    return Subscription.objects.create(
        agency=workspace.agency,
        client=workspace.client,
        workspace=workspace,
        plan_version=version,
        currency=currency,
        timezone=timezone,
        anchor_date=start.date(),
        start=start,
        end=end,
    )


def period(
    subscribed: Subscription, start: dt.datetime, end: dt.datetime, *, closed: bool = False
) -> BillingPeriod:
    """A whole period of a subscription."""
    return BillingPeriod.objects.create(
        agency=subscribed.agency,
        client=subscribed.client,
        workspace=subscribed.workspace,
        subscription=subscribed,
        plan_version=subscribed.plan_version,
        currency=subscribed.currency,
        timezone=subscribed.timezone,
        start=start,
        end=end,
        full_start=start,
        full_end=end,
        due_at=end + dt.timedelta(hours=24),
        state=BillingPeriod.State.CLOSED if closed else BillingPeriod.State.OPEN,
        closed_at=end + dt.timedelta(hours=24) if closed else None,
    )


def close(row: BillingPeriod) -> None:
    row.state, row.closed_at = BillingPeriod.State.CLOSED, row.due_at
    row.save()


def charge(
    of: BillingPeriod, amount: str, bill_at: dt.datetime, kind: str = "base", **fields: Any
) -> Charge:
    """A charge of a period, on no invoice yet."""
    return Charge.objects.create(
        **{
            "agency": of.agency,
            "client": of.client,
            "workspace": of.workspace,
            "period": of,
            "kind": kind,
            "description": f"{kind} of {of.start:%B}".capitalize(),
            "amount": Decimal(amount),
            "currency": of.currency,
            "bill_at": bill_at,
            "key": f"test:{next(_keys)}",
            **fields,
        }
    )


def usage(
    of: BillingPeriod, unit: UsageUnit, *, used: str, allowance: str, amount: str = "0"
) -> PeriodUsage:
    """A frozen waterfall of one allowance, whose unused rest expired; half used on each of the
    first two days."""
    total, included = Decimal(used), min(Decimal(used), Decimal(allowance))
    rest = Decimal(allowance) - included
    frozen = PeriodUsage.objects.create(
        period=of,
        unit=unit,
        policy="bill",
        used=total,
        included=included,
        top_up=0,
        overage=total - included,
        expired_unused=rest,
        rolled_over=0,
        overage_amount=Decimal(amount),
        currency=of.currency,
        platform_cost=0,
        agency_cost=0,
    )
    grant = CreditGrant.objects.create(
        agency=of.agency,
        workspace=of.workspace,
        unit=unit,
        kind=CreditGrant.Kind.ALLOWANCE,
        quantity=Decimal(allowance),
        priority=20,
        effective_at=of.start,
        expires_at=of.end,
        period=of,
        key=f"allowance:{of.pk}:{unit.pk}",
    )
    GrantUse.objects.create(
        period_usage=frozen,
        grant=grant,
        opening=grant.quantity,
        consumed=included,
        expired=rest,
        rolled_over=0,
        remaining=0,
    )
    for offset in (0, 1):
        UsageDay.objects.create(
            workspace=of.workspace,
            unit=unit,
            day=of.start.date() + dt.timedelta(days=offset),
            label="triage",
            model="m",
            quantity=total / 2,
        )
    return frozen


def activated(workspace: Workspace, *, fee: str = "499.00", **fields: Any) -> BillingPeriod:
    """A workspace on a plan from 1 February 2026, with the first fee waiting."""
    start = utc(2026, 2, 1)
    first = period(subscription(workspace, start=start, **fields), start, utc(2026, 3, 1))
    charge(first, fee, start)
    return first


def issued(workspace: Workspace, *, now: dt.datetime, fee: str = "499.00") -> Invoice:
    """The issued invoice of an activation."""
    activated(workspace, fee=fee)
    (draft,) = draft_invoices(now=now)
    return issue_invoice(invoice=draft, now=now)
