"""The sidebar: what the person may open, in the order of a month."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from agencyportal.core.powers import powers_in

ONE_AGENCY = "agency"
OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Entry:
    """A link in the sidebar. ``only``: whom it is for; empty: everybody who comes in."""

    title: str
    icon: str
    view: str
    query: str = ""
    only: str = ""


HOME = Entry("Home", "home", "index")

GROUPS: tuple[tuple[str, tuple[Entry, ...]], ...] = (
    ("", (HOME,)),
    (
        "Clients",
        (
            Entry("Clients", "groups", "clients_client_changelist"),
            Entry("Workspaces", "deployed_code", "clients_workspace_changelist"),
            Entry("Top-up requests", "hourglass_top", "billing_topuprequest_changelist"),
            Entry("Portal people", "badge", "clients_clientmember_changelist"),
        ),
    ),
    (
        "Usage",
        (
            Entry("Usage now", "speed", "clients_usagewindow_changelist", "?limit=running"),
            Entry("By day and label", "calendar_view_day", "clients_usageday_changelist"),
            Entry("Events", "bolt", "clients_usageevent_changelist"),
            Entry("Conflicting reports", "call_split", "clients_eventconflict_changelist"),
            Entry("Late usage", "history", "billing_latesettlement_changelist"),
            Entry("Corrections", "edit_note", "clients_usagecorrection_changelist"),
            Entry("Alerts", "notifications", "billing_alert_changelist"),
            Entry("Alert rules", "notification_settings", "billing_alertrule_changelist"),
            Entry("Reservations", "lock_clock", "billing_reservation_changelist"),
            Entry("Questions", "contact_support", "billing_overagequestion_changelist"),
            Entry("Caps", "vertical_align_top", "billing_cap_changelist"),
        ),
    ),
    (
        "Billing",
        (
            Entry("Invoices", "receipt_long", "billing_invoice_changelist"),
            Entry("Credit notes", "assignment_return", "billing_creditnote_changelist"),
            Entry("Payments", "payments", "billing_payment_changelist"),
            Entry("Paid online", "credit_card", "billing_invoicecheckout_changelist"),
            Entry("Suspensions", "block", "billing_suspension_changelist", "?suspension=open"),
            Entry("Refunds", "undo", "billing_refund_changelist"),
            Entry("Disputes", "report", "billing_dispute_changelist"),
            Entry("Balances", "account_balance_wallet", "billing_clientbalance_changelist"),
            Entry("Charges", "request_quote", "billing_charge_changelist"),
            Entry("Periods", "date_range", "billing_billingperiod_changelist"),
            Entry("Credit", "redeem", "billing_creditgrant_changelist"),
            Entry("Top-ups", "add_shopping_cart", "billing_topuppurchase_changelist"),
            Entry("Top-up orders", "shopping_cart_checkout", "billing_topuporder_changelist"),
            Entry("Automatic top-ups", "autorenew", "billing_automatictopup_changelist"),
            Entry("Bought automatically", "bolt", "billing_automaticpurchase_changelist"),
            Entry("Consents", "verified_user", "billing_topupconsent_changelist"),
            Entry("Mail", "mail", "billing_mail_changelist"),
        ),
    ),
    (
        "Earnings",
        (
            Entry("Payout run", "fact_check", "payouts_payout_run", only=OPERATOR),
            Entry("Payouts", "account_balance", "payouts_payout_changelist"),
            Entry("Earnings", "trending_up", "payouts_earning_changelist"),
            Entry("Transfers", "send_money", "payouts_transfer_changelist"),
            Entry("Bank accounts", "account_balance_wallet", "payouts_bankaccount_changelist"),
            Entry("Stripe accounts", "linked_services", "payouts_stripeaccount_changelist"),
            Entry("Bank files", "draft", "payouts_bankfile_changelist", only=OPERATOR),
            Entry("Adjustments", "exposure", "payouts_adjustmentrequest_changelist"),
            Entry("Payout terms", "handshake", "payouts_payoutterms_changelist"),
            Entry("Platform fees", "percent", "payouts_platformfeerule_changelist"),
        ),
    ),
    (
        "Offer",
        (
            Entry("Packages", "inventory_2", "billing_plan_changelist"),
            Entry("Subscriptions", "autorenew", "billing_subscription_changelist"),
            Entry("Upgrades", "upgrade", "billing_versionupgrade_changelist"),
            Entry("Discounts", "percent", "billing_subscriptiondiscount_changelist"),
            Entry("Units", "straighten", "clients_usageunit_changelist"),
            Entry("Margin rules", "tune", "billing_marginrule_changelist"),
            Entry("Tax rates", "gavel", "billing_taxrate_changelist"),
            Entry("Tax exemptions", "verified", "billing_taxexemption_changelist"),
            Entry("Model prices", "sell", "clients_modelprice_changelist"),
        ),
    ),
    (
        "Agency",
        (
            Entry("Profile", "storefront", "clients_agency_changelist", only=ONE_AGENCY),
            Entry("People", "group", "clients_agencymember_changelist", only=ONE_AGENCY),
            Entry("Dunning", "schedule_send", "billing_dunningschedule_changelist"),
            Entry("Charges on due dates", "event_repeat", "billing_chargeconsent_changelist"),
            Entry("Webhooks", "webhook", "billing_webhookendpoint_changelist"),
            Entry("Webhook deliveries", "outbox", "billing_webhookdelivery_changelist"),
        ),
    ),
    (
        "Platform",
        (
            Entry("Agencies", "storefront", "clients_agency_changelist", only=OPERATOR),
            Entry("Agencies' people", "group", "clients_agencymember_changelist", only=OPERATOR),
            Entry("Users", "person", "clients_user_changelist", only=OPERATOR),
            Entry("Platform", "domain", "clients_platform_changelist", only=OPERATOR),
            Entry(
                "Exchange rates",
                "currency_exchange",
                "clients_exchangerate_changelist",
                only=OPERATOR,
            ),
            Entry("Stripe events", "bolt", "billing_stripeevent_changelist", only=OPERATOR),
            Entry(
                "Stripe customers",
                "credit_card",
                "billing_stripecustomer_changelist",
                only=OPERATOR,
            ),
            Entry("Number series", "tag", "billing_documentseries_changelist", only=OPERATOR),
            Entry("Unit catalogue", "category", "clients_unittemplate_changelist", only=OPERATOR),
        ),
    ),
)


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """What Unfold shows in the sidebar, for whoever asks."""
    kind = OPERATOR if powers_in(request).everything else ONE_AGENCY
    groups = []
    here = _here(request)
    for title, entries in GROUPS:
        items = [_item(entry, here) for entry in entries if entry.only in ("", kind)]
        if items:
            groups.append({"title": title, "items": items, "separator": False})
    return groups


def _here(request: HttpRequest) -> str:
    """The address of the entry that the page is of: of several that lead to it, the nearest."""
    paths = (reverse(f"admin:{entry.view}") for _title, entries in GROUPS for entry in entries)
    home = reverse(f"admin:{HOME.view}")
    found = [path for path in paths if request.path.startswith(path) and path != home]
    return home if request.path == home else max(found, key=len, default="")


def _item(entry: Entry, here: str) -> dict[str, Any]:
    path = reverse(f"admin:{entry.view}")
    is_here = path == here
    return {
        "title": entry.title,
        "icon": entry.icon,
        "link": f"{path}{entry.query}",
        "active": is_here,
    }
