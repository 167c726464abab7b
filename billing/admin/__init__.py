"""The admin of packages, periods, credit, invoices and payments."""

from . import (
    alerts,
    discounts,
    grants,
    invoices,
    late_usage,
    mail,
    payments,
    periods,
    plans,
    requests,
    terms,
    time_zones,
    unbilled,
    usage,
    webhooks,
    workspaces,
)

__all__ = [
    "alerts",
    "discounts",
    "grants",
    "invoices",
    "late_usage",
    "mail",
    "payments",
    "periods",
    "plans",
    "requests",
    "terms",
    "time_zones",
    "unbilled",
    "usage",
    "webhooks",
    "workspaces",
]
