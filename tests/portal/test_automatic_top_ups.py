"""Top-ups bought automatically, as a client's people see and switch them."""

from __future__ import annotations

import datetime as dt
import html
import re
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client as Browser

from billing.models import AutomaticTopUp, Mail, TopUpConsent, TopUpOrder
from billing.services.automatic_buying import look_at_all
from billing.services.automatic_consent import switch_off_for_agency
from billing.services.stripe_customers import ensure_customer, read_card
from clients.models import Client, User
from tests.stripe_double import StripeDouble
from tests.stripe_fixtures import stripe, stripe_server

from .conftest import NOON, Story, record
from .pages import text_of

__all__ = ["stripe", "stripe_server"]


@pytest.fixture
def card(stripe: StripeDouble, story: Story) -> Any:
    def save(way: str = "card") -> None:
        customer = ensure_customer(client=story.client, now=NOON)
        stripe.save_card(customer.customer_id, way)
        read_card(customer=customer, now=NOON)

    return save


@pytest.fixture
def answers(story: Story) -> dict[str, str]:
    return {
        "band": str(story.growth.pk),
        "threshold": "200",
        "max_count": "2",
        "max_amount": "130.00",
        "pay": "card",
    }


def page(story: Story, action: str = "") -> str:
    return story.url(f"automatic/{story.workspace.pk}/{story.growth.unit_id}/{action}")


def shown_on(response: Any) -> str:
    found = re.search(r'name="shown" value="(\w+)"', response.content.decode())
    assert found
    return html.unescape(found.group(1))


@pytest.fixture
def switched_on(story: Story, admin: Browser, card: Any, answers: dict[str, str]) -> Any:
    card()
    terms = admin.get(f"{page(story, 'terms/')}?{urlencode(answers)}")
    sent = answers | {"shown": shown_on(terms), "accept": "yes"}
    return admin.post(page(story, "on/"), sent, follow=True)


def test_it_is_off_and_found_from_the_top_ups_page(
    stripe: StripeDouble, story: Story, admin: Browser
) -> None:
    text = text_of(admin.get(story.url("top-ups/")))
    assert "Bought automatically" in text
    assert "Acme support chat: conversations Off Set it up" in text
    one = text_of(admin.get(page(story)))
    assert "It is charged to a saved card, and none is saved yet. Save a card" in one


def test_the_terms_are_shown_accepted_and_kept(
    stripe: StripeDouble,
    story: Story,
    admin: Browser,
    card: Any,
    answers: dict[str, str],
    client_admin: User,
) -> None:
    card()
    form = text_of(admin.get(page(story)))
    assert "Growth 500: $60.00" in form
    assert "Visa •••• 4242, at once" in form
    terms = admin.get(f"{page(story, 'terms/')}?{urlencode(answers)}")
    assert "At most 2 are bought, for at most $130.00 with tax, in one calendar month" in (
        text_of(terms)
    )
    assert not TopUpConsent.objects.exists()
    without = admin.post(page(story, "on/"), answers | {"shown": shown_on(terms)})
    assert without.status_code == 400
    assert "Please accept the terms" in text_of(without)
    done = admin.post(
        page(story, "on/"), answers | {"shown": shown_on(terms), "accept": "yes"}, follow=True
    )
    text = text_of(done)
    assert "Top-ups are bought automatically from now on." in text
    assert "When 200 or fewer are left: Growth 500, charged to the saved card" in text
    assert "0 of 2 this month, $0.00 of $130.00 with tax" in text
    kept = TopUpConsent.objects.get()
    assert (kept.given_by, kept.given_at) == (client_admin, NOON)
    assert all(line in text_of(terms) for line in kept.terms.splitlines())


def test_terms_that_were_not_shown_are_not_accepted(
    stripe: StripeDouble, story: Story, admin: Browser, card: Any, answers: dict[str, str]
) -> None:
    """The form was changed on its way: 9 instead of 2."""
    card()
    terms = admin.get(f"{page(story, 'terms/')}?{urlencode(answers)}")
    sent = answers | {"max_count": "9", "shown": shown_on(terms), "accept": "yes"}
    refused = admin.post(page(story, "on/"), sent)
    assert refused.status_code == 409
    assert "The terms have changed meanwhile." in text_of(refused)
    assert not TopUpConsent.objects.exists()


@pytest.mark.parametrize(
    ("changed", "status", "words"),
    [
        ({"max_amount": "59.99"}, 409, "One costs $60.00 with tax, so nothing could be bought."),
        ({"max_count": "0"}, 400, "greater than or equal to 1"),
        ({"threshold": ""}, 400, "This field is required."),
        ({"band": "999999"}, 400, "Select a valid choice."),
        ({"pay": "account"}, 400, "Select a valid choice."),
    ],
)
def test_what_is_wrong_stands_at_its_field(
    stripe: StripeDouble,
    story: Story,
    admin: Browser,
    card: Any,
    answers: dict[str, str],
    changed: dict[str, str],
    status: int,
    words: str,
) -> None:
    card()
    wrong = admin.get(f"{page(story, 'terms/')}?{urlencode(answers | changed)}")
    assert (wrong.status_code, words in text_of(wrong)) == (status, True)


def test_what_only_the_agency_buys_is_no_choice(
    stripe: StripeDouble, story: Story, admin: Browser, card: Any, answers: dict[str, str]
) -> None:
    card()
    by_hand = answers | {"band": str(story.agency_only.pk)}
    wrong = admin.get(f"{page(story, 'terms/')}?{urlencode(by_hand)}")
    assert wrong.status_code == 400


def test_bought_and_said_on_the_usage_page(
    stripe: StripeDouble, story: Story, admin: Browser, switched_on: Any
) -> None:
    """150 are left, so one is bought at once."""
    assert look_at_all(now=NOON, limit=10) == 1
    text = text_of(admin.get(story.url()))
    assert "650 conversations left" in text
    assert "1 of 2 this month, $60.00 of $130.00 with tax" in text
    assert "Growth 500 bought for $60.00" in text_of(admin.get(page(story)))
    assert "Automatically" in text_of(admin.get(story.url("top-ups/")))


def test_declined_it_says_why_and_when_it_is_tried_again(
    stripe: StripeDouble, story: Story, admin: Browser, switched_on: Any, card: Any
) -> None:
    card("no funds")
    look_at_all(now=NOON, limit=10)
    for path in (story.url(), story.url("top-ups/"), page(story)):
        text = text_of(admin.get(path))
        assert "There is not enough money on the card. It is tried again at" in text


def test_stopped_it_says_why_everywhere_and_goes_on_by_a_click(
    stripe: StripeDouble, story: Story, admin: Browser, switched_on: Any, card: Any
) -> None:
    card("stolen")
    look_at_all(now=NOON, limit=10)
    for path in (story.url(), story.url("top-ups/"), page(story)):
        assert "The bank declined the payment." in text_of(admin.get(path))
    assert "conversations are not bought automatically any more" in text_of(admin.get(story.url()))
    card()
    done = admin.post(page(story, "resume/"), follow=True)
    assert "It goes on." in text_of(done)
    assert look_at_all(now=NOON, limit=10) == 1
    again = admin.post(page(story, "resume/"))
    assert (again.status_code, "not stopped any more" in text_of(again)) == (409, True)


def test_a_payment_is_confirmed_with_the_bank_from_its_page(
    stripe: StripeDouble, story: Story, admin: Browser, viewer: Browser, switched_on: Any, card: Any
) -> None:
    card("3ds always")
    look_at_all(now=NOON, limit=10)
    order = TopUpOrder.objects.get()
    link = story.url(f"orders/{order.pk}/")
    assert link in Mail.objects.get(key__contains="confirm").body_html
    assert "Your bank wants a payment to be confirmed." in text_of(admin.get(page(story)))
    assert "Confirm with your bank" in text_of(admin.get(link))
    assert "Confirm with your bank" not in text_of(viewer.get(link))
    assert viewer.post(f"{link}confirm/").status_code == 403
    on_the_way = admin.post(f"{link}confirm/", follow=True)
    assert f"{stripe.url}/authenticate/{order.intent_id}" in on_the_way.content.decode()
    stripe.authenticate(order.intent_id or "")
    back = admin.get(f"{link}?back=paid", follow=True)
    assert "500 conversations are there for Acme support chat, ready to use." in text_of(back)


def test_an_admin_switches_it_off(
    stripe: StripeDouble, story: Story, admin: Browser, switched_on: Any
) -> None:
    done = admin.post(page(story, "off/"), follow=True)
    assert "Nothing is bought automatically any more." in text_of(done)
    assert AutomaticTopUp.objects.get().state == "off"
    assert "Switched off" in text_of(done)


def test_what_the_agency_switched_off_says_so(
    stripe: StripeDouble, story: Story, admin: Browser, switched_on: Any, operator: User
) -> None:
    switch_off_for_agency(
        automatic=AutomaticTopUp.objects.get(),
        ended_by=operator,
        reason="We change your package.",
        now=NOON,
    )
    text = text_of(admin.get(page(story)))
    assert "Switched off by Northwind" in text
    assert "We change your package." in text


def test_a_viewer_looks_and_changes_nothing(
    stripe: StripeDouble, story: Story, viewer: Browser, switched_on: Any, answers: dict[str, str]
) -> None:
    text = text_of(viewer.get(page(story)))
    assert "When 200 or fewer are left" in text
    assert "can change it." in text
    for action in ("on/", "off/", "resume/"):
        assert viewer.post(page(story, action), answers).status_code == 403
    assert viewer.get(f"{page(story, 'terms/')}?{urlencode(answers)}").status_code == 403
    assert AutomaticTopUp.objects.get().state == "on"


def test_an_outsider_sees_nothing(
    stripe: StripeDouble, story: Story, outsider: User, browse: Any, switched_on: Any
) -> None:
    stranger = browse(outsider)
    assert stranger.get(page(story)).status_code == 404
    for action in ("on/", "off/", "resume/", "terms/"):
        assert stranger.post(page(story, action)).status_code in (404, 405)
    assert AutomaticTopUp.objects.get().state == "on"


def test_another_clients_workspace_is_not_there(
    stripe: StripeDouble, story: Story, admin: Browser, birch_leads: Any
) -> None:
    url = story.url(f"automatic/{birch_leads.pk}/{story.growth.unit_id}/")
    assert admin.get(url).status_code == 404


def test_without_stripe_it_is_on_account_where_that_is_allowed(
    story: Story, admin: Browser, answers: dict[str, str]
) -> None:
    assert "cards cannot be used here" in text_of(admin.get(page(story)))
    Client.objects.filter(pk=story.client.pk).update(automatic_on_account=True)
    on_account = answers | {"pay": "account"}
    terms = admin.get(f"{page(story, 'terms/')}?{urlencode(on_account)}")
    assert "Nothing is paid at once: the price goes on the next invoice." in text_of(terms)
    sent = on_account | {"shown": shown_on(terms), "accept": "yes"}
    admin.post(page(story, "on/"), sent)
    assert look_at_all(now=NOON, limit=10) == 1
    assert "650 conversations left" in text_of(admin.get(story.url()))


def test_at_its_maximum_it_says_until_when_it_waits(
    stripe: StripeDouble, story: Story, admin: Browser, switched_on: Any
) -> None:
    at = NOON
    for turn in range(3):
        look_at_all(now=at, limit=10)
        at = NOON + dt.timedelta(hours=turn + 1)
        record(story.workspace, f"more {turn}", 500, at)
    look_at_all(now=at, limit=10)
    text = text_of(admin.get(page(story)))
    assert "2 of 2 this month" in text
    assert "The monthly maximum is reached. It is tried again at Apr 1, 2026, 12:00 AM." in text
