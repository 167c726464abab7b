"""Top-ups that are paid at once: granted once, whatever comes late, twice or in another order."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal
from typing import Any

import pytest
from django.urls import reverse

from billing.models import (
    BalanceEntry,
    CreditGrant,
    Dunning,
    Invoice,
    InvoiceDocument,
    Mail,
    Payment,
    PaymentReversal,
    TaxRate,
    TopUpBand,
    TopUpOrder,
    TopUpPurchase,
)
from billing.refusals import NotAdmittedError, RefusedError
from billing.services import order_fulfilment
from billing.services.caps import set_cap
from billing.services.drafting import draft_invoices
from billing.services.dunning import dun_due_invoices
from billing.services.invoicing import issue_due_invoices
from billing.services.order_fulfilment import move_to_balance
from billing.services.stripe_attempts import ASKED_AGAIN_FOR, LOST
from billing.services.stripe_customers import ensure_customer, read_card
from billing.services.subscriptions import end
from billing.services.top_up_orders import (
    begin_payment,
    cancel_order,
    look_at_open_orders,
    look_at_order,
    page_of,
    place_order,
)
from billing.stripe_gateway import OffError, UnreachableError
from clients.models import User, Workspace
from payouts.models import Earning
from payouts.reconcile.books import reconcile
from payouts.reconcile.findings import Checked
from payouts.reconcile.scope import Scope
from payouts.services.earnings import post_due_earnings
from tests.billing.plan_samples import NEW_YORK_2026, starter
from tests.billing.story import subscribe
from tests.stripe_double import StripeDouble
from tests.stripe_fixtures import deliver, endpoint, stripe, stripe_server

__all__ = ["deliver", "endpoint", "stripe", "stripe_server"]

pytestmark = pytest.mark.django_db

MARCH = NEW_YORK_2026[3]
CARD, PAGE = TopUpOrder.Method.CARD, TopUpOrder.Method.PAGE


@pytest.fixture(autouse=True)
def _noon(now: dt.datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)


@pytest.fixture
def band(acme_support: Workspace, conversation: Any) -> TopUpBand:
    """Growth 500 for 60.00, sold to Acme's support chat in March."""
    return subscribe(acme_support, starter(), MARCH).plan_version.top_ups.get()


@pytest.fixture
def vat(acme_support: Workspace) -> TaxRate:
    return TaxRate.objects.create(
        agency=acme_support.agency,
        country="US",
        category="S",
        percent=Decimal("8.875"),
        effective_from=dt.date(2020, 1, 1),
    )


def order(band: TopUpBand, workspace: Workspace, now: dt.datetime, key: str = "one", **more: Any):
    given: dict[str, Any] = {"method": PAGE, "buyer": None}
    return place_order(workspace=workspace, band=band, now=now, key=key, **{**given, **more})


@pytest.fixture
def ordered(
    stripe: StripeDouble, band: TopUpBand, acme_support: Workspace, now: dt.datetime
) -> TopUpOrder:
    """Ordered, with Stripe's page open."""
    return begin_payment(order=order(band, acme_support, now), now=now)


@pytest.fixture
def card(stripe: StripeDouble, acme_support: Workspace, now: dt.datetime) -> Any:
    """Saves a card of some kind for Acme."""

    def save(way: str = "card") -> str:
        customer = ensure_customer(client=acme_support.client, now=now)
        stripe.save_card(customer.customer_id, way)
        return read_card(customer=customer, now=now).card_id

    return save


def pay(stripe: StripeDouble, found: TopUpOrder, way: str = "card") -> str:
    """Somebody pays on the page; the payment's id."""
    assert found.session_id
    return str(stripe.pay(found.session_id, way)["payment_intent"])


def granted() -> tuple[int, int, int, int]:
    """How many purchases, grants, paid invoices and payments of orders there are."""
    return (
        TopUpPurchase.objects.count(),
        CreditGrant.objects.filter(kind="top_up").count(),
        Invoice.objects.filter(order__isnull=False, state="paid").count(),
        Payment.objects.filter(key__startswith="order:").count(),
    )


def differences() -> list[str]:
    """What the books do not prove."""
    return [str(found) for found in reconcile(Scope(None)) if not isinstance(found, Checked)]


# --- Paid on Stripe's page ---------------------------------------------------------------------


def test_what_is_asked_for_is_what_is_shown(
    stripe: StripeDouble, band: TopUpBand, vat: TaxRate, acme_support: Workspace, now: dt.datetime
) -> None:
    """60.00 and 8.875 % of it, rounded half up: 65.33."""
    placed = begin_payment(order=order(band, acme_support, now), now=now)

    assert (placed.net, placed.tax, placed.gross) == (60, Decimal("5.33"), Decimal("65.33"))
    session = stripe.last("checkout.session")
    assert (session["amount_total"], session["currency"]) == (6533, "usd")
    names = [line["price_data"]["product_data"]["name"] for line in session["_lines"]]
    assert names == ["Growth 500", "Tax"]
    assert session["success_url"] == f"{page_of(placed)}?back=paid"
    assert page_of(placed).endswith(
        reverse("portal:order", args=[acme_support.client_id, placed.pk])
    )
    assert placed.pay_url == session["url"]
    assert granted() == (0, 0, 0, 0)


def test_paid_it_is_granted_with_an_invoice_that_says_so(
    stripe: StripeDouble, ordered: TopUpOrder, now: dt.datetime
) -> None:
    intent_id = pay(stripe, ordered)
    done = look_at_order(order=ordered, now=now)

    assert (done.state, done.intent_id, done.trouble) == ("paid", intent_id, "")
    assert granted() == (1, 1, 1, 1)
    grant = CreditGrant.objects.get(purchase=done.purchase)
    assert (grant.quantity, grant.effective_at) == (500, now)
    invoice = done.invoice
    assert (invoice.state, invoice.total, invoice.amount_paid) == ("paid", 60, 60)
    assert (invoice.lines.get().charge.key, invoice.due_date) == (
        f"top_up:{done.purchase_id}",
        None,
    )
    said = invoice.snapshot or {}
    assert said["payments"][0]["description"] == "Paid by card"
    assert Decimal(said["totals"]["due"]) == 0
    payment = Payment.objects.get()
    assert (payment.method, payment.provider_id, payment.kept) == ("card", intent_id, 0)
    assert InvoiceDocument.objects.filter(invoice=invoice).exists()
    assert Mail.objects.filter(key=f"invoice:{invoice.number}").exists()


def test_it_is_not_invoiced_again_at_the_periods_end(
    stripe: StripeDouble, ordered: TopUpOrder, now: dt.datetime
) -> None:
    pay(stripe, ordered)
    done = look_at_order(order=ordered, now=now)
    end_of_march = NEW_YORK_2026[4] + dt.timedelta(days=2)

    draft_invoices(now=end_of_march)
    issue_due_invoices(now=end_of_march)

    line = done.invoice.lines.get()
    assert Invoice.objects.filter(lines__charge=line.charge).count() == 1


def test_several_orders_have_an_invoice_each(
    stripe: StripeDouble, band: TopUpBand, acme_support: Workspace, now: dt.datetime
) -> None:
    for key in ("one", "two"):
        placed = begin_payment(order=order(band, acme_support, now, key), now=now)
        pay(stripe, placed)
        look_at_order(order=placed, now=now)
    assert granted() == (2, 2, 2, 2)


def test_events_late_twice_and_in_any_order_grant_once(
    stripe: StripeDouble, ordered: TopUpOrder, now: dt.datetime, deliver: Any
) -> None:
    pay(stripe, ordered)
    told = stripe.events * 3
    random.Random(11).shuffle(told)
    for event in told:
        assert deliver(event).status_code == 200
    for _ in range(3):
        ordered.refresh_from_db()
        look_at_order(order=ordered, now=now)
    assert granted() == (1, 1, 1, 1)


def test_the_last_event_alone_is_enough(
    stripe: StripeDouble, ordered: TopUpOrder, deliver: Any
) -> None:
    pay(stripe, ordered)
    deliver(stripe.events[-1])
    assert granted() == (1, 1, 1, 1)


def test_an_event_from_before_the_payment_changes_nothing(
    stripe: StripeDouble, ordered: TopUpOrder, now: dt.datetime, deliver: Any
) -> None:
    """A failure that was told of after the success reads that it has succeeded."""
    with pytest.raises(Exception, match="declined"):
        stripe.pay(ordered.session_id or "", "declined")
    pay(stripe, ordered)
    failed = [e for e in stripe.events if e["type"] == "payment_intent.payment_failed"]
    look_at_order(order=ordered, now=now)
    deliver(failed[0])
    ordered.refresh_from_db()
    assert (ordered.state, granted()) == ("paid", (1, 1, 1, 1))


def test_without_any_event_the_tick_finds_it(
    stripe: StripeDouble, ordered: TopUpOrder, now: dt.datetime
) -> None:
    pay(stripe, ordered)
    assert look_at_open_orders(now=now, limit=10) == 0
    assert look_at_open_orders(now=now + dt.timedelta(minutes=2), limit=10) == 1
    assert granted() == (1, 1, 1, 1)
    assert look_at_open_orders(now=now + dt.timedelta(days=2), limit=10) == 0


def test_one_form_is_one_order_and_one_page(
    stripe: StripeDouble, band: TopUpBand, acme_support: Workspace, now: dt.datetime
) -> None:
    first = begin_payment(order=order(band, acme_support, now), now=now)
    again = begin_payment(order=order(band, acme_support, now), now=now)
    assert (first.pk, first.session_id) == (again.pk, again.session_id)
    assert len(stripe.rows("checkout.session")) == 1


def test_an_answer_that_was_lost_is_the_same_page(
    stripe: StripeDouble, band: TopUpBand, acme_support: Workspace, now: dt.datetime
) -> None:
    ensure_customer(client=acme_support.client, now=now)
    placed = order(band, acme_support, now)
    stripe.breaks = ["lose"] * 2
    with pytest.raises(UnreachableError):
        begin_payment(order=placed, now=now)
    placed.refresh_from_db()
    assert (placed.state, placed.session_id) == ("pending", None)
    again = begin_payment(order=placed, now=now)
    assert again.session_id == stripe.last("checkout.session")["id"]
    assert len(stripe.rows("checkout.session")) == 1


def test_a_bank_debit_is_on_its_way_for_days_and_then_paid(
    stripe: StripeDouble, ordered: TopUpOrder, now: dt.datetime, deliver: Any
) -> None:
    intent_id = pay(stripe, ordered, "debit")
    waiting = look_at_order(order=ordered, now=now)
    assert (waiting.state, granted()) == ("processing", (0, 0, 0, 0))
    stripe.settle(intent_id)
    deliver(stripe.events[-1])
    waiting.refresh_from_db()
    assert (waiting.state, granted()) == ("paid", (1, 1, 1, 1))
    assert Payment.objects.get().method == "direct_debit"


def test_a_bank_debit_that_bounces_grants_nothing(
    stripe: StripeDouble, ordered: TopUpOrder, now: dt.datetime, deliver: Any
) -> None:
    intent_id = pay(stripe, ordered, "debit")
    stripe.bounce(intent_id)
    for event in stripe.events:
        deliver(event)
    ordered.refresh_from_db()
    assert (ordered.state, ordered.failure) == ("failed", "The bank declined the payment.")
    assert granted() == (0, 0, 0, 0)


def test_a_page_that_nobody_pays_expires(
    stripe: StripeDouble, ordered: TopUpOrder, now: dt.datetime, deliver: Any
) -> None:
    stripe.expire(ordered.session_id or "")
    deliver(stripe.events[-1])
    ordered.refresh_from_db()
    assert ordered.state == "expired"


def test_a_cancelled_order_cannot_be_paid_and_a_paid_one_is_not_cancelled(
    stripe: StripeDouble, ordered: TopUpOrder, band: TopUpBand, acme_support: Any, now: dt.datetime
) -> None:
    assert cancel_order(order=ordered, now=now).state == "cancelled"
    with pytest.raises(Exception, match="expired"):
        pay(stripe, ordered)
    other = begin_payment(order=order(band, acme_support, now, "two"), now=now)
    pay(stripe, other)
    assert cancel_order(order=other, now=now).state == "paid"
    assert granted() == (1, 1, 1, 1)


def test_a_debit_that_its_bank_returns_makes_the_orders_invoice_due_and_asked_for(
    stripe: StripeDouble, ordered: TopUpOrder, deliver: Any, now: dt.datetime
) -> None:
    """It was issued paid, so it has no due date: days count from its issue."""
    intent = pay(stripe, ordered, "debit")
    stripe.settle(intent)
    look_at_order(order=ordered, now=now)
    invoice = Invoice.objects.get(order=ordered)
    assert (invoice.state, invoice.due_date) == ("paid", None)
    assert not Dunning.objects.filter(invoice=invoice).exists()
    stripe.return_debit(intent, "debit_not_authorized")
    for event in [*stripe.events, *stripe.events]:
        deliver(event)
    invoice.refresh_from_db()
    assert (invoice.state, invoice.amount_due) == ("issued", Decimal(60))
    back = PaymentReversal.objects.get()
    assert (back.cause, back.reason) == ("bounced", "The account's holder had it returned.")
    dun_due_invoices(now=now + dt.timedelta(days=3), limit=10)
    assert Mail.objects.filter(key=f"dunning:{invoice.number}:3").exists()
    assert differences() == []


# --- By the saved card -------------------------------------------------------------------------


def test_the_saved_card_is_charged_once(
    stripe: StripeDouble, band: TopUpBand, card: Any, acme_support: Workspace, now: dt.datetime
) -> None:
    card()
    for _ in range(3):
        placed = begin_payment(order=order(band, acme_support, now, method=CARD), now=now)
        assert placed.state == "paid"
    assert granted() == (1, 1, 1, 1)
    assert len(stripe.rows("charge")) == 1


def test_after_a_lost_answer_the_tick_charges_once(
    stripe: StripeDouble, band: TopUpBand, card: Any, acme_support: Workspace, now: dt.datetime
) -> None:
    card()
    placed = order(band, acme_support, now, method=CARD)
    stripe.breaks = ["lose"] * 2
    with pytest.raises(UnreachableError):
        begin_payment(order=placed, now=now)
    card("other card")  # which is not the one that was asked for
    assert look_at_open_orders(now=now + dt.timedelta(minutes=1), limit=10) == 1
    assert granted() == (1, 1, 1, 1)
    assert len(stripe.rows("payment_intent")) == 1


@pytest.mark.parametrize("answer", ["drop", "lose"])
def test_cancelled_without_an_answer_it_is_looked_for_at_stripe_first(
    stripe: StripeDouble,
    band: TopUpBand,
    card: Any,
    acme_support: Workspace,
    now: dt.datetime,
    answer: str,
) -> None:
    """Dropped, Stripe never heard of it; lost, the card was charged, and it is bought."""
    card()
    placed = order(band, acme_support, now, method=CARD)
    stripe.breaks = [answer] * 2
    with pytest.raises(UnreachableError):
        begin_payment(order=placed, now=now)
    with pytest.raises(UnreachableError, match="has not said yet"):
        cancel_order(order=placed, now=now + dt.timedelta(seconds=30))

    later = now + dt.timedelta(minutes=3)
    was_charged = answer == "lose"
    found = cancel_order(order=placed, now=later)
    assert found.state == ("paid" if was_charged else "cancelled")
    look_at_open_orders(now=later, limit=10)
    assert len(stripe.rows("payment_intent")) == was_charged
    assert granted() == (was_charged,) * 4


def test_what_another_program_notes_on_its_payments_changes_no_order(
    stripe: StripeDouble,
    band: TopUpBand,
    card: Any,
    deliver: Any,
    acme_support: Workspace,
    now: dt.datetime,
) -> None:
    """A shop that charges by the same account numbers its orders, too."""
    card()
    placed = order(band, acme_support, now, method=CARD)
    shop = stripe.api.payments
    stranger = stripe.api._customer({})["id"]
    paid = shop.create(
        {
            "amount": "999",
            "currency": "usd",
            "customer": stranger,
            "payment_method": "pm_card_visa",
            "confirm": "true",
            "metadata": {"order": str(placed.pk)},
        }
    )
    assert paid["status"] == "succeeded"
    for event in stripe.events:
        assert deliver(event).status_code == 200
    placed.refresh_from_db()
    assert (placed.state, placed.trouble, placed.intent_id) == ("pending", "", None)
    assert begin_payment(order=placed, now=now).state == "paid"


def test_an_answer_that_stays_lost_is_somebodys_to_look_at(
    stripe: StripeDouble, band: TopUpBand, card: Any, acme_support: Workspace, now: dt.datetime
) -> None:
    card()
    placed = order(band, acme_support, now, method=CARD)
    look_at_open_orders(now=now + ASKED_AGAIN_FOR, limit=10)
    placed.refresh_from_db()
    assert (placed.state, placed.trouble) == ("failed", LOST)
    assert stripe.rows("charge") == []


def test_a_declined_card_says_why_and_grants_nothing(
    stripe: StripeDouble,
    band: TopUpBand,
    card: Any,
    acme_support: Workspace,
    now: dt.datetime,
    deliver: Any,
) -> None:
    card("no funds")
    placed = begin_payment(order=order(band, acme_support, now, method=CARD), now=now)
    assert (placed.state, placed.failure) == ("failed", "There is not enough money on the card.")
    for event in stripe.events:
        deliver(event)
    placed.refresh_from_db()
    assert (placed.state, placed.failure) == ("failed", "There is not enough money on the card.")
    assert granted() == (0, 0, 0, 0)


@pytest.mark.parametrize("is_confirmed", [True, False])
def test_a_card_that_asks_for_its_holder(
    stripe: StripeDouble,
    band: TopUpBand,
    card: Any,
    acme_support: Workspace,
    now: dt.datetime,
    is_confirmed: bool,
) -> None:
    card("3ds always")
    placed = begin_payment(order=order(band, acme_support, now, method=CARD), now=now)
    assert (placed.state, placed.intent_id) == ("pending", stripe.last("payment_intent")["id"])
    assert placed.pay_url == f"{stripe.url}/authenticate/{placed.intent_id}"
    stripe.authenticate(placed.intent_id or "", ok=is_confirmed)
    done = look_at_order(order=placed, now=now)
    assert done.state == ("paid" if is_confirmed else "failed")
    assert granted() == ((1, 1, 1, 1) if is_confirmed else (0, 0, 0, 0))
    if not is_confirmed:
        assert done.failure == "The payment was not confirmed with the bank."


# --- Refused before anything is paid -----------------------------------------------------------


def test_what_could_not_be_granted_is_not_ordered(
    stripe: StripeDouble,
    band: TopUpBand,
    acme_support: Workspace,
    acme_docs: Workspace,
    operator: User,
    now: dt.datetime,
) -> None:
    with pytest.raises(RefusedError, match="no open period"):
        order(band, acme_docs, now)
    with pytest.raises(RefusedError, match="no saved card"):
        order(band, acme_support, now, method=CARD)
    set_cap(
        agency=acme_support.agency,
        kind="spend",
        limit=Decimal(50),
        now=now,
        set_by=operator,
        workspace=acme_support,
    )
    with pytest.raises(NotAdmittedError, match="would pass the cap"):
        order(band, acme_support, now)
    assert not TopUpOrder.objects.exists()
    assert granted() == (0, 0, 0, 0)


def test_without_stripe_nothing_is_ordered(
    band: TopUpBand, acme_support: Workspace, now: dt.datetime
) -> None:
    with pytest.raises(OffError):
        order(band, acme_support, now)
    assert look_at_open_orders(now=now, limit=10) == 0


def test_rehearsing_leaves_nothing_behind(
    stripe: StripeDouble, band: TopUpBand, acme_support: Workspace, now: dt.datetime
) -> None:
    order(band, acme_support, now)
    assert granted() == (0, 0, 0, 0)


# --- Paid, and the world has changed -----------------------------------------------------------


def test_a_cap_that_filled_up_meanwhile_does_not_keep_what_was_paid(
    stripe: StripeDouble,
    ordered: TopUpOrder,
    acme_support: Workspace,
    operator: User,
    now: dt.datetime,
) -> None:
    set_cap(
        agency=acme_support.agency,
        kind="spend",
        limit=Decimal(10),
        now=now,
        set_by=operator,
        workspace=acme_support,
    )
    pay(stripe, ordered)
    assert look_at_order(order=ordered, now=now).state == "paid"
    assert granted() == (1, 1, 1, 1)


def test_without_a_package_the_money_goes_to_the_balance(
    stripe: StripeDouble,
    ordered: TopUpOrder,
    acme_support: Workspace,
    now: dt.datetime,
    deliver: Any,
) -> None:
    end(
        subscription=acme_support.subscriptions.get(),
        end=now,
        now=now,
        ended_by=None,
        reason="They leave",
    )
    pay(stripe, ordered)
    later = now + dt.timedelta(hours=1)
    done = look_at_order(order=ordered, now=later)
    for event in stripe.events:
        deliver(event)
    assert (done.state, done.purchase, done.trouble) == ("paid", None, "")
    assert "on your balance" in done.failure
    entry = BalanceEntry.objects.get()
    assert (entry.amount, entry.kind) == (60, "adjustment")
    assert granted() == (0, 0, 0, 0)


def test_a_tax_rate_that_changed_meanwhile_loses_nobody_money(
    stripe: StripeDouble, ordered: TopUpOrder, vat: TaxRate, now: dt.datetime
) -> None:
    """60.00 was asked for, and the invoice of the day comes to 65.33: 5.33 stay due."""
    pay(stripe, ordered)
    invoice = look_at_order(order=ordered, now=now).invoice
    assert (invoice.total, invoice.amount_paid, invoice.state) == (
        Decimal("65.33"),
        60,
        "partially_paid",
    )


def test_what_was_paid_too_much_is_the_clients(
    stripe: StripeDouble, band: TopUpBand, vat: TaxRate, acme_support: Workspace, now: dt.datetime
) -> None:
    placed = begin_payment(order=order(band, acme_support, now), now=now)
    TaxRate.objects.create(
        agency=vat.agency, country="US", category="Z", percent=0, effective_from=now.date()
    )
    pay(stripe, placed)
    invoice = look_at_order(order=placed, now=now).invoice
    assert (invoice.total, invoice.state) == (60, "paid")
    assert BalanceEntry.objects.get().amount == Decimal("5.33")
    assert differences() == []


def test_a_payment_of_another_amount_is_somebodys_to_look_at(
    stripe: StripeDouble, ordered: TopUpOrder, now: dt.datetime
) -> None:
    intent_id = pay(stripe, ordered)
    stripe.book.rows[intent_id]["amount_received"] = 5000
    done = look_at_order(order=ordered, now=now)
    assert done.state == "paid"
    assert "the order asks for $60.00" in done.trouble
    assert granted() == (0, 0, 0, 0)


def test_what_could_not_be_granted_is_tried_again_or_put_on_the_balance(
    stripe: StripeDouble,
    band: TopUpBand,
    acme_support: Workspace,
    operator: User,
    now: dt.datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("The disk is full.")

    orders = [begin_payment(order=order(band, acme_support, now, k), now=now) for k in "ab"]
    with monkeypatch.context() as patch:
        patch.setattr(order_fulfilment, "book", broken)
        for placed in orders:
            pay(stripe, placed)
            assert "The disk is full." in look_at_order(order=placed, now=now).trouble
    assert TopUpOrder.objects.in_trouble().count() == 2

    first, second = TopUpOrder.objects.order_by("pk")
    assert look_at_order(order=first, now=now).trouble == ""
    assert granted() == (1, 1, 1, 1)
    move_to_balance(order=second, moved_by=operator, now=now)
    with pytest.raises(RefusedError, match="no trouble"):
        move_to_balance(order=second, moved_by=operator, now=now)
    second.refresh_from_db()
    look_at_order(order=second, now=now)
    assert granted() == (1, 1, 1, 1)
    assert BalanceEntry.objects.get().amount == 60
    assert not TopUpOrder.objects.in_trouble().exists()


# --- What it brings the agency -----------------------------------------------------------------


def test_the_agency_earns_on_it_and_the_books_agree(
    stripe: StripeDouble, ordered: TopUpOrder, now: dt.datetime
) -> None:
    pay(stripe, ordered)
    look_at_order(order=ordered, now=now)
    post_due_earnings(now=now)
    revenue = Earning.objects.get(kind="revenue")
    assert (revenue.amount, revenue.occurred_at) == (60, now)
    assert differences() == []
    TopUpOrder.objects.update(quantity=400)
    (found,) = differences()
    assert "purchase.quantity" in found
