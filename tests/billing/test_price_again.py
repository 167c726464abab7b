"""What usage cost after all: caps of open periods, and closed periods that settle it late."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.urls import reverse

from billing.models import Charge, LateEntry, LateSettlement, MarginRule
from billing.services.late_usage import settle_late_usage
from clients.models import CapBalance, CostPayer, ModelPrice, UsagePricing
from clients.services.price_again import price_again
from clients.services.recording import SubmittedEvent, TokenUsage, record_events

from .plan_samples import NEW_YORK_2026, allowance, bill, starter
from .story import close, periods_of, subscribe
from .test_caps import cap

D = Decimal
JANUARY, FEBRUARY, MARCH, APRIL = (NEW_YORK_2026[month] for month in range(1, 5))
DAY = dt.timedelta(days=1)

pytestmark = pytest.mark.django_db


def call(workspace, name: str, at: dt.datetime, model: str = "house-model") -> None:
    """A conversation with a million tokens of a model that nobody has priced."""
    event = SubmittedEvent(
        id=name,
        unit="conversation",
        time=at,
        model=model,
        usage=TokenUsage(input_tokens=1_000_000, output_tokens=0),
    )
    record_events(workspace=workspace, events=[event], now=at)


def price(model: str = "house-model", amount: str = "8") -> ModelPrice:
    return ModelPrice.objects.create(
        cost_payer=CostPayer.PLATFORM,
        model=model,
        input_price=D(amount),
        output_price=D(amount),
        effective_from=JANUARY,
    )


def cost_plus(**figures: str) -> dict[str, Any]:
    overage = bill({"model": "cost_plus"} | figures)
    return starter(allowances=[allowance(included="0", overage=overage)])


def test_a_closed_period_settles_the_cost_in_the_open_one(acme_support, conversation):
    """Four calls in January, 25 % on their cost; two had no price. 16 x 1.25, then 32 x 1.25."""
    subscribe(acme_support, cost_plus(margin_percent="25"), JANUARY)
    price("known")
    for number, model in enumerate(("known", "known", "house-model", "house-model")):
        call(acme_support, f"{number}", JANUARY + DAY, model)
    january = close(periods_of(acme_support)[0])
    assert january.charges.get(kind="overage").amount == D(20)
    price()

    price_again(workspaces=[acme_support], now=FEBRUARY + 9 * DAY)
    for _twice in range(2):
        settle_late_usage(now=FEBRUARY + 9 * DAY)

    settled = LateSettlement.objects.get()
    assert (settled.quantity, settled.overage, settled.platform_cost) == (0, 0, D(16))
    assert (settled.overage_amount, settled.details["cost"]) == (D(20), "32")
    assert set(LateEntry.objects.values_list("pricing", flat=True)) == set(
        UsagePricing.objects.values_list("pk", flat=True)
    )
    assert january.usage.get().platform_cost == 16  # what was frozen stays
    february = close(periods_of(acme_support)[1])
    assert settled.settled_in == february
    line = Charge.objects.get(kind="late_usage")
    assert (line.amount, line.bill_at) == (D(20), MARCH)


def test_under_a_price_of_its_own_only_the_margin_moves(acme_support, conversation):
    subscribe(acme_support, starter(), JANUARY)
    call(acme_support, "a", JANUARY + DAY)
    close(periods_of(acme_support)[0])
    price()

    price_again(workspaces=[acme_support], now=FEBRUARY + DAY)
    close(periods_of(acme_support)[1])  # closing settles what waits

    settled = LateSettlement.objects.get()
    assert (settled.platform_cost, settled.amount) == (D(8), 0)
    assert not Charge.objects.filter(kind="late_usage").exists()


def test_models_keep_their_own_rules(acme_support, conversation):
    """8 of large x 1.5 in time; 8 of house-model x 1.1, found later."""
    for model, percent in (("", 10), ("large", 50)):
        MarginRule.objects.create(
            agency=acme_support.agency,
            name=model or "any",
            scope_key=f"model={model}",
            effective_from=JANUARY,
            percent=D(percent),
            model=model,
        )
    subscribe(acme_support, cost_plus(), JANUARY)
    price("large")
    call(acme_support, "a", JANUARY + DAY, "large")
    call(acme_support, "b", JANUARY + DAY)
    january = close(periods_of(acme_support)[0])
    assert january.charges.get(kind="overage").amount == D(12)
    price()

    price_again(workspaces=[acme_support], now=FEBRUARY + DAY)
    settle_late_usage(now=FEBRUARY + DAY)

    assert LateSettlement.objects.get().overage_amount == D("8.8")


def test_found_before_the_close_it_is_part_of_it(acme_support, conversation):
    subscribe(acme_support, cost_plus(margin_percent="25"), JANUARY)
    call(acme_support, "a", JANUARY + DAY)
    price()
    price_again(workspaces=[acme_support], now=JANUARY + 2 * DAY)

    january = close(periods_of(acme_support)[0])

    assert january.charges.get(kind="overage").amount == D(10)
    assert not LateSettlement.objects.exists()


def test_a_cap_on_cost_has_it_at_once(acme_support, conversation):
    subscribe(acme_support, starter(), JANUARY)
    cap(acme_support, "cost", "100", "workspace")
    call(acme_support, "a", JANUARY + DAY)
    price()

    price_again(workspaces=[acme_support], now=JANUARY + DAY)

    assert CapBalance.objects.get(kind="cost").cost_used == D(8)


@pytest.mark.parametrize("of", ["workspace", "agency"])
def test_a_manager_prices_it_from_the_page(client, teammate, acme_support, conversation, of):
    subscribe(acme_support, starter(), JANUARY)
    call(acme_support, "a", JANUARY + DAY)
    call(acme_support, "b", JANUARY + DAY, "unheard-of")
    row = acme_support if of == "workspace" else acme_support.agency
    url = reverse(f"admin:clients_{of}_price_again", args=(row.pk,))
    client.force_login(teammate)
    assert "None of these can be priced yet" in client.get(url).content.decode()
    price()
    page = client.get(url).content.decode()
    assert "8 USD" in page
    assert "unheard-of (1)" in page

    for _twice in range(2):
        client.post(url, {"key": "k"})

    assert UsagePricing.objects.get().created_by == teammate
    event = reverse("admin:clients_usageevent_change", args=(UsagePricing.objects.get().event_id,))
    assert "found later" in client.get(event).content.decode()
    assert "None of these can be priced yet" in client.get(url).content.decode()
