"""What clients pay: plans, subscriptions, periods, credit, charges, invoices, payments."""

from .alerts import Alert, AlertCrossing, AlertKind, AlertRule, AlertsRead
from .automatic_top_ups import (
    AutomaticPurchase,
    AutomaticTopUp,
    AutomaticTopUpEvent,
    AutomaticTopUpMonth,
    TopUpConsent,
)
from .balance import BalanceEntry, ClientBalance
from .caps import Cap
from .credit_notes import CreditNote, CreditNoteDocument, CreditNoteLine, CreditNoteTax
from .credits import CreditGrant, GrantRevocation, GrantUse, PeriodUsage, TopUpPurchase
from .discounts import DiscountScope, PlanDiscount, SubscriptionDiscount
from .dunning import (
    ChargeConsent,
    Dunning,
    DunningEntry,
    DunningSchedule,
    Suspension,
)
from .e_invoices import EInvoicedDocument
from .invoice_checkouts import InvoiceCheckout
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
from .movements import InvoiceMovement, WriteOff
from .orders import TopUpOrder
from .payments import Payment, PaymentReversal
from .plans import CollectedBy, Plan, PlanAllowance, PlanFee, PlanVersion, TopUpBand
from .questions import OverageAnswer, OverageQuestion
from .refunds import Dispute, Refund
from .requests import TopUpRequest
from .reservations import Reservation
from .stripe import StripeCustomer, StripeEvent
from .subscriptions import BillingPeriod, Subscription
from .tax import TaxCategory, TaxExemption, TaxRate
from .upgrades import UpgradeItem, VersionUpgrade
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
    "AutomaticPurchase",
    "AutomaticTopUp",
    "AutomaticTopUpEvent",
    "AutomaticTopUpMonth",
    "BalanceEntry",
    "BillingPeriod",
    "Cap",
    "Charge",
    "ChargeConsent",
    "ChargeVoid",
    "ClientBalance",
    "CollectedBy",
    "CreditGrant",
    "CreditNote",
    "CreditNoteDocument",
    "CreditNoteLine",
    "CreditNoteTax",
    "DiscountScope",
    "Dispute",
    "DocumentSeries",
    "Dunning",
    "DunningEntry",
    "DunningSchedule",
    "EInvoicedDocument",
    "GrantRevocation",
    "GrantUse",
    "Invoice",
    "InvoiceCheckout",
    "InvoiceDocument",
    "InvoiceLine",
    "InvoiceMovement",
    "InvoiceTax",
    "LateEntry",
    "LateGrantUse",
    "LateSettlement",
    "LineKind",
    "Mail",
    "MarginRule",
    "OverageAnswer",
    "OverageQuestion",
    "Payment",
    "PaymentReversal",
    "PeriodMove",
    "PeriodUsage",
    "Plan",
    "PlanAllowance",
    "PlanDiscount",
    "PlanFee",
    "PlanVersion",
    "Refund",
    "Reservation",
    "StripeCustomer",
    "StripeEvent",
    "Subscription",
    "SubscriptionChange",
    "SubscriptionDiscount",
    "Suspension",
    "TaxCategory",
    "TaxExemption",
    "TaxRate",
    "TopUpBand",
    "TopUpConsent",
    "TopUpOrder",
    "TopUpPurchase",
    "TopUpRequest",
    "UpgradeItem",
    "VersionUpgrade",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookMessage",
    "WebhookSecret",
    "WriteOff",
]
