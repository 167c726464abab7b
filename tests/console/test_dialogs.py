"""What an account manager does in a month: done once, refused in words, shut to others."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client as Browser
from django.utils import timezone

from billing.discounts import DiscountDocument
from billing.models import (
    BillingPeriod,
    Cap,
    CreditGrant,
    GrantRevocation,
    Invoice,
    Mail,
    Payment,
    SubscriptionDiscount,
    TopUpPurchase,
    TopUpRequest,
)
from billing.services.discounts import add_discount
from clients.models import AgencyMember, ClientMember, User, WorkspaceKey
from clients.services.keys import authenticate
from tests.console.conftest import Story

D = Decimal
KEY = "3f9a1c2e"


@dataclass
class Deed:
    """A dialog: where it is, what to send, and what there is of it afterwards."""

    path: Callable[[Story], str]
    said: Callable[[Story], dict[str, Any]]
    count: Callable[[], int]
    by_finance: bool = False


def yesterday() -> str:
    return f"{timezone.now() - dt.timedelta(days=1):%Y-%m-%d}"


def unused_grant(story: Story) -> CreditGrant:
    """The allowance of the period that has yet to come."""
    return CreditGrant.objects.filter(workspace=story.workspace).order_by("-effective_at")[0]


def discount_of(story: Story) -> SubscriptionDiscount:
    """A tenth off the fees, agreed on when the subscription began."""
    return add_discount(
        subscription=story.period.subscription,
        discount=DiscountDocument("Loyal", "fees", percent=D(10)),
        effective_at=story.period.start,
        now=story.period.start,
        key="loyal",
    )


DEEDS = {
    "top up": Deed(
        lambda s: f"/admin/clients/workspace/{s.workspace.pk}/top-up/",
        lambda s: {"band": f"{s.workspace.pk}:{s.band.pk}"},
        TopUpPurchase.objects.count,
    ),
    "top up from the client": Deed(
        lambda s: f"/admin/clients/client/{s.client.pk}/top-up/",
        lambda s: {"band": f"{s.workspace.pk}:{s.band.pk}"},
        TopUpPurchase.objects.count,
    ),
    "cap a client": Deed(
        lambda s: f"/admin/clients/client/{s.client.pk}/set-cap/",
        lambda s: {"what": f"units:{s.unit.pk}", "limit": "500"},
        Cap.objects.filter(client__isnull=False, workspace=None, quantity=500).count,
    ),
    "cap a workspace": Deed(
        lambda s: f"/admin/clients/workspace/{s.workspace.pk}/set-cap/",
        lambda s: {"what": "spend", "limit": "20.50"},
        Cap.objects.filter(workspace__isnull=False, amount=D("20.5")).count,
    ),
    "give credit": Deed(
        lambda s: f"/admin/clients/workspace/{s.workspace.pk}/adjust/",
        lambda s: {
            "unit": f"{s.workspace.pk}:{s.unit.pk}",
            "kind": "adjustment",
            "quantity": "5",
            "reason": "Sorry for the outage",
        },
        CreditGrant.objects.filter(kind="adjustment").count,
    ),
    "promote": Deed(
        lambda s: f"/admin/clients/workspace/{s.workspace.pk}/adjust/",
        lambda s: {
            "unit": f"{s.workspace.pk}:{s.unit.pk}",
            "kind": "promotional",
            "quantity": "5",
            "reason": "Welcome",
        },
        CreditGrant.objects.filter(kind="promotional", priority=40).count,
    ),
    "take credit back": Deed(
        lambda s: f"/admin/billing/creditgrant/{unused_grant(s).pk}/revoke/",
        lambda s: {"quantity": "5", "reason": "Given by mistake"},
        GrantRevocation.objects.count,
    ),
    "add a discount": Deed(
        lambda s: f"/admin/billing/subscription/{s.period.subscription_id}/add-discount/",
        lambda s: {
            "name": "Sorry",
            "on": "fees",
            "percent": "10",
            "periods": "3",
            "start": s.period.start.isoformat(),
        },
        SubscriptionDiscount.objects.count,
    ),
    "end a discount": Deed(
        lambda s: f"/admin/billing/subscriptiondiscount/{discount_of(s).pk}/end/",
        lambda s: {},
        SubscriptionDiscount.objects.exclude(expires_at=None).count,
    ),
    "record a payment": Deed(
        lambda s: f"/admin/billing/invoice/{s.invoice.pk}/record-payment/",
        lambda s: {
            "amount": "20",
            "received_at": yesterday(),
            "method": "bank_transfer",
            "reference": "RF18",
        },
        Payment.objects.count,
        by_finance=True,
    ),
    "send again": Deed(
        lambda s: f"/admin/billing/invoice/{s.invoice.pk}/resend/",
        lambda s: {},
        Mail.objects.exclude(key__startswith="alert").count,
        by_finance=True,
    ),
    "approve": Deed(
        lambda s: f"/admin/billing/topuprequest/{s.request.pk}/approve/",
        lambda s: {},
        TopUpPurchase.objects.count,
    ),
    "decline": Deed(
        lambda s: f"/admin/billing/topuprequest/{s.request.pk}/decline/",
        lambda s: {},
        TopUpRequest.objects.filter(state="declined").count,
    ),
    "create a key": Deed(
        lambda s: f"/admin/clients/workspace/{s.workspace.pk}/create-key/",
        lambda s: {"name": "production", "scopes": ["events"]},
        WorkspaceKey.objects.count,
    ),
    "invite to the portal": Deed(
        lambda s: f"/admin/clients/client/{s.client.pk}/invite/",
        lambda s: {"email": "New@acme.example", "role": "admin"},
        ClientMember.objects.count,
    ),
}


@pytest.fixture(params=DEEDS)
def deed(request: pytest.FixtureRequest) -> Deed:
    return DEEDS[request.param]


def form_of(browser: Browser, path: str) -> Any:
    response = browser.get(path)
    assert response.status_code == 200
    return response.context["form"]


def hidden(form: Any) -> dict[str, Any]:
    """What the page sends by itself."""
    return {field.html_name: field.value() or "" for field in form.hidden_fields()}


def errors(response: Any) -> dict[str, list[str]]:
    assert response.status_code == 200
    found: dict[str, list[str]] = response.context["form"].errors
    return found


def test_asking_changes_nothing(deed: Deed, story: Story, as_manager: Browser) -> None:
    before = deed.count()

    form = form_of(as_manager, deed.path(story))

    assert form is not None
    assert deed.count() == before
    assert not LogEntry.objects.exists()


def test_it_is_done_once_and_noted_once(deed: Deed, story: Story, as_manager: Browser) -> None:
    path, before = deed.path(story), deed.count()
    said = {**hidden(form_of(as_manager, path)), **deed.said(story)}

    first = as_manager.post(path, said)
    again = as_manager.post(path, said)

    assert deed.count() == before + 1, first.content.decode()
    assert first.status_code == again.status_code
    assert LogEntry.objects.count() == 1


def test_outsiders_find_nothing(deed: Deed, story: Story, as_outsider: Browser) -> None:
    path, before = deed.path(story), deed.count()

    assert as_outsider.get(path).status_code == 404
    assert as_outsider.post(path, {"key": KEY, **deed.said(story)}).status_code == 404
    assert deed.count() == before


def test_viewers_may_not(deed: Deed, story: Story, as_viewer: Browser) -> None:
    path, before = deed.path(story), deed.count()

    assert as_viewer.get(path).status_code == 403
    assert as_viewer.post(path, {"key": KEY, **deed.said(story)}).status_code == 403
    assert deed.count() == before


def test_finance_deals_with_money_that_is_owed(
    deed: Deed, story: Story, as_finance: Browser
) -> None:
    assert as_finance.get(deed.path(story)).status_code == (200 if deed.by_finance else 403)


def test_a_form_from_elsewhere_is_refused(deed: Deed, story: Story, teammate: Any) -> None:
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(teammate)
    before = deed.count()

    response = browser.post(deed.path(story), {"key": KEY, **deed.said(story)})

    assert response.status_code == 403
    assert deed.count() == before


def test_in_the_pages_window_the_page_is_loaded_anew(story: Story, as_manager: Browser) -> None:
    deed = DEEDS["give credit"]

    response = as_manager.post(
        deed.path(story), {"key": KEY, **deed.said(story)}, headers={"HX-Request": "true"}
    )

    assert response.status_code == 204
    assert response["HX-Redirect"] == f"/admin/clients/workspace/{story.workspace.pk}/change/"


# --- Refusals ----------------------------------------------------------------------------------


def send(browser: Browser, name: str, story: Story, **other: Any) -> Any:
    deed = DEEDS[name]
    return browser.post(deed.path(story), {"key": KEY, **deed.said(story), **other})


def test_a_payment_that_has_not_come_is_refused_at_its_date(
    story: Story, as_manager: Browser
) -> None:
    response = send(as_manager, "record a payment", story, received_at="2999-01-01")

    assert "not come yet" in errors(response)["received_at"][0]


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("record a payment", "received_at"),
        ("give credit", "expires_at"),
        ("create a key", "expires_on"),
    ],
)
def test_a_day_at_the_calendars_end_is_refused(
    story: Story, as_manager: Browser, name: str, field: str, day: str
) -> None:
    assert field in errors(send(as_manager, name, story, **{field: day}))


def test_the_same_form_with_other_facts_is_refused(story: Story, as_manager: Browser) -> None:
    assert send(as_manager, "record a payment", story).status_code == 302

    response = send(as_manager, "record a payment", story, amount="21")

    assert "__all__" in errors(response)
    assert [payment.amount for payment in Payment.objects.all()] == [D(20)]


def test_a_payment_is_booked_and_says_who_recorded_it(
    story: Story, teammate: Any, as_manager: Browser
) -> None:
    send(as_manager, "record a payment", story, amount="49")

    payment = Payment.objects.get()
    assert (payment.amount, payment.recorded_by) == (D(49), teammate)
    assert Invoice.objects.get().state == Invoice.State.PAID


def test_credit_needs_a_reason_a_time_to_be_used_and_a_measure(
    story: Story, as_manager: Browser
) -> None:
    assert "reason" in errors(send(as_manager, "give credit", story, reason="  "))
    assert "expires_at" in errors(send(as_manager, "give credit", story, expires_at="2020-01-01"))
    too_much = errors(send(as_manager, "give credit", story, quantity="1000000000.000001"))
    assert too_much["quantity"] == ["Give at most 1,000,000,000 at once."]
    assert not CreditGrant.objects.filter(kind="adjustment").exists()
    assert send(as_manager, "give credit", story, quantity="1000000000").status_code == 302


def test_a_band_of_another_plan_is_no_choice(story: Story, as_manager: Browser) -> None:
    response = send(as_manager, "top up", story, band=f"{story.workspace.pk}:999999")

    assert "band" in errors(response)


def test_a_decided_request_stays_decided(story: Story, as_manager: Browser) -> None:
    send(as_manager, "decline", story)

    response = send(as_manager, "approve", story)

    assert "declined" in str(errors(response))
    assert not TopUpPurchase.objects.exists()


def test_nothing_goes_out_without_an_address(story: Story, as_manager: Browser) -> None:
    type(story.client).objects.update(email="")
    ClientMember.objects.filter(role="admin").delete()
    before = Mail.objects.count()

    response = send(as_manager, "send again", story)

    assert "address" in str(errors(response))
    assert Mail.objects.count() == before


# --- Closing -----------------------------------------------------------------------------------


def close_path(story: Story) -> str:
    return f"/admin/billing/billingperiod/{story.period.pk}/close/"


def test_a_running_period_says_when_it_can_be_closed(story: Story, as_manager: Browser) -> None:
    page = as_manager.get(close_path(story))
    posted = as_manager.post(close_path(story), {"key": KEY})

    assert "runs until" in page.content.decode()
    assert page.context["form"] is None
    assert "close it then" in str(errors(posted))
    assert BillingPeriod.objects.filter(state="closed").count() == 0


def test_a_due_period_is_closed_once(story: Story, as_manager: Browser) -> None:
    span = dt.timedelta(days=60)
    BillingPeriod.objects.filter(pk=story.period.pk).update(
        due_at=timezone.now() - dt.timedelta(hours=1), end=timezone.now() - dt.timedelta(hours=2)
    )
    later = BillingPeriod.objects.exclude(pk=story.period.pk)
    later.update(due_at=timezone.now() + span)

    page = as_manager.get(close_path(story))
    first = as_manager.post(close_path(story), {"key": KEY})
    again = as_manager.post(close_path(story), {"key": KEY})

    assert page.context["form"] is not None
    assert (first.status_code, again.status_code) == (302, 302)
    assert BillingPeriod.objects.get(pk=story.period.pk).state == "closed"


def test_closing_is_shut_to_others(
    story: Story, as_outsider: Browser, as_viewer: Browser, as_finance: Browser
) -> None:
    assert as_outsider.post(close_path(story), {"key": KEY}).status_code == 404
    assert as_viewer.post(close_path(story), {"key": KEY}).status_code == 403
    assert as_finance.post(close_path(story), {"key": KEY}).status_code == 403


# --- Keys and people ---------------------------------------------------------------------------


def test_a_key_is_shown_once_and_works_until_it_is_revoked(
    story: Story, as_manager: Browser
) -> None:
    path = DEEDS["create a key"].path(story)
    said = {**hidden(form_of(as_manager, path)), **DEEDS["create a key"].said(story)}
    shown = as_manager.post(path, said)
    text = shown.context["text"]
    key = WorkspaceKey.objects.get()
    page = as_manager.get(f"/admin/clients/workspacekey/{key.pk}/change/")

    assert text in shown.content.decode()
    assert text not in page.content.decode()
    assert authenticate(plain_text=text, now=timezone.now()) == key

    revoke = f"/admin/clients/workspacekey/{key.pk}/revoke/"
    assert as_manager.get(revoke).status_code == 200
    assert authenticate(plain_text=text, now=timezone.now()) == key
    assert as_manager.post(revoke, {"key": KEY}).status_code == 302
    assert authenticate(plain_text=text, now=timezone.now()) is None


def test_nobody_chooses_a_keys_text(story: Story, as_manager: Browser) -> None:
    response = send(as_manager, "create a key", story, sealed="apk_guessable")

    assert "sealed" in errors(response)
    assert not WorkspaceKey.objects.exists()


def test_an_owner_invites_a_colleague(story: Story, as_owner: Browser, as_manager: Browser) -> None:
    path = f"/admin/clients/agency/{story.workspace.agency_id}/invite/"
    said = {"key": KEY, "email": "Fay@Northwind.example", "name": "Fay", "role": "finance"}

    assert as_manager.post(path, said).status_code == 403
    assert as_owner.post(path, said).status_code == 302
    assert as_owner.post(path, said).status_code == 302

    member = AgencyMember.objects.get(user__email="fay@northwind.example")
    assert (member.role, member.user.name) == ("finance", "Fay")
    assert not member.user.has_usable_password()
    told = Mail.objects.get(key__startswith="invitation:")  # once, however often it is sent
    assert told.recipients == ["fay@northwind.example"]
    assert "/accounts/password/reset/" in told.body_text
    assert "You are invited to Northwind" in told.subject


def test_a_client_is_told_whose_portal_it_is_and_who_has_a_password_signs_in(
    story: Story, as_manager: Browser, teammate: User
) -> None:
    path = f"/admin/clients/client/{story.client.pk}/invite/"

    as_manager.post(path, {"key": KEY, "email": teammate.email, "role": "viewer"})

    told = Mail.objects.get(key__startswith="invitation:client:")
    assert told.subject == "You are invited to Acme (Northwind)"
    assert told.client == story.client
    assert "/accounts/password/reset/" not in told.body_text + told.body_html


def test_a_discount_is_a_percentage_or_an_amount(story: Story, as_manager: Browser) -> None:
    both = send(as_manager, "add a discount", story, amount="5")
    neither = send(as_manager, "add a discount", story, percent="")

    assert "not both" in errors(both)["percent"][0]
    assert "percent" in errors(neither)
    assert not SubscriptionDiscount.objects.exists()


def test_a_discount_is_seen_at_the_subscription_and_on_the_next_invoice(
    story: Story, as_manager: Browser
) -> None:
    send(as_manager, "add a discount", story)

    page = as_manager.get(f"/admin/billing/subscription/{story.period.subscription_id}/change/")
    assert "10 %" in page.content.decode()
    assert story.period.charges.get(kind="discount").amount == D("-4.90")
