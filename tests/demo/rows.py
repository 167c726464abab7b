"""What the books say, without the keys that a database makes up."""

from __future__ import annotations

from typing import Any

from billing.models import (
    BillingPeriod,
    Charge,
    CreditGrant,
    Invoice,
    Mail,
    Payment,
    PeriodUsage,
    TopUpRequest,
)
from clients.models import UsageDay, UsageEvent, UsageWindow, WorkspaceKey
from payouts.models import Earning, Payout

NATURAL: dict[Any, tuple[str, ...]] = {
    UsageEvent: (
        "workspace__slug",
        "external_id",
        "standing",
        "occurred_at",
        "recorded_at",
        "cost",
    ),
    UsageDay: ("workspace__slug", "day", "label", "model", "quantity", "platform_cost"),
    UsageWindow: ("workspace__slug", "start", "end", "used"),
    WorkspaceKey: ("workspace__slug", "created_at"),
    BillingPeriod: ("workspace__slug", "start", "state", "closed_at", "created_at"),
    PeriodUsage: ("period__workspace__slug", "period__start", "used", "included", "overage"),
    CreditGrant: (
        "workspace__slug",
        "kind",
        "quantity",
        "effective_at",
        "expires_at",
        "created_at",
    ),
    Charge: ("workspace__slug", "kind", "amount", "bill_at", "created_at"),
    Invoice: ("number", "client__slug", "total", "state", "amount_paid", "issued_at"),
    Payment: ("invoice__number", "amount", "received_at"),
    Mail: ("subject", "not_before"),
    TopUpRequest: ("workspace__slug", "state", "requested_at"),
    Earning: ("client__slug", "kind", "amount", "occurred_at", "created_at"),
    Payout: ("number", "agency__slug", "month", "amount", "built_at"),
}


def rows() -> dict[str, list[str]]:
    """Every row of the demo, by model.

    Without alerts and their mail: they tell what was noticed at the time, and usage that a
    continued telling finds in place may have ended before anybody looks again.
    """
    found = {
        model._meta.label: model.objects.values_list(*names) for model, names in NATURAL.items()
    }
    found["billing.Mail"] = found["billing.Mail"].exclude(key__startswith="alert:")
    return {label: sorted(map(repr, of_model)) for label, of_model in found.items()}
