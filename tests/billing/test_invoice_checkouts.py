"""Invoices paid on Stripe's page: booked once, whatever comes late, twice or in another order."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from billing.models import (
    ClientBalance,
    Dunning,
    Invoice,
    InvoiceCheckout,
    Payment,
    PaymentReversal,
)
from billing.refusals import RefusedError
from billing.services.invoice_booking import look_at_checkout
from billing.services.invoice_checkouts import (
    NO_PAGE_AFTER,
    look_at_open_checkouts,
    pay_invoice,
)
from billing.services.payments import record_payment
from billing.stripe_gateway import OffError, UnreachableError
from clients.models import Workspace
from tests.billing import ledger
from tests.stripe_double import StripeDouble
from tests.stripe_fixtures import deliver, endpoint, stripe, stripe_server

__all__ = ["deliver", "endpoint", "stripe", "stripe_server"]

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _noon(now: dt.datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)


@pytest.fixture
def invoice(acme_support: Workspace, now: dt.datetime) -> Invoice:
    """Of 100.00, issued, nothing paid."""
    return ledger.issued(acme_support, now=now, fee="100.00")


@pytest.fixture
def opened(stripe: StripeDouble, invoice: Invoice, now: dt.datetime) -> InvoiceCheckout:
    return pay_invoice(invoice=invoice, payer=None, now=now)


def pay(stripe: StripeDouble, checkout: InvoiceCheckout, way: str = "card") -> str:
    assert checkout.session_id
    return str(stripe.pay(checkout.session_id, way)["payment_intent"])


def by_bank(invoice: Invoice, amount: str, now: dt.datetime) -> Payment:
    return record_payment(
        invoice=invoice,
        amount=Decimal(amount),
        currency="USD",
        method=Payment.Method.BANK_TRANSFER,
        reference="ACME",
        received_at=now,
        now=now,
        key=f"bank:{amount}",
    )


def states() -> list[str]:
    return list(InvoiceCheckout.objects.order_by("pk").values_list("state", flat=True))


def standing(invoice: Invoice) -> tuple[str, Decimal]:
    invoice.refresh_from_db()
    return invoice.state, invoice.amount_due


def test_what_is_due_is_asked_for_and_booked_once(
    stripe: StripeDouble, invoice: Invoice, opened: InvoiceCheckout, now: dt.datetime
) -> None:
    session = stripe.last("checkout.session")
    assert session["amount_total"] == 10_000
    assert opened.pay_url == session["url"]
    intent = pay(stripe, opened)
    for _twice in range(2):
        paid = look_at_checkout(checkout=opened, now=now)
    payment = Payment.objects.get()
    assert (payment.amount, payment.method, payment.provider_id, payment.kept) == (
        Decimal(100),
        "card",
        intent,
        0,
    )
    assert (paid.state, paid.payment, paid.pay_url, paid.trouble) == ("paid", payment, "", "")
    assert standing(invoice) == ("paid", Decimal(0))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_events_in_any_order_and_twice_book_it_once(
    stripe: StripeDouble, invoice: Invoice, opened: InvoiceCheckout, deliver: Any, seed: int
) -> None:
    pay(stripe, opened)
    told = list(stripe.events) * 2
    random.Random(seed).shuffle(told)
    for event in told:
        deliver(event)
    assert Payment.objects.count() == 1
    assert standing(invoice) == ("paid", Decimal(0))


def test_clicked_again_it_is_the_page_of_before(
    stripe: StripeDouble, invoice: Invoice, opened: InvoiceCheckout, now: dt.datetime
) -> None:
    again = pay_invoice(invoice=invoice, payer=None, now=now)
    assert (again.pk, again.session_id) == (opened.pk, opened.session_id)
    assert len(stripe.rows("checkout.session")) == 1


def test_another_amount_closes_the_page_of_before(
    stripe: StripeDouble, invoice: Invoice, opened: InvoiceCheckout, now: dt.datetime
) -> None:
    by_bank(invoice, "40.00", now)
    again = pay_invoice(invoice=invoice, payer=None, now=now)
    assert states() == ["cancelled", "pending"]
    assert again.amount == Decimal(60)
    first = stripe.rows("checkout.session")[-1]
    assert (first["id"], first["status"]) == (opened.session_id, "expired")
    pay(stripe, again)
    look_at_checkout(checkout=again, now=now)
    assert standing(invoice) == ("paid", Decimal(0))


def test_a_page_that_asks_for_what_is_not_due_any_more_is_closed_by_the_tick(
    stripe: StripeDouble, invoice: Invoice, opened: InvoiceCheckout, now: dt.datetime
) -> None:
    by_bank(invoice, "100.00", now)
    look_at_open_checkouts(now=now + dt.timedelta(minutes=2), limit=10)
    assert states() == ["cancelled"]
    with pytest.raises(Exception, match="expired"):
        pay(stripe, opened)


def test_what_somebody_paid_otherwise_meanwhile_is_on_the_balance(
    stripe: StripeDouble, invoice: Invoice, opened: InvoiceCheckout, now: dt.datetime
) -> None:
    """40.00 by bank while 100.00 are paid on the page."""
    by_bank(invoice, "40.00", now)
    pay(stripe, opened)
    paid = look_at_checkout(checkout=opened, now=now)
    assert paid.payment is not None
    assert paid.payment.kept == Decimal(40)
    assert ClientBalance.objects.get().amount == Decimal(40)
    assert standing(invoice) == ("paid", Decimal(0))


def test_paid_on_the_page_of_before_nothing_is_asked_for_again(
    stripe: StripeDouble, invoice: Invoice, opened: InvoiceCheckout, now: dt.datetime
) -> None:
    """The payment has come and nobody has heard of it when it is clicked again."""
    pay(stripe, opened)
    with pytest.raises(RefusedError, match="nothing left to pay"):
        pay_invoice(invoice=invoice, payer=None, now=now)
    assert standing(invoice) == ("paid", Decimal(0))
    assert states() == ["paid"]


@pytest.mark.parametrize(
    ("outcome", "state", "due"), [("settle", "paid", 0), ("bounce", "failed", 100)]
)
def test_a_way_that_takes_days_is_on_its_way_first(
    stripe: StripeDouble,
    invoice: Invoice,
    opened: InvoiceCheckout,
    deliver: Any,
    now: dt.datetime,
    outcome: str,
    state: str,
    due: int,
) -> None:
    intent = pay(stripe, opened, "debit")
    assert look_at_checkout(checkout=opened, now=now).state == "processing"
    assert standing(invoice) == ("issued", Decimal(100))
    assert pay_invoice(invoice=invoice, payer=None, now=now).pk == opened.pk

    getattr(stripe, outcome)(intent)
    for event in [*stripe.events, *stripe.events]:
        deliver(event)
    assert states() == [state]
    assert standing(invoice)[1] == due
    assert Payment.objects.count() == (state == "paid")
    if state == "failed":
        assert InvoiceCheckout.objects.get().failure == "The bank declined the payment."
        pay_invoice(invoice=invoice, payer=None, now=now)
        assert states() == ["failed", "pending"]


@pytest.mark.parametrize(("currency", "kind"), [("USD", "us_bank_account"), ("EUR", "sepa_debit")])
def test_a_debit_that_its_bank_returns_after_it_was_paid_has_bounced(
    stripe: StripeDouble,
    acme_support: Workspace,
    deliver: Any,
    now: dt.datetime,
    currency: str,
    kind: str,
) -> None:
    """Which debits a page offers is Stripe's to decide: nobody names any."""
    acme_support.client.currency = currency
    acme_support.client.save()
    invoice = ledger.issued(acme_support, now=now, fee="100.00")
    opened = pay_invoice(invoice=invoice, payer=None, now=now)
    asked = next(call for call in stripe.calls if call[1] == "/v1/checkout/sessions")
    assert "payment_method_types" not in asked[2]
    intent = pay(stripe, opened, "debit")
    stripe.settle(intent)
    look_at_checkout(checkout=opened, now=now)
    paid = Payment.objects.get()
    assert (paid.method, paid.reference) == ("direct_debit", f"Stripe {kind}")
    assert standing(invoice) == ("paid", Decimal(0))

    stripe.return_debit(intent)
    for event in [*stripe.events, *reversed(stripe.events)]:
        deliver(event)
    back = PaymentReversal.objects.get()
    assert (back.amount, back.cause) == (Decimal(100), "bounced")
    assert back.reason == "There was not enough money in the account."
    assert standing(invoice) == ("issued", Decimal(100))
    assert Dunning.objects.get().next_at is not None
    assert pay_invoice(invoice=invoice, payer=None, now=now).pk != opened.pk


def test_an_account_that_is_confirmed_later_leads_on_to_where_that_is_done(
    stripe: StripeDouble, invoice: Invoice, opened: InvoiceCheckout, now: dt.datetime
) -> None:
    """By the small amounts that it got; until then nothing is collected, and no page opened."""
    intent = pay(stripe, opened, "ach by hand")
    waits = look_at_checkout(checkout=opened, now=now)
    assert (waits.state, waits.pay_url) == ("pending", f"{stripe.url}/verify/{intent}")
    assert pay_invoice(invoice=invoice, payer=None, now=now).pk == opened.pk
    stripe.verify(intent)
    assert look_at_checkout(checkout=opened, now=now).state == "processing"
    stripe.settle(intent)
    look_at_checkout(checkout=opened, now=now)
    assert standing(invoice) == ("paid", Decimal(0))


def test_a_page_that_nobody_came_back_from_is_looked_at(
    stripe: StripeDouble, invoice: Invoice, opened: InvoiceCheckout, now: dt.datetime
) -> None:
    pay(stripe, opened)
    assert look_at_open_checkouts(now=now, limit=10) == 0
    later = now + dt.timedelta(minutes=2)
    assert [look_at_open_checkouts(now=later, limit=10) for _twice in range(2)] == [1, 0]
    assert standing(invoice) == ("paid", Decimal(0))


def test_a_page_that_expired_is_followed_by_a_new_one(
    stripe: StripeDouble, invoice: Invoice, opened: InvoiceCheckout, now: dt.datetime
) -> None:
    stripe.expire(opened.session_id or "")
    pay_invoice(invoice=invoice, payer=None, now=now + dt.timedelta(hours=2))
    assert states() == ["expired", "pending"]


def test_a_lost_answer_is_asked_for_again_and_ends_where_nobody_asks(
    stripe: StripeDouble, invoice: Invoice, now: dt.datetime
) -> None:
    for outage in (["lose", "lose"], []):
        stripe.breaks = ["", *outage] if outage else []
        if outage:
            with pytest.raises(UnreachableError):
                pay_invoice(invoice=invoice, payer=None, now=now)
        else:
            pay_invoice(invoice=invoice, payer=None, now=now)
    assert states() == ["pending"]
    assert len(stripe.rows("checkout.session")) == 1

    InvoiceCheckout.objects.update(session_id=None)
    look_at_open_checkouts(now=now + NO_PAGE_AFTER + dt.timedelta(minutes=1), limit=10)
    assert states() == ["cancelled"]


def test_another_amount_than_asked_for_is_somebodys_to_look_at(
    stripe: StripeDouble, invoice: Invoice, opened: InvoiceCheckout, now: dt.datetime
) -> None:
    intent = stripe.book.get("payment_intent", pay(stripe, opened))
    intent["amount_received"] = 9_900
    troubled = look_at_checkout(checkout=opened, now=now)
    assert troubled.state == "paid"
    assert "$99.00 is not the one of $100.00" in troubled.trouble
    assert not Payment.objects.exists()
    intent["amount_received"] = 10_000
    settled = look_at_checkout(checkout=troubled, now=now)
    assert (settled.trouble, settled.payment) == ("", Payment.objects.get())


def test_nothing_is_opened_for_what_is_paid_or_without_stripe(
    stripe: StripeDouble, invoice: Invoice, now: dt.datetime, settings: Any
) -> None:
    settings.STRIPE_SECRET_KEY = ""
    with pytest.raises(OffError):
        pay_invoice(invoice=invoice, payer=None, now=now)
    settings.STRIPE_SECRET_KEY = "sk_test_" + "1" * 24
    by_bank(invoice, "100.00", now)
    with pytest.raises(RefusedError, match="nothing left to pay"):
        pay_invoice(invoice=invoice, payer=None, now=now)
    assert states() == []


def test_the_database_keeps_one_attempt_open(opened: InvoiceCheckout) -> None:
    opened.pk = None
    opened.session_id = "cs_other"
    with pytest.raises(IntegrityError), transaction.atomic():
        opened.save(force_insert=True)
