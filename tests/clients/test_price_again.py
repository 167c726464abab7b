"""Usage whose price or exchange rate was unknown is priced once these are known."""

from __future__ import annotations

from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from agencyportal.core.append_only import AppendOnlyError
from clients.models import (
    CostPayer,
    ExchangeRate,
    ModelPrice,
    UsageDay,
    UsageEvent,
    UsagePricing,
    UsageQuarter,
    UsageWindow,
    Workspace,
)
from clients.services.price_again import flagged_events, look_again, price_again
from clients.services.recording import TokenUsage
from clients.services.window_ends import move_end
from clients.services.windows import lock_workspace, open_window, settle

from .recorder import APRIL, MARCH, NOW, at, event, march_window, record, whole_state

D = Decimal

pytestmark = pytest.mark.django_db

TOKENS = TokenUsage(input_tokens=1_000_000, output_tokens=0)


def call(name: str, **fields):
    values: dict[str, Any] = {"model": "house-model", "usage": TOKENS}
    return event(name, **(values | fields))


def price(model: str = "house-model", amount: str = "3", since: str = "2026-01-01 00:00", **fields):
    return ModelPrice.objects.create(
        **{"cost_payer": CostPayer.PLATFORM, "effective_from": at(since)} | fields,
        model=model,
        input_price=D(amount),
        output_price=D(amount),
    )


def again(*workspaces: Workspace, **fields):
    return price_again(workspaces=workspaces, now=NOW, **fields)


def test_sums_are_as_if_the_price_had_been_known(acme_support, conversation, acme, northwind):
    late_price = Workspace.objects.create(agency=northwind, client=acme, slug="b", name="B")
    calls = [call("a"), call("b", time="2026-03-09 12:05", label="triage"), call("c", model="x")]
    march_window(acme_support, conversation)
    record(acme_support, *calls)
    price()
    march_window(late_price, conversation)
    record(late_price, *calls)

    outcome = again(acme_support)

    assert (outcome.priced, dict(outcome.cost), dict(outcome.left)) == (2, {"USD": D(6)}, {"x": 1})
    assert whole_state(acme_support) == whole_state(late_price)
    assert UsageEvent.objects.get(workspace=acme_support, external_id="a").cost is None
    row = UsagePricing.objects.get(event__external_id="a")
    assert (row.standing, row.cost, row.client_cost) == ("counted", D(3), D(3))
    assert row.price_source == f"model price {ModelPrice.objects.get().pk}"


def test_each_event_costs_what_was_in_force_when_it_happened(acme_support, conversation):
    march_window(acme_support, conversation)
    record(acme_support, call("early", time="2026-03-02 00:00"), call("later"))
    price(amount="3", since="2026-03-05 00:00")

    assert again(acme_support).priced == 1

    assert UsagePricing.objects.get().event.external_id == "later"
    assert flagged_events().get().external_id == "early"


def test_an_event_is_priced_once_and_for_good(acme_support, conversation):
    march_window(acme_support, conversation)
    record(acme_support, call("a"))
    price(amount="3")
    again(acme_support)
    price(amount="9", since="2026-03-01 00:00")

    assert again(acme_support).priced == 0

    row = UsagePricing.objects.get()
    assert row.cost == 3
    with pytest.raises(AppendOnlyError):
        row.delete()
    assert UsageQuarter.objects.get().platform_cost == 3
    assert UsageDay.objects.get().unpriced == 0


def test_a_cost_that_lacked_a_rate_is_converted_as_it_is(acme_support, conversation):
    acme_support.cost_payer = CostPayer.AGENCY
    acme_support.save()
    march_window(acme_support, conversation)
    record(acme_support, event("a", cost=D(2), cost_currency="EUR", model="house-model"))
    assert flagged_events().get().cost_flag == "no_rate"
    ExchangeRate.objects.create(
        base="EUR", quote="USD", rate=D("1.1"), effective_from=at("2026-03-01 00:00")
    )
    acme_support.cost_payer = CostPayer.PLATFORM  # who paid stands on the event
    acme_support.save()

    again(acme_support)

    row = UsagePricing.objects.get()
    assert (row.cost, row.cost_currency, row.exchange_rate) == (D(2), "EUR", D("1.1"))
    assert (row.client_cost, row.price_source) == (D("2.2"), "reported")
    assert UsageQuarter.objects.get().agency_cost == D("2.2")


def test_with_a_price_and_no_rate_it_waits_for_both(acme_support, conversation):
    march_window(acme_support, conversation)
    record(acme_support, call("a"))
    price(currency="CHF")

    assert again(acme_support).priced == 0
    ExchangeRate.objects.create(
        base="CHF", quote="USD", rate=D(2), effective_from=at("2026-01-01 00:00")
    )
    assert again(acme_support).cost == {"USD": D(6)}


def test_unknown_tokens_are_nothing_that_a_price_can_mend(acme_support, conversation):
    march_window(acme_support, conversation)
    record(acme_support, call("a", usage=None))
    price()

    outcome = again(acme_support)

    assert (outcome.priced, dict(outcome.left)) == (0, {"house-model": 1})
    assert not UsagePricing.objects.exists()


def test_what_is_closed_keeps_its_sums(acme_support, conversation):
    march_window(acme_support, conversation)
    record(acme_support, call("in time"))
    settle(workspace=acme_support, until=APRIL)
    record(acme_support, call("late"))
    before = whole_state(acme_support)
    price()

    again(acme_support)

    assert whole_state(acme_support) == before
    assert set(UsagePricing.objects.values_list("standing", flat=True)) == {"late"}


def test_unbilled_usage_brings_its_cost_when_a_window_opens_and_takes_it_along(
    acme_support, conversation
):
    record(acme_support, call("a"))
    price()
    again(acme_support)
    assert UsagePricing.objects.get().standing == "unbilled"
    assert not UsageQuarter.objects.exists()

    window = open_window(workspace=acme_support, unit=conversation, start=MARCH, end=APRIL)
    day = UsageDay.objects.get()
    assert (day.platform_cost, day.unpriced) == (3, 0)

    locked = lock_workspace(acme_support.pk)
    move_end(workspace=locked, window=window, end=at("2026-03-10 00:00"))
    assert not UsageDay.objects.exists()
    assert not UsageQuarter.objects.exists()
    assert UsageWindow.objects.get().events == 0


def test_a_part_at_a_time_so_that_it_may_be_stopped(acme_support, conversation, monkeypatch):
    monkeypatch.setattr("clients.services.price_again.AT_ONCE", 2)
    march_window(acme_support, conversation)
    record(acme_support, *(call(f"{n}", model="x" if n % 2 else "house-model") for n in range(7)))
    price()
    seen: list[int] = []

    def stop(count: int) -> None:
        seen.append(count)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        again(acme_support, progress=stop)
    assert UsagePricing.objects.count() == 2

    assert again(acme_support).priced == 2
    assert UsageQuarter.objects.get().platform_cost == 12


def test_looking_writes_nothing(acme_support, conversation):
    march_window(acme_support, conversation)
    record(acme_support, call("a"), call("b"), call("c"))
    price()

    found = look_again(workspaces=[acme_support], limit=2)

    assert (found.priced, found.cost) == (2, {"USD": D(6)})
    assert not UsagePricing.objects.exists()


def test_by_command(acme_support, conversation):
    march_window(acme_support, conversation)
    record(acme_support, call("a"), call("b", model="x"))
    price()
    said = StringIO()

    call_command("price_usage", "--workspace", "acme-support", "--dry-run", stdout=said)
    call_command("price_usage", "--agency", "northwind", stdout=said)

    assert said.getvalue().splitlines() == [
        "Events that can be priced: 1 (3 USD)",
        "  without a price or a rate: x (1)",
        "Events priced: 1 (3 USD)",
        "  without a price or a rate: x (1)",
    ]
