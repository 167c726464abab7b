"""The gateway against the double, through the real SDK."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from billing import stripe_gateway as gateway
from billing.services.stripe_standing import standing_of
from billing.stripe_gateway import CheckoutLine, CustomerDetails
from tests.stripe_double import StripeDouble
from tests.stripe_fixtures import stripe, stripe_server

__all__ = ["stripe", "stripe_server"]

ACME = CustomerDetails(
    name="Acme Corporation",
    email="billing@acme.example",
    line1="7 Road Runner Way",
    line2="",
    postal_code="10013",
    city="New York",
    state="NY",
    country="US",
    tax_id="",
    language="en",
    reference="northwind/acme",
)


def customer(key: str = "acme") -> str:
    return gateway.create_customer(ACME, key=key)


def checkout(customer_id: str, key: str = "buy", **more: Any) -> gateway.Checkout:
    given: dict[str, Any] = {
        "currency": "USD",
        "lines": [
            CheckoutLine("Growth 500", Decimal("60.00")),
            CheckoutLine("Tax", Decimal("5.33")),
        ],
        "description": "Growth 500 for Acme",
        "success_url": "https://portal.example/back/?page={CHECKOUT_SESSION_ID}",
        "cancel_url": "https://portal.example/offer/",
        "expires_at": dt.datetime.now(dt.UTC) + dt.timedelta(hours=1),
        "language": "en",
        "metadata": {"order": "7"},
    }
    return gateway.open_checkout(customer_id=customer_id, key=key, **{**given, **more})


def charged(customer_id: str, card: str, key: str = "charge", **more: Any) -> gateway.Intent:
    return gateway.charge(
        customer_id=customer_id,
        card_id=card,
        amount=Decimal("65.33"),
        currency="USD",
        description="Growth 500",
        metadata={"order": "7"},
        key=key,
        **more,
    )


def test_a_key_makes_one_customer(stripe: StripeDouble) -> None:
    assert customer() == customer()
    (made,) = stripe.rows("customer")
    assert (made["name"], made["email"]) == ("Acme Corporation", "billing@acme.example")
    assert made["address"]["city"] == "New York"
    assert made["metadata"] == {"reference": "northwind/acme", "tax_id": ""}


def test_one_key_with_other_words_is_refused(stripe: StripeDouble) -> None:
    first = customer()
    checkout(first)
    with pytest.raises(gateway.RejectedError, match="same parameters"):
        checkout(first, currency="EUR")


def test_a_page_is_paid_and_says_so(stripe: StripeDouble) -> None:
    page = checkout(customer())
    assert (page.status, page.is_paid, page.intent_id) == ("open", False, "")
    assert page.url.startswith(stripe.url)

    stripe.pay(page.id)

    paid = gateway.read_checkout(page.id)
    assert (paid.status, paid.is_paid, paid.url) == ("complete", True, "")
    intent = gateway.read_intent(paid.intent_id)
    assert (intent.amount, intent.received, intent.currency) == (Decimal("65.33"),) * 2 + ("USD",)
    assert (intent.is_paid, intent.method, intent.metadata) == (True, "card", {"order": "7"})


def test_a_page_on_which_a_card_was_declined_stays_open(stripe: StripeDouble) -> None:
    page = checkout(customer())
    with pytest.raises(Exception, match="declined"):
        stripe.pay(page.id, "declined")
    again = gateway.read_checkout(page.id)
    assert (again.status, again.is_paid) == ("open", False)
    stripe.pay(page.id)
    assert gateway.read_checkout(page.id).is_paid


def test_a_bank_debit_is_complete_long_before_it_is_paid(stripe: StripeDouble) -> None:
    page = checkout(customer())
    stripe.pay(page.id, "debit")
    waiting = gateway.read_checkout(page.id)
    assert (waiting.status, waiting.is_paid) == ("complete", False)
    assert gateway.read_intent(waiting.intent_id).is_on_its_way

    stripe.settle(waiting.intent_id)
    assert gateway.read_checkout(page.id).is_paid


def test_a_bank_debit_that_bounces_says_why(stripe: StripeDouble) -> None:
    page = checkout(customer())
    stripe.pay(page.id, "debit")
    intent_id = gateway.read_checkout(page.id).intent_id
    stripe.bounce(intent_id)
    intent = gateway.read_intent(intent_id)
    assert intent.status == "requires_payment_method"
    assert intent.failure is not None
    assert intent.failure.words == "The bank declined the payment."


def test_a_closed_page_cannot_be_paid_and_a_paid_one_cannot_be_closed(stripe: StripeDouble) -> None:
    page = checkout(customer())
    assert gateway.close_checkout(page.id).status == "expired"
    paid = checkout(customer(), key="other")
    stripe.pay(paid.id)
    with pytest.raises(gateway.RejectedError, match="complete"):
        gateway.close_checkout(paid.id)


def test_a_saved_card_is_charged_once_for_a_key(stripe: StripeDouble) -> None:
    who = customer()
    card = stripe.save_card(who)["id"]
    first = charged(who, card)
    assert (first.is_paid, first.amount, first.customer_id) == (True, Decimal("65.33"), who)
    assert charged(who, card).id == first.id
    assert len(stripe.rows("charge")) == 1


@pytest.mark.parametrize(
    ("way", "code", "words", "is_final"),
    [
        ("declined", "generic_decline", "The bank declined the payment.", False),
        ("no funds", "insufficient_funds", "There is not enough money on the card.", False),
        ("stolen", "stolen_card", "The bank declined the payment.", True),
    ],
)
def test_a_decline_is_told_in_words_for_its_holder(
    stripe: StripeDouble, way: str, code: str, words: str, is_final: bool
) -> None:
    who = customer()
    card = stripe.save_card(who, way)["id"]
    with pytest.raises(gateway.DeclinedError) as refused:
        charged(who, card)
    assert (refused.value.code, str(refused.value)) == (code, words)
    assert refused.value.is_final is is_final
    assert refused.value.intent_id == stripe.last("payment_intent")["id"]


def test_a_card_that_asks_for_its_holder_needs_them(stripe: StripeDouble) -> None:
    who = customer()
    card = stripe.save_card(who, "3ds always")["id"]
    with pytest.raises(gateway.AuthenticationNeededError):
        charged(who, card)
    there = charged(who, card, key="there", return_url="https://portal.example/back/")
    assert there.status == "requires_action"
    assert there.next_url == f"{stripe.url}/authenticate/{there.id}"
    stripe.authenticate(there.id)
    assert gateway.read_intent(there.id).is_paid


def test_a_charge_in_their_absence_is_confirmed_by_its_holder_later(stripe: StripeDouble) -> None:
    """It is the same payment, so that it can be made once only; and it is not over meanwhile."""
    who = customer()
    card = stripe.save_card(who, "3ds always")["id"]
    with pytest.raises(gateway.AuthenticationNeededError) as asked:
        charged(who, card)
    waits = standing_of(gateway.read_intent(asked.value.intent_id))
    assert (waits.state, waits.asks_for_holder) == ("pending", True)

    def confirm() -> gateway.Intent:
        return gateway.confirm_intent(
            intent_id=asked.value.intent_id,
            card_id=card,
            return_url="https://portal.example/back/",
            key="confirm",
        )

    there = confirm()
    assert (there.id, there.status) == (asked.value.intent_id, "requires_action")
    assert confirm().next_url == there.next_url == f"{stripe.url}/authenticate/{there.id}"
    stripe.authenticate(there.id)
    assert standing_of(gateway.read_intent(there.id)).state == "paid"
    assert len(stripe.rows("payment_intent")) == 1


def test_after_a_lost_answer_the_same_key_charges_once(stripe: StripeDouble) -> None:
    """Nobody knows whether it was charged: it was, and asking again finds that out."""
    who = customer()
    card = stripe.save_card(who)["id"]
    stripe.breaks = ["lose"] * 2
    with pytest.raises(gateway.UnreachableError) as lost:
        charged(who, card)
    assert lost.value.is_passing
    assert charged(who, card).is_paid
    assert len(stripe.rows("charge")) == 1


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        ("500", gateway.UnreachableError),
        ("429", gateway.UnreachableError),
        ("401", gateway.MisconfiguredError),
    ],
)
def test_what_goes_wrong_is_one_of_ours(stripe: StripeDouble, broken: str, error: Any) -> None:
    stripe.breaks = [broken] * 2
    with pytest.raises(error):
        gateway.read_account()


def test_what_is_not_there_is_told_apart(stripe: StripeDouble) -> None:
    with pytest.raises(gateway.NotThereError):
        gateway.read_intent("pi_nothing")


def test_without_a_key_it_says_how_to_switch_it_on() -> None:
    assert not gateway.is_on()
    with pytest.raises(gateway.OffError, match="STRIPE_SECRET_KEY"):
        gateway.read_account()


def test_a_card_is_saved_on_a_page_and_replaced(stripe: StripeDouble) -> None:
    who = customer()
    assert gateway.read_default_card(who) is None
    page = gateway.open_card_page(
        customer_id=who,
        currency="USD",
        success_url="https://portal.example/",
        cancel_url="https://portal.example/",
        language="en",
        key="one",
    )
    assert gateway.read_card_page(page.id).card_id == ""
    stripe.pay(page.id, "other card")
    saved = gateway.read_card_page(page.id)
    card = gateway.use_card(who, saved.card_id)
    assert (card.brand, card.last4, card.exp_month, card.exp_year) == (
        "mastercard",
        "4444",
        12,
        2034,
    )
    assert gateway.read_default_card(who) == card
    gateway.forget_card(card.id)


def test_money_goes_back_and_disputes_are_read(stripe: StripeDouble) -> None:
    who = customer()
    intent = charged(who, stripe.save_card(who)["id"])
    back = gateway.refund(
        intent_id=intent.id, amount=Decimal("20.00"), currency="USD", metadata={}, key="back"
    )
    assert (back.status, back.amount, back.intent_id) == ("succeeded", Decimal("20.00"), intent.id)
    stripe.finish_refund(back.id, "failed")
    assert gateway.read_refund(back.id).status == "failed"
    with pytest.raises(gateway.RejectedError, match="greater than"):
        gateway.refund(
            intent_id=intent.id, amount=Decimal(70), currency="USD", metadata={}, key="more"
        )
    opened = gateway.read_dispute(stripe.dispute(intent.id)["id"])
    assert (opened.status, opened.amount, opened.intent_id) == (
        "needs_response",
        Decimal("65.33"),
        intent.id,
    )
    stripe.close_dispute(opened.id, "lost")
    assert gateway.read_dispute(opened.id).status == "lost"
