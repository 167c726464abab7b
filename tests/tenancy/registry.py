"""Who may see which address. An address that is not in here fails the crawl.

Of an object's page, ``who`` are those of the object's own agency (or client): for everybody else
it does not exist. The operator sees everything in the admin, and nothing in the portal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib.contenttypes.models import ContentType

from clients.models import Client
from tests.tenancy.worlds import Deployment

Names = frozenset[str]


def names(*given: str) -> Names:
    return frozenset(given)


# --- The cast ----------------------------------------------------------------------------------

OPERATOR = "operator"
OWNER, MANAGER, FINANCE, VIEWER = "owner", "manager", "finance", "viewer"
CLIENT_ADMIN, CLIENT_VIEWER = "client admin", "client viewer"
ANONYMOUS = "anonymous"

NOBODY = names()
AGENCY = names(OWNER, MANAGER, FINANCE, VIEWER)
STAFF = AGENCY | {OPERATOR}
CLIENTS = names(CLIENT_ADMIN, CLIENT_VIEWER)
SIGNED_IN = STAFF | CLIENTS
EVERYBODY = SIGNED_IN | {ANONYMOUS}

OPERATES = names(OPERATOR)
LEADS = names(OPERATOR, OWNER)
ACTS = names(OPERATOR, OWNER, MANAGER)
TAKES_MONEY = names(OPERATOR, OWNER, MANAGER, FINANCE)


# --- The admin's models ------------------------------------------------------------------------


@dataclass(frozen=True)
class Rights:
    """Who may do what to the rows of a model in the admin, and what else a row's page leads to.

    ``dialogs``: last part of the view's name -> who may. ``views``: pages that whoever reads the
    row may open, and which row that is, by filters.
    """

    reads: Names = STAFF
    adds: Names = NOBODY
    changes: Names = NOBODY
    deletes: Names = NOBODY
    dialogs: tuple[tuple[str, Names], ...] = ()
    views: tuple[tuple[str, dict[str, Any]], ...] = ()
    row: tuple[tuple[str, Any], ...] = ()
    """Which row to look at, where it may not be just any."""


READ = Rights()
OPERATORS_OWN = Rights(reads=OPERATES)

ADMIN: dict[str, Rights] = {
    "clients.Agency": Rights(
        adds=OPERATES,
        changes=LEADS,
        dialogs=(
            ("invite", LEADS),
            ("adjust_earnings", OPERATES),
            ("bank_account", LEADS),
            ("stripe_account", LEADS),
            ("price_again", ACTS),
            ("logo", LEADS),
            ("remove_logo", LEADS),
            ("dunning", LEADS),
        ),
    ),
    "clients.AgencyMember": Rights(changes=LEADS, deletes=LEADS, row=(("role", "viewer"),)),
    "clients.Client": Rights(
        adds=ACTS,
        changes=ACTS,
        dialogs=(
            ("invite", ACTS),
            ("top_up", ACTS),
            ("adjust", ACTS),
            ("set_cap", ACTS),
            ("timezone", ACTS),
            ("credit_waiting", TAKES_MONEY),
            ("end_consent", TAKES_MONEY),
        ),
    ),
    "clients.ClientMember": Rights(changes=ACTS, deletes=ACTS),
    "clients.EventConflict": Rights(dialogs=(("settle", ACTS),)),
    "clients.ExchangeRate": Rights(reads=OPERATES, adds=OPERATES),
    "clients.Meter": READ,
    "clients.ModelPrice": Rights(adds=ACTS),
    "clients.Platform": Rights(reads=OPERATES, changes=OPERATES),
    "clients.UnitTemplate": OPERATORS_OWN,
    "clients.UsageDay": READ,
    "clients.UsageCorrection": READ,
    "clients.UsageEvent": Rights(dialogs=(("correct", ACTS),)),
    "clients.UsageUnit": Rights(dialogs=(("change_meter", ACTS),), views=(("bench", {}),)),
    "clients.UsageWindow": Rights(views=(("explain", {}),)),
    "clients.User": Rights(reads=OPERATES, changes=OPERATES),
    "clients.Workspace": Rights(
        adds=ACTS,
        changes=ACTS,
        dialogs=(
            ("create_key", ACTS),
            ("price_again", ACTS),
            ("top_up", ACTS),
            ("adjust", ACTS),
            ("set_cap", ACTS),
            ("subscribe", ACTS),
        ),
    ),
    "clients.WorkspaceKey": Rights(dialogs=(("revoke", ACTS),)),
    "billing.Alert": Rights(dialogs=(("mark_read", STAFF),)),
    "billing.AlertRule": Rights(adds=ACTS, changes=ACTS),
    "billing.AutomaticPurchase": READ,
    "billing.AutomaticTopUp": Rights(dialogs=(("switch_off", ACTS),)),
    "billing.BillingPeriod": Rights(dialogs=(("close", ACTS),)),
    "billing.Cap": READ,
    "billing.Charge": READ,
    "billing.CreditGrant": Rights(dialogs=(("revoke", ACTS),), views=(("explain", {}),)),
    "billing.ChargeConsent": READ,
    "billing.DocumentSeries": OPERATORS_OWN,
    "billing.DunningSchedule": READ,
    "billing.Invoice": Rights(
        dialogs=(
            ("record_payment", TAKES_MONEY),
            ("use_balance", TAKES_MONEY),
            ("resend", TAKES_MONEY),
            ("credit", TAKES_MONEY),
            ("pause_dunning", TAKES_MONEY),
            ("resume_dunning", TAKES_MONEY),
            ("start_dunning", TAKES_MONEY),
            ("write_off", TAKES_MONEY),
            ("retry", TAKES_MONEY),
        ),
        views=(
            ("pdf", {"document__state": "rendered"}),
            ("xml", {"document__state": "rendered"}),
            ("preview", {"state": "draft"}),
        ),
    ),
    "billing.InvoiceCheckout": Rights(
        dialogs=(("look_again", TAKES_MONEY), ("nothing_paid", TAKES_MONEY))
    ),
    "billing.InvoiceDocument": Rights(dialogs=(("retry", TAKES_MONEY),)),
    "billing.LateSettlement": READ,
    "billing.Mail": Rights(dialogs=(("retry", TAKES_MONEY),)),
    "billing.MarginRule": Rights(adds=ACTS),
    "billing.OverageQuestion": Rights(
        dialogs=(("approve", ACTS), ("refuse", ACTS)), row=(("answer", None),)
    ),
    "billing.ClientBalance": Rights(dialogs=(("refund", TAKES_MONEY), ("adjust", OPERATES))),
    "billing.CreditNote": Rights(
        dialogs=(("retry", TAKES_MONEY),),
        views=(
            ("pdf", {"document__state": "rendered"}),
            ("xml", {"document__state": "rendered"}),
        ),
    ),
    "billing.Dispute": READ,
    "billing.Payment": Rights(dialogs=(("reverse", TAKES_MONEY),)),
    "billing.Refund": Rights(dialogs=(("sent", TAKES_MONEY), ("failed", TAKES_MONEY))),
    "billing.PeriodUsage": Rights(views=(("explain", {}),)),
    "billing.Plan": READ,
    "billing.PlanVersion": Rights(dialogs=(("upgrade", ACTS),), row=(("number", 2),)),
    "billing.Reservation": READ,
    "billing.StripeCustomer": READ,
    "billing.StripeEvent": Rights(
        reads=OPERATES, dialogs=(("replay", OPERATES),), row=(("state", "done"),)
    ),
    "billing.Subscription": Rights(
        dialogs=(
            ("change_plan", ACTS),
            ("pause", ACTS),
            ("resume", ACTS),
            ("end", ACTS),
            ("keep", ACTS),
            ("convert_trial", ACTS),
            ("move_trial_end", ACTS),
            ("add_discount", ACTS),
        )
    ),
    "billing.SubscriptionDiscount": Rights(dialogs=(("end", ACTS),)),
    "billing.Suspension": READ,
    "billing.TaxExemption": Rights(adds=OPERATES),
    "billing.TaxRate": Rights(adds=OPERATES),
    "billing.TopUpConsent": READ,
    "billing.TopUpOrder": Rights(
        dialogs=(
            ("look_again", TAKES_MONEY),
            ("to_balance", TAKES_MONEY),
            ("nothing_paid", TAKES_MONEY),
        )
    ),
    "billing.TopUpPurchase": Rights(dialogs=(("refund", TAKES_MONEY),)),
    "billing.TopUpRequest": Rights(
        dialogs=(("approve", ACTS), ("decline", ACTS)), row=(("state", "pending"),)
    ),
    "billing.UpgradeItem": READ,
    "billing.VersionUpgrade": Rights(dialogs=(("try_again", ACTS),)),
    "billing.WebhookDelivery": Rights(dialogs=(("replay", ACTS),), row=(("state", "delivered"),)),
    "billing.WebhookEndpoint": Rights(
        adds=LEADS, changes=LEADS, dialogs=(("new_secret", LEADS), ("send_test", ACTS))
    ),
    "payouts.AdjustmentRequest": Rights(
        dialogs=(("approve", OPERATES), ("refuse", OPERATES)), row=(("state", "pending"),)
    ),
    "payouts.BankAccount": Rights(dialogs=(("stop", LEADS),)),
    "payouts.BankFile": Rights(reads=OPERATES, dialogs=(("paid", OPERATES),), views=(("csv", {}),)),
    "payouts.Earning": READ,
    "payouts.Payout": Rights(
        dialogs=(
            ("approve", OPERATES),
            ("withdraw", OPERATES),
            ("paid", OPERATES),
            ("failed", OPERATES),
            ("cancel", OPERATES),
            ("resend_statement", TAKES_MONEY),
            ("retry_statement", TAKES_MONEY),
        ),
        views=(("statement", {"document__state": "rendered"}),),
    ),
    "payouts.PayoutTerms": Rights(adds=OPERATES, changes=OPERATES),
    "payouts.PlatformFeeRule": Rights(adds=OPERATES),
    "payouts.StatementDocument": Rights(dialogs=(("retry", TAKES_MONEY),)),
    "payouts.StripeAccount": Rights(dialogs=(("look_again", LEADS),)),
    "payouts.Transfer": Rights(dialogs=(("take_back", OPERATES),)),
}

ACTIONS: dict[str, Names] = {}
"""Actions on chosen rows of a list, by ``app.Model.action``: there are none."""


# --- Everything else ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Page:
    """``who`` gets ``status`` on GET; ``others`` who are signed in, and strangers, get theirs.

    ``posts``: who may send it a form; the crawl sends one as everybody else. None: nobody's form
    is sent, because it ends the session or is open to all.
    """

    who: Names
    status: int = 200
    others: int = 404
    stranger: int = 302
    args: Callable[[Deployment], tuple[Any, ...]] | None = None
    posts: Names | None = NOBODY
    refused: int = 405
    """What people of ``who`` get for a form that is not theirs to send."""

    def is_of_client(self) -> bool:
        """Whether it is a page of one client, and so nobody else's."""
        return self.args is not None and self.who == CLIENTS


def _client(deployment: Deployment) -> tuple[Any, ...]:
    return (deployment.client.pk,)


OF_CLIENT = ("invoices", "invoice_checkouts", "credit_notes")


def _of(name: str, **only: Any) -> Callable[[Deployment], tuple[Any, ...]]:
    """The client's id and that of its first row of a kind."""

    def args(deployment: Deployment) -> tuple[Any, ...]:
        home = deployment.client if name in OF_CLIENT else deployment.workspace
        row = getattr(home, name).filter(**only).order_by("pk").first()
        return (deployment.client.pk, row.pk)

    return args


def _content(deployment: Deployment) -> tuple[Any, ...]:
    return (ContentType.objects.get_for_model(Client).pk, deployment.client.pk)


def _explained(deployment: Deployment) -> tuple[Any, ...]:
    period = deployment.workspace.periods.order_by("start")[0]
    unit = period.plan_version.allowances.order_by("pk")[0].unit
    return (deployment.client.pk, period.pk, unit.pk)


def _offer(deployment: Deployment) -> tuple[Any, ...]:
    period = deployment.workspace.periods.open().order_by("start")[0]
    band = period.plan_version.top_ups.order_by("pk")[0]
    return (deployment.client.pk, deployment.workspace.pk, band.pk)


def _automatic(deployment: Deployment) -> tuple[Any, ...]:
    row = deployment.workspace.automatic_top_ups.order_by("pk")[0]
    return (deployment.client.pk, row.workspace_id, row.unit_id)


def _read_by_clients(args: Callable[[Deployment], tuple[Any, ...]] = _client) -> Page:
    return Page(CLIENTS, args=args)


_DECIDES = names(CLIENT_ADMIN)
_ISSUED = {"state__in": ("issued", "paid"), "document__state": "rendered"}

PAGES: dict[str, Page] = {
    # Signing in, and the doors.
    "home": Page(SIGNED_IN, status=302),
    "setup": Page(NOBODY, stranger=404),
    "account_login": Page(SIGNED_IN, status=302, stranger=200, posts=None),
    "account_logout": Page(SIGNED_IN, posts=None),
    "account_inactive": Page(EVERYBODY),
    "account_change_password": Page(SIGNED_IN, posts=None),
    "account_reset_password": Page(EVERYBODY, posts=None),
    "account_reset_password_done": Page(EVERYBODY),
    "account_reset_password_from_key": Page(
        EVERYBODY, args=lambda _deployment: ("2n9c", "no-such-key"), posts=None
    ),
    "account_reset_password_from_key_done": Page(EVERYBODY),
    # The admin's own.
    "admin:index": Page(STAFF, posts=None),
    "admin:login": Page(SIGNED_IN, status=302, posts=None),
    "admin:logout": Page(STAFF, status=405, posts=None),
    "admin:password_change": Page(STAFF, posts=None),
    "admin:password_change_done": Page(STAFF, posts=None),
    "admin:autocomplete": Page(STAFF, status=403, posts=None),
    "admin:jsi18n": Page(STAFF, posts=None),
    "admin:search": Page(STAFF, posts=None),
    "admin:view_on_site": Page(NOBODY, args=_content, posts=None),
    "admin:app_list": Page(STAFF, args=lambda _deployment: ("billing",), posts=None),
    "admin:billing_invoice_export": Page(TAKES_MONEY, status=302),
    "admin:payouts_payout_run": Page(OPERATES, posts=OPERATES),
    # Stripe's, who comes with a signature.
    "djstripe:djstripe_webhook_by_uuid": Page(
        EVERYBODY,
        status=405,
        args=lambda _deployment: ("0b0c9ad5-3a14-4d5f-9a27-2f1a4f3f5f10",),
        posts=None,
    ),
    # A client's pages.
    "portal:start": Page(CLIENTS, status=302),
    "portal:brand": Page(EVERYBODY, args=lambda _deployment: ("1f4e79",)),
    "portal:usage": _read_by_clients(),
    "portal:top_ups": _read_by_clients(),
    "portal:invoices": _read_by_clients(),
    "portal:explained": _read_by_clients(_explained),
    "portal:package": _read_by_clients(),
    "portal:alerts": _read_by_clients(),
    "portal:alerts_read": Page(CLIENTS, status=302, args=_client, posts=CLIENTS),
    "portal:alerts_own": Page(CLIENTS, status=302, args=_client, posts=_DECIDES, refused=403),
    "portal:question": _read_by_clients(_of("overage_questions")),
    "portal:answer": Page(
        CLIENTS, status=302, args=_of("overage_questions"), posts=_DECIDES, refused=403
    ),
    "portal:caps": _read_by_clients(),
    "portal:caps_own": Page(CLIENTS, status=302, args=_client, posts=_DECIDES, refused=403),
    "portal:bought": _read_by_clients(_of("purchases")),
    "portal:request": _read_by_clients(_of("top_up_requests")),
    "portal:invoice": _read_by_clients(_of("invoices", **_ISSUED)),
    "portal:invoice_pdf": _read_by_clients(_of("invoices", **_ISSUED)),
    "portal:invoice_pay": Page(
        CLIENTS, status=302, args=_of("invoices", **_ISSUED), posts=_DECIDES, refused=403
    ),
    "portal:invoice_payment": _read_by_clients(_of("invoice_checkouts")),
    "portal:credit_note": _read_by_clients(_of("credit_notes")),
    "portal:credit_note_pdf": _read_by_clients(_of("credit_notes")),
    "portal:credit_note_xml": _read_by_clients(_of("credit_notes")),
    "portal:balance": _read_by_clients(),
    "portal:invoice_xml": _read_by_clients(_of("invoices", **_ISSUED)),
    "portal:offer": _read_by_clients(_offer),
    "portal:buy": Page(CLIENTS, status=302, args=_offer, posts=_DECIDES, refused=403),
    "portal:order": _read_by_clients(_of("top_up_orders")),
    "portal:order_cancel": Page(
        CLIENTS, status=302, args=_of("top_up_orders"), posts=_DECIDES, refused=403
    ),
    "portal:order_confirm": Page(
        CLIENTS, status=302, args=_of("top_up_orders"), posts=_DECIDES, refused=403
    ),
    "portal:automatic": _read_by_clients(),
    "portal:automatic_one": _read_by_clients(_automatic),
    "portal:automatic_terms": Page(CLIENTS, status=302, args=_automatic),
    "portal:automatic_on": Page(CLIENTS, status=302, args=_automatic, posts=_DECIDES, refused=403),
    "portal:automatic_off": Page(CLIENTS, status=302, args=_automatic, posts=_DECIDES, refused=403),
    "portal:automatic_resume": Page(
        CLIENTS, status=302, args=_automatic, posts=_DECIDES, refused=403
    ),
    "portal:card": _read_by_clients(),
    "portal:card_change": Page(CLIENTS, status=302, args=_client, posts=_DECIDES, refused=403),
    "portal:card_saved": Page(CLIENTS, status=302, args=_client),
    "portal:card_due_dates": Page(CLIENTS, status=302, args=_client, posts=_DECIDES, refused=403),
    "portal:card_remove": Page(CLIENTS, status=302, args=_client, posts=_DECIDES, refused=403),
    "portal:ask": Page(CLIENTS, status=302, args=_offer, posts=CLIENTS),
    "portal:approve": Page(
        CLIENTS, status=302, args=_of("top_up_requests"), posts=_DECIDES, refused=403
    ),
    "portal:decline": Page(
        CLIENTS, status=302, args=_of("top_up_requests"), posts=_DECIDES, refused=403
    ),
}


@dataclass(frozen=True)
class Call:
    """A call of the API with a workspace's key. ``row``: the kind of row its address names."""

    method: str = "get"
    body: dict[str, Any] | None = None
    row: str = ""
    is_public: bool = False
    query: str = ""


_EVENT = {"id": "crawled", "unit": "{unit}"}

CALLS: dict[str, Call] = {
    "api:events": Call("post", _EVENT),
    "api:corrections": Call(
        "post",
        {
            "event_id": "{event}",
            "source": "{source}",
            "quantity": "899",
            "reason": "Counted by hand",
        },
    ),
    "api:usage": Call(),
    "api:balance": Call(),
    "api:explanation": Call(query="unit={unit}"),
    "api:reservations": Call("post", {"unit": "{unit}", "quantity": "1"}),
    "api:commit": Call("post", {"id": "committed", "unit": "{unit}"}, row="reservation"),
    "api:release": Call("post", {}, row="reservation"),
    "api:schema": Call(is_public=True),
    "api:docs": Call(is_public=True),
}

UNNAMED = {
    "admin/(?P<url>.*)$": "Django's catch-all: 404, or a slash appended",
}
"""Addresses without a name, but for the admin's short addresses of rows."""
