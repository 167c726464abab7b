"""What a client sees and decides: charges on due dates, reminders, confirming, suspension."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from django.test import Client as Browser

from billing.models import ChargeConsent, Invoice, InvoiceCheckout, Payment
from billing.services.charge_consents import consent_of, give_consent
from billing.services.dunning import dun_due_invoices
from billing.services.stripe_customers import ensure_customer, read_card
from billing.services.suspensions import suspend
from clients.models import Client, User, Workspace
from tests.billing import ledger
from tests.stripe_double import StripeDouble
from tests.stripe_fixtures import stripe, stripe_server

from .conftest import NOON
from .pages import text_of
from .test_paying import leads_to

__all__ = ["stripe", "stripe_server"]

DUE = dt.datetime(2026, 3, 24, 14, tzinfo=dt.UTC)


@pytest.fixture
def invoice(acme_support: Workspace) -> Invoice:
    """Issued on 10 March, due on the 24th."""
    return ledger.issued(acme_support, now=NOON, fee="100.00")


def page(invoice: Invoice, action: str = "") -> str:
    return f"/portal/{invoice.client_id}/invoices/{invoice.pk}/{action}"


def card_page(client: Client, action: str = "") -> str:
    return f"/portal/{client.pk}/card/{action}"


def saved(stripe: StripeDouble, client: Client, way: str = "card") -> None:
    customer = ensure_customer(client=client, now=NOON)
    stripe.save_card(customer.customer_id, way)
    read_card(customer=customer, now=NOON)


def test_an_admin_consents_and_takes_it_back_and_both_are_kept(
    stripe: StripeDouble, acme: Client, admin: Browser, client_admin: User
) -> None:
    assert "Charge the saved card on the due date" in text_of(admin.get(card_page(acme)))
    admin.post(card_page(acme, "change/"), {"due_dates": "on"})
    given = consent_of(acme)
    assert given is not None
    assert (given.decided_by, given.decided_at, given.side) == (client_admin, NOON, "client")
    assert given.words.startswith("Charge the saved card on the due date of each invoice")
    saved(stripe, acme)
    assert "On since" in text_of(admin.get(card_page(acme)))
    admin.post(card_page(acme, "due-dates/"), {"charge": "off"})
    assert consent_of(acme) is None
    admin.post(card_page(acme, "due-dates/"), {"charge": "on"})
    assert consent_of(acme) is not None
    admin.post(card_page(acme, "remove/"))
    assert consent_of(acme) is None
    assert list(ChargeConsent.objects.order_by("pk").values_list("is_given", flat=True)) == [
        *(True, False, True, False)
    ]


def test_viewers_see_it_and_cannot_decide_and_outsiders_find_nothing(
    stripe: StripeDouble,
    acme: Client,
    viewer: Browser,
    browse: Callable[[User], Browser],
) -> None:
    saved(stripe, acme)
    text = text_of(viewer.get(card_page(acme)))
    assert "Invoices are not charged on it by themselves." in text
    assert "Charge it on due dates" not in text
    outsider = browse(User.objects.create_user(email="out@side.example", password="x" * 20))
    for browser, status in ((viewer, 403), (outsider, 404)):
        for action in ("due-dates/", "change/"):
            answer = browser.post(card_page(acme, action), {"charge": "on", "due_dates": "on"})
            assert answer.status_code == status
    assert not ChargeConsent.objects.exists()


def test_the_invoice_says_what_was_done_and_what_comes(
    stripe: StripeDouble, invoice: Invoice, admin: Browser, client_admin: User
) -> None:
    saved(stripe, invoice.client)
    give_consent(client=invoice.client, words="Yes", given_by=client_admin, now=NOON)
    assert "On March 21, 2026 you are reminded of it." in text_of(admin.get(page(invoice)))
    dun_due_invoices(now=DUE - dt.timedelta(days=3), limit=10)
    text = text_of(admin.get(page(invoice)))
    assert "You were reminded." in text
    assert "On March 24, 2026 Visa •••• 4242 is charged what is due then." in text
    dun_due_invoices(now=DUE, limit=10)
    assert "Your card was charged $100.00." in text_of(admin.get(page(invoice)))


def test_a_declined_charge_is_told_in_words_and_can_be_paid_another_way(
    stripe: StripeDouble, invoice: Invoice, admin: Browser, client_admin: User
) -> None:
    saved(stripe, invoice.client, "no funds")
    give_consent(client=invoice.client, words="Yes", given_by=client_admin, now=NOON)
    dun_due_invoices(now=DUE, limit=10)
    text = text_of(admin.get(page(invoice)))
    assert "Your card could not be charged $100.00. There is not enough money on the card." in text
    assert "Pay $100.00 online" in text


def test_a_charge_that_the_bank_wants_confirmed_is_confirmed_from_the_invoice(
    stripe: StripeDouble, invoice: Invoice, admin: Browser, viewer: Browser, client_admin: User
) -> None:
    saved(stripe, invoice.client, "3ds always")
    give_consent(client=invoice.client, words="Yes", given_by=client_admin, now=NOON)
    dun_due_invoices(now=DUE, limit=10)
    assert "Confirm the payment of $100.00" in text_of(admin.get(page(invoice)))
    assert "Confirm the payment of" not in text_of(viewer.get(page(invoice)))
    assert viewer.post(page(invoice, "pay/"), {"way": "confirm"}).status_code == 403
    started = admin.post(page(invoice, "pay/"), {"way": "confirm"})["Location"]
    attempt = InvoiceCheckout.objects.get()
    assert leads_to(admin.get(started)) == f"0;url={stripe.url}/authenticate/{attempt.intent_id}"
    stripe.authenticate(attempt.intent_id or "")
    back = admin.get(started.partition("?")[0] + "?back=paid")
    assert "Your payment has arrived." in text_of(back)
    assert Payment.objects.get().provider_id == attempt.intent_id


def test_who_is_suspended_is_told_on_every_page_that_is_about_it(
    invoice: Invoice, admin: Browser, viewer: Browser
) -> None:
    suspend(invoice, now=NOON)
    for where in (f"/portal/{invoice.client_id}/", page(invoice)):
        for browser in (admin, viewer):
            text = text_of(browser.get(where))
            assert "New usage is refused, because invoice INV-2026-000001 is not paid." in text
