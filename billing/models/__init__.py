"""What clients pay: plans, subscriptions, periods, credit, charges, invoices, payments."""

from .alerts import Alert, AlertCrossing, AlertKind, AlertRule, AlertsRead
from .caps import Cap
from .credits import CreditGrant, GrantRevocation, GrantUse, PeriodUsage, TopUpPurchase
from .discounts import DiscountScope, PlanDiscount, SubscriptionDiscount
from .invoices import (
    Charge,
    DocumentSeries,
    Invoice,
    InvoiceDocument,
    InvoiceLine,
    InvoiceTax,
    LineKind,
)
from .late_usage import LateEntry, LateGrantUse, LateSettlement
from .lifecycle import ChargeVoid, PeriodMove, SubscriptionChange
from .mail import Mail
from .margins import MarginRule
from .payments import Payment
from .plans import CollectedBy, Plan, PlanAllowance, PlanFee, PlanVersion, TopUpBand
from .requests import TopUpRequest
from .reservations import Reservation
from .subscriptions import BillingPeriod, Subscription
from .tax import TaxCategory, TaxRate
from .webhooks import (
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookMessage,
    WebhookSecret,
)

__all__ = [
    "Alert",
    "AlertCrossing",
    "AlertKind",
    "AlertRule",
    "AlertsRead",
    "BillingPeriod",
    "Cap",
    "Charge",
    "ChargeVoid",
    "CollectedBy",
    "CreditGrant",
    "DiscountScope",
    "DocumentSeries",
    "GrantRevocation",
    "GrantUse",
    "Invoice",
    "InvoiceDocument",
    "InvoiceLine",
    "InvoiceTax",
    "LateEntry",
    "LateGrantUse",
    "LateSettlement",
    "LineKind",
    "Mail",
    "MarginRule",
    "Payment",
    "PeriodMove",
    "PeriodUsage",
    "Plan",
    "PlanAllowance",
    "PlanDiscount",
    "PlanFee",
    "PlanVersion",
    "Reservation",
    "Subscription",
    "SubscriptionChange",
    "SubscriptionDiscount",
    "TaxCategory",
    "TaxRate",
    "TopUpBand",
    "TopUpPurchase",
    "TopUpRequest",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookMessage",
    "WebhookSecret",
]
