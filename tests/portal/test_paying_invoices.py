"""Paying an invoice online: the button, the way to Stripe and back; nobody else's invoice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client as Browser

from billing.models import Invoice, InvoiceCheckout, Payment
from clients.models import User, Workspace
from tests.billing import ledger
from tests.stripe_double import StripeDouble
from tests.stripe_fixtures import stripe, stripe_server

from .conftest import NOON
from .pages import text_of
from .test_paying import leads_to

__all__ = ["stripe", "stripe_server"]


@pytest.fixture
def invoice(acme_support: Workspace) -> Invoice:
    return ledger.issued(acme_support, now=NOON, fee="100.00")


def page(invoice: Invoice, action: str = "") -> str:
    return f"/portal/{invoice.client_id}/invoices/{invoice.pk}/{action}"


def test_paid_on_stripes_page_it_is_paid_on_return(
    stripe: StripeDouble, invoice: Invoice, admin: Browser
) -> None:
    """Nothing has been told by Stripe yet."""
    assert "Pay $100.00 online" in text_of(admin.get(page(invoice)))
    started = [admin.post(page(invoice, "pay/"))["Location"] for _twice in range(2)]
    assert started[0] == started[1]
    session = stripe.last("checkout.session")
    assert leads_to(admin.get(started[0])) == f"0;url={session['url']}"

    here = started[0].partition("?")[0]
    early = admin.get(f"{here}?back=paid")
    assert leads_to(early) == "4"
    assert "Your payment is being confirmed." in text_of(early)
    assert "This is not paid yet." in text_of(admin.get(f"{here}?back=left"))
    stripe.pay(session["id"])
    back = admin.get(f"{here}?back=paid")
    assert leads_to(back) == ""
    assert "Your payment has arrived." in text_of(back)
    text = text_of(admin.get(page(invoice)))
    assert "There is nothing left to pay." in text
    assert "online" not in text
    assert Payment.objects.count() == 1


def test_a_bank_payment_is_on_its_way(
    stripe: StripeDouble, invoice: Invoice, admin: Browser
) -> None:
    here = admin.post(page(invoice, "pay/"))["Location"].partition("?")[0]
    intent = stripe.pay(stripe.last("checkout.session")["id"], "debit")["payment_intent"]
    assert "Your payment is on its way." in text_of(admin.get(f"{here}?back=paid"))
    text = text_of(admin.get(page(invoice)))
    assert "A payment is on its way." in text
    assert "Pay $100.00 online" not in text
    stripe.bounce(intent)
    assert "The bank declined the payment. Nothing was paid." in text_of(admin.get(here))
    assert "Pay $100.00 online" in text_of(admin.get(page(invoice)))


def test_stripe_out_of_reach_is_said_on_the_invoice(
    stripe: StripeDouble, invoice: Invoice, admin: Browser
) -> None:
    stripe.breaks = ["drop"] * 4
    answer = admin.post(page(invoice, "pay/"), follow=True)
    assert "Stripe does not answer just now." in text_of(answer)
    assert not Payment.objects.exists()


def test_who_may_not_pay_is_told_and_without_stripe_there_is_no_button(
    stripe: StripeDouble, invoice: Invoice, viewer: Browser, admin: Browser, settings: Any
) -> None:
    text = text_of(viewer.get(page(invoice)))
    assert "An admin of your team can pay it online." in text
    assert viewer.post(page(invoice, "pay/")).status_code == 403
    settings.STRIPE_SECRET_KEY = ""
    assert "online" not in text_of(admin.get(page(invoice)))
    assert not InvoiceCheckout.objects.exists()


def test_an_outsider_finds_nothing_and_pays_nothing(
    stripe: StripeDouble,
    invoice: Invoice,
    admin: Browser,
    browse: Callable[[User], Browser],
) -> None:
    here = admin.post(page(invoice, "pay/"))["Location"]
    outsider = browse(User.objects.create_user(email="out@side.example", password="x" * 20))
    assert outsider.get(here).status_code == 404
    assert outsider.post(page(invoice, "pay/")).status_code == 404
    asked = Browser().post(page(invoice, "pay/"))
    assert (asked.status_code, "next=" in asked["Location"]) == (302, True)
    assert InvoiceCheckout.objects.count() == 1
