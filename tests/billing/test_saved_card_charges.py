"""Charges of the saved card that do not go as planned: refused by Stripe, asked for again when
something has changed meanwhile, and of what was paid and taken back."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from billing import stripe_gateway as gateway
from billing.models import ChargeConsent, DunningEntry, Invoice, InvoiceCheckout, Mail, Payment
from billing.services.charge_consents import end_consent
from billing.services.disputes import record_dispute
from billing.services.dunning import dun_due_invoices
from billing.services.dunning_pauses import pause_dunning
from billing.services.invoice_checkouts import look_at_open_checkouts, pay_invoice
from billing.services.reversals import reverse_payment
from billing.services.write_offs import write_off
from clients.models import User
from tests.billing.test_dunning import (
    At,
    _reconciles,
    at,
    by_bank,
    clock,
    consent,
    invoice,
    run,
    saved,
    told,
)
from tests.stripe_double import StripeDouble
from tests.stripe_fixtures import stripe, stripe_server

__all__ = ["_reconciles", "at", "clock", "consent", "invoice", "stripe", "stripe_server"]

pytestmark = pytest.mark.django_db

A_MOMENT = dt.timedelta(seconds=10)
LATER = dt.timedelta(minutes=3)


def withdraw(invoice: Invoice, by: User, now: dt.datetime) -> None:
    """A moment later, its client wants no charges any more."""
    end_consent(client=invoice.client, words="No", ended_by=by, side="client", now=now + A_MOMENT)


def test_what_stripe_does_not_charge_at_all_has_failed_and_dunning_goes_on(
    stripe: StripeDouble, invoice: Invoice, consent: ChargeConsent, at: At, now: dt.datetime
) -> None:
    """The card was taken off in Stripe's dashboard, and its event has not come yet."""
    gateway.forget_card(saved(stripe, invoice.client, now))
    run(at, [0])
    attempt = InvoiceCheckout.objects.get()
    assert (attempt.state, attempt.trouble) == ("failed", "")
    assert attempt.failure == "The card cannot be charged."
    mail = Mail.objects.get(key=f"charge:{attempt.pk}")
    assert "That did not work: The card cannot be charged. Nothing was charged." in mail.body_text

    page = pay_invoice(invoice=invoice, payer=None, now=at(1))
    assert (page.method, page.state) == ("page", "pending")


@pytest.mark.parametrize("answer", ["drop", "lose"])
@pytest.mark.parametrize("what", ["withdrawn", "paid", "written off", "paused", "replaced"])
def test_a_charge_without_an_answer_is_asked_for_again_only_while_it_may_be_made(
    stripe: StripeDouble,
    invoice: Invoice,
    consent: ChargeConsent,
    client_admin: User,
    at: At,
    now: dt.datetime,
    answer: str,
    what: str,
) -> None:
    """Dropped, Stripe never heard of it, and it is over; lost, it was charged and is booked."""
    saved(stripe, invoice.client, now)
    stripe.breaks = [answer] * 2
    dun_due_invoices(now=at(0), limit=10)
    if what == "withdrawn":
        withdraw(invoice, client_admin, at(0))
    elif what == "paid":
        by_bank(invoice, "100.00", at(0))
    elif what == "written off":
        write_off(invoice=invoice, reason="Gone", written_off_by=None, now=at(0), key="off")
    elif what == "paused":
        pause_dunning(invoice=invoice, reason="They called", paused_by=None, now=at(0))
    else:
        saved(stripe, invoice.client, at(0), "other card")

    look_at_open_checkouts(now=at(0) + LATER, limit=10)
    was_charged = answer == "lose"
    attempt = InvoiceCheckout.objects.get()
    assert attempt.state == ("paid" if was_charged else "cancelled")
    assert len(stripe.rows("payment_intent")) == was_charged
    assert Payment.objects.filter(method="card").count() == was_charged


def test_while_the_first_call_may_still_be_on_its_way_nothing_is_said_to_be_over(
    stripe: StripeDouble,
    invoice: Invoice,
    consent: ChargeConsent,
    client_admin: User,
    at: At,
    now: dt.datetime,
) -> None:
    saved(stripe, invoice.client, now)
    stripe.breaks = ["drop"] * 2
    dun_due_invoices(now=at(0), limit=10)
    withdraw(invoice, client_admin, at(0))
    with pytest.raises(gateway.UnreachableError, match="has not said yet"):
        pay_invoice(invoice=invoice, payer=None, now=at(0) + dt.timedelta(seconds=20))
    clicked = pay_invoice(invoice=invoice, payer=None, now=at(0) + LATER)
    assert (clicked.method, clicked.state) == ("page", "pending")
    assert len(stripe.rows("payment_intent")) == 0


def test_a_new_card_takes_the_place_of_one_whose_holder_never_came(
    stripe: StripeDouble, invoice: Invoice, consent: ChargeConsent, at: At, now: dt.datetime
) -> None:
    saved(stripe, invoice.client, now, "3ds always")
    run(at, [0])
    saved(stripe, invoice.client, at(1))
    look_at_open_checkouts(now=at(2), limit=10)
    assert InvoiceCheckout.objects.get().state == "cancelled"
    run(at, [3])
    assert told() == [(-3, "passed_over"), (0, "charge"), (3, "charge")]
    assert Payment.objects.get().amount == Decimal(100)


def test_until_the_charge_before_is_taken_back_the_new_card_is_not_charged(
    stripe: StripeDouble, invoice: Invoice, consent: ChargeConsent, at: At, now: dt.datetime
) -> None:
    saved(stripe, invoice.client, now, "3ds always")
    run(at, [0])
    saved(stripe, invoice.client, at(3))
    run(at, [3])
    assert told()[-1] == (3, "reminder")
    assert DunningEntry.objects.get(day=3).said == "Its holder has to confirm the charge before."
    assert len(stripe.rows("payment_intent")) == 1


@pytest.mark.parametrize("how", ["disputed", "refunded at Stripe", "bounced"])
def test_what_a_client_took_back_is_not_charged_again_by_itself(
    stripe: StripeDouble,
    invoice: Invoice,
    consent: ChargeConsent,
    at: At,
    now: dt.datetime,
    how: str,
) -> None:
    """Neither after a dispute that was lost, nor after a refund that somebody made at Stripe. What
    a bank could not pay is."""
    saved(stripe, invoice.client, now)
    paid = by_bank(invoice, "100.00", now)
    if how == "disputed":
        record_dispute(
            payment=paid,
            provider_id="du_1",
            state="lost",
            amount=Decimal(100),
            happened_at=now,
            now=now,
        )
    else:
        cause = "refund" if how == "refunded at Stripe" else "bounced"
        reverse_payment(payment=paid, reason="Back", reversed_at=now, now=now, key="1", cause=cause)
    run(at, range(-3, 4))
    is_charged = how == "bounced"
    assert len(stripe.rows("payment_intent")) == is_charged
    if not is_charged:
        assert DunningEntry.objects.get(day=0).said == (
            "A payment of it was taken back: its card is not charged by itself again."
        )
