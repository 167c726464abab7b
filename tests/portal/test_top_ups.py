"""Buying, asking, deciding, and what was bought."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.models import BillingPeriod, Charge, CreditGrant, TopUpPurchase, TopUpRequest
from billing.services.closing import close_period
from billing.services.drafting import draft_invoices
from billing.services.grants import adjust
from billing.services.invoicing import issue_invoice
from billing.services.purchases import buy_on_account
from billing.services.revocations import revoke
from billing.waterfall import GrantKind
from clients.models import UsageUnit

from .conftest import MARCH, NOON, record
from .pages import text_of


@pytest.fixture
def form():
    return {"key": str(uuid.uuid4())}


def shown_key(response) -> str:
    """The key that a page's form was given."""
    found = re.search(r'name="key" value="([^"]+)"', response.content.decode())
    assert found
    return found.group(1)


def test_an_offer_says_all_that_matters_before_it_is_bought(story, admin):
    text = text_of(admin.get(story.offer(story.growth)))
    assert "You get 500 conversations ($0.12 each)" in text
    assert "For Acme support chat" in text
    assert "Price $60.00 before tax" in text
    assert "Expiry Usable through March 31, 2026" in text
    assert "On your invoice for Mar 1 – 31, 2026, issued from April 2, 2026" in text
    assert "Agency Portal Inc. measures the usage, invoices you, and is who you pay" in text
    assert "Northwind earns a margin on the usage." in text
    assert "Buy for $60.00" in text


def test_bought_it_is_there_at_once_and_on_the_next_invoice(story, admin, client_admin):
    page = admin.get(story.offer(story.growth))
    response = admin.post(story.offer(story.growth, "buy/"), {"key": shown_key(page)})
    purchase = TopUpPurchase.objects.get()
    assert response.status_code == 302
    assert response["Location"] == story.url(f"top-ups/bought/{purchase.pk}/")
    assert (purchase.purchased_by, purchase.purchased_at) == (client_admin, NOON)
    assert (purchase.quantity, purchase.price) == (500, 60)
    assert CreditGrant.objects.get(purchase=purchase).quantity == 500
    charge = Charge.objects.get(key=f"top_up:{purchase.pk}")
    assert (charge.amount, charge.bill_at) == (60, dt.datetime(2026, 4, 1, 4, tzinfo=dt.UTC))
    receipt = text_of(admin.get(response["Location"]))
    assert "500 conversations are there for Acme support chat, ready to use." in receipt
    assert "Left altogether 650 conversations" in receipt
    assert "On the invoice for the period that ends with March 31, 2026" in receipt
    assert "650 conversations left" in text_of(admin.get(story.url()))


def test_the_same_form_twice_buys_once(story, admin, form):
    first = admin.post(story.offer(story.growth, "buy/"), form)
    second = admin.post(story.offer(story.growth, "buy/"), form)
    assert first["Location"] == second["Location"]
    assert TopUpPurchase.objects.count() == CreditGrant.objects.filter(kind="top_up").count() == 1
    assert Charge.objects.filter(kind="top_up").count() == 1


def test_a_second_form_buys_again(story, admin):
    for _ in range(2):
        page = admin.get(story.offer(story.growth))
        admin.post(story.offer(story.growth, "buy/"), {"key": shown_key(page)})
    assert TopUpPurchase.objects.count() == 2


def test_one_key_does_not_buy_two_bands(story, admin, form):
    admin.post(story.offer(story.growth, "buy/"), form)
    response = admin.post(story.offer(story.volume, "buy/"), form)
    assert response.status_code == 409
    assert "bought Growth 500 when it was sent before" in text_of(response)
    assert TopUpPurchase.objects.count() == 1


@pytest.mark.parametrize("sent", [{}, {"key": ""}, {"key": "again"}])
def test_without_a_whole_form_nothing_is_bought(story, admin, sent):
    response = admin.post(story.offer(story.growth, "buy/"), sent)
    assert response.status_code == 400
    assert "Nothing was bought; please try again." in text_of(response)
    assert not TopUpPurchase.objects.exists()
    assert uuid.UUID(shown_key(response)).version == 4


def test_a_band_of_the_agencys_is_not_the_clients_to_buy(story, admin, form):
    page = text_of(admin.get(story.offer(story.agency_only)))
    assert "This top-up is bought by Northwind for you." in page
    response = admin.post(story.offer(story.agency_only, "buy/"), form)
    assert response.status_code == 409
    assert "Only the agency buys By hand" in text_of(response)
    assert not TopUpPurchase.objects.exists()


def test_an_offer_that_ends_within_48_hours_says_so(story, admin, monkeypatch):
    def at(moment: dt.datetime) -> str:
        monkeypatch.setattr("django.utils.timezone.now", lambda: moment)
        return text_of(admin.get(story.offer(story.growth)))

    end = dt.datetime(2026, 4, 1, 4, tzinfo=dt.UTC)
    assert "it expires" not in at(end - dt.timedelta(hours=48, minutes=1))
    text = at(end - dt.timedelta(hours=31))
    assert "Bought now, it expires in 31 hours." in text
    assert "let it start with your next period, on April 1, 2026" in text
    assert "Buy it, to start on April 1, 2026" in text
    monkeypatch.setattr("django.utils.timezone.now", lambda: end - dt.timedelta(hours=31))
    assert "it expires" not in text_of(admin.get(story.offer(story.volume)))


def test_what_is_bought_may_start_with_the_next_period(story, admin, form, monkeypatch):
    end = dt.datetime(2026, 4, 1, 4, tzinfo=dt.UTC)
    monkeypatch.setattr("django.utils.timezone.now", lambda: end - dt.timedelta(hours=31))

    admin.post(story.offer(story.growth, "buy/"), form | {"starts": "next_period"})

    grant = TopUpPurchase.objects.get().grant
    assert (grant.effective_at, grant.expires_at) == (
        end,
        dt.datetime(2026, 5, 1, 4, tzinfo=dt.UTC),
    )


def test_a_band_of_another_package_is_not_there(story, admin, acme_docs, form):
    path = story.url(f"top-ups/{acme_docs.pk}/{story.growth.pk}/")
    assert admin.get(path).status_code == 404
    assert admin.post(f"{path}buy/", form).status_code == 404


def test_a_viewer_asks_and_an_admin_approves(story, viewer, admin, client_viewer, client_admin):
    assert "see your request here and decide" in text_of(viewer.get(story.offer(story.growth)))
    response = viewer.post(story.offer(story.growth, "ask/"), {"note": "Spring <sale>"})
    asked = TopUpRequest.objects.get()
    assert response["Location"] == story.url(f"top-ups/requests/{asked.pk}/")
    assert (asked.state, asked.note, asked.requested_by) == (
        "pending",
        "Spring <sale>",
        client_viewer,
    )
    assert not TopUpPurchase.objects.exists()
    waiting = text_of(viewer.get(response["Location"]))
    assert "An admin of Acme decides about it." in waiting
    assert "Approve" not in waiting

    usage = text_of(admin.get(story.url()))
    assert "A top-up was asked for and waits for your answer." in usage
    page = admin.get(response["Location"])
    assert "&lt;sale&gt;" in page.content.decode()
    assert "Approve and buy for $60.00" in text_of(page)
    done = admin.post(f"{response['Location']}approve/")
    purchase = TopUpPurchase.objects.get()
    assert done["Location"] == story.url(f"top-ups/bought/{purchase.pk}/")
    assert purchase.purchased_by == client_admin
    asked.refresh_from_db()
    assert (asked.state, asked.decided_by, asked.purchase) == ("approved", client_admin, purchase)
    assert "waits for your answer" not in text_of(admin.get(story.url()))
    assert "Bought by admin@acme.example" in text_of(viewer.get(story.url("top-ups/")))


def test_approving_twice_buys_once(story, viewer, admin):
    path = viewer.post(story.offer(story.growth, "ask/"), {"note": ""})["Location"]
    assert admin.post(f"{path}approve/")["Location"] == admin.post(f"{path}approve/")["Location"]
    assert TopUpPurchase.objects.count() == 1


def test_declined_it_buys_nothing_and_cannot_be_approved(story, viewer, admin):
    path = viewer.post(story.offer(story.growth, "ask/"), {"note": ""})["Location"]
    response = admin.post(f"{path}decline/", follow=True)
    assert "The request for Growth 500 is declined." in text_of(response)
    late = admin.post(f"{path}approve/")
    assert late.status_code == 409
    assert "was declined; ask again" in text_of(late)
    assert not TopUpPurchase.objects.exists()
    assert "Declined by admin@acme.example" in text_of(viewer.get(path))


def test_asking_twice_is_one_request(story, viewer):
    first = viewer.post(story.offer(story.growth, "ask/"), {"note": "one"})
    second = viewer.post(story.offer(story.growth, "ask/"), {"note": "two"})
    assert first["Location"] == second["Location"]
    assert TopUpRequest.objects.get().note == "one"
    assert "It has been asked for and waits" in text_of(viewer.get(story.offer(story.growth)))


def test_a_note_that_is_too_long_is_told_so(story, viewer):
    response = viewer.post(story.offer(story.growth, "ask/"), {"note": "x" * 501})
    assert response.status_code == 400
    assert "at most 500 characters" in text_of(response)
    assert not TopUpRequest.objects.exists()


def test_the_agency_decides_about_its_own_bands(story, viewer, admin):
    path = viewer.post(story.offer(story.agency_only, "ask/"), {"note": ""})["Location"]
    assert "Northwind decides about this one." in text_of(admin.get(path))
    assert admin.post(f"{path}approve/").status_code == 403
    assert admin.post(f"{path}decline/").status_code == 403
    assert TopUpRequest.objects.get().state == "pending"
    assert "waits for your answer" not in text_of(admin.get(story.url()))


def test_the_history_says_what_is_left_of_each(story, admin):
    """850 of 1,000 are used. 400 more take 150 of the allowance and 250 of what expires first."""
    for band, key in ((story.volume, "volume"), (story.growth, "growth")):
        buy_on_account(workspace=story.workspace, band=band, now=NOON, key=key)
    record(story.workspace, "rush", 400, NOON)
    text = text_of(admin.get(story.url("top-ups/")))
    assert "Growth 500 Acme support chat 500 conversations 250 March 31, 2026 $60.00" in text
    assert "Volume 5,000 Acme support chat 5,000 conversations 5,000 Jun 8, 2026" in text
    assert "Automatically" in text


def test_after_the_period_the_rest_is_gone_and_the_invoice_is_named(story, admin, monkeypatch):
    purchase = buy_on_account(workspace=story.workspace, band=story.growth, now=NOON, key="one")
    period = BillingPeriod.objects.get(start=MARCH)
    close_period(period_id=period.pk, now=period.due_at)
    invoices = [
        issue_invoice(invoice=i, now=period.due_at) for i in draft_invoices(now=period.due_at)
    ]
    monkeypatch.setattr("django.utils.timezone.now", lambda: period.due_at)
    history = text_of(admin.get(story.url("top-ups/")))
    assert "500 conversations 0 Expired after March 31, 2026 $60.00" in history
    receipt = text_of(admin.get(story.url(f"top-ups/bought/{purchase.pk}/")))
    named = [invoice.number for invoice in invoices if str(invoice.number) in receipt]
    assert len(named) == 1
    assert "ready to use" not in receipt


def test_nothing_on_sale_and_nothing_bought_say_so(acme_support, admin):
    text = text_of(admin.get(f"/portal/{acme_support.client_id}/top-ups/"))
    assert "Nothing: no package is running now." in text
    assert "No top-up has been bought yet." in text


def test_queries_do_not_grow_with_purchases(story, admin):
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            admin.get(story.url("top-ups/"))
        return len(captured)

    def buy(key: str) -> None:
        buy_on_account(workspace=story.workspace, band=story.growth, now=NOON, key=key)

    buy("first")
    few = queries()
    for number in range(8):
        buy(f"more {number}")
    assert queries() == few


def give(story, kind, quantity, key, **more):
    return adjust(
        workspace=story.workspace,
        unit=UsageUnit.objects.get(slug="conversation"),
        quantity=Decimal(quantity),
        reason="Between us",
        created_by=None,
        now=NOON,
        key=key,
        kind=GrantKind(kind),
        **more,
    )


def test_what_was_given_is_shown_apart_with_what_is_left_and_until_when(story, admin):
    promotion = give(
        story,
        "promotional",
        75,
        "welcome",
        expires_at=dt.datetime(2026, 3, 20, 18, 15, tzinfo=dt.UTC),
    )
    give(story, "adjustment", 20, "sorry")
    revoke(
        grant=promotion, quantity=Decimal(5), reason="Secret", revoked_by=None, now=NOON, key="k"
    )

    text = text_of(admin.get(story.url("top-ups/")))

    assert "Given to you" in text
    assert (
        "Promotional credit Acme support chat Mar 10, 2026, 8:00 AM 75 conversations 70 "
        "Mar 20, 2026, 2:15 PM" in text
    )
    assert "Extra credit Acme support chat Mar 10, 2026, 8:00 AM 20 conversations 20 No end" in text
    assert "Between us" not in text
    usage = text_of(admin.get(story.url()))
    assert "Included 1,000 Top-ups 0 Promotional credit 70 Extra credit 20 Used 850" in usage


def test_what_is_used_up_or_gone_is_not_listed(story, admin):
    give(
        story,
        "promotional",
        75,
        "welcome",
        effective_at=MARCH,
        expires_at=NOON + dt.timedelta(hours=1),
    )
    record(story.workspace, "all", 225, NOON - dt.timedelta(hours=1))

    assert "Given to you" not in text_of(admin.get(story.url("top-ups/")))


def test_what_was_taken_back_of_a_purchase_is_said(story, admin):
    purchase = buy_on_account(workspace=story.workspace, band=story.growth, now=NOON, key="one")
    revoke(
        grant=purchase.grant,
        quantity=Decimal(120),
        reason="Secret",
        revoked_by=None,
        now=NOON,
        key="k",
    )

    text = text_of(admin.get(story.url(f"top-ups/bought/{purchase.pk}/")))

    assert "Left of these 380 Taken back 120" in text
    assert "Secret" not in text
