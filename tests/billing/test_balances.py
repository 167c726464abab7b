"""What a workspace has left now, also while the last period is still open for late usage."""

from __future__ import annotations

import datetime as dt

from billing.selectors import Balance, balances
from billing.services.purchases import buy_on_account

from .plan_samples import NEW_YORK_2026, allowance, band, starter
from .story import close, periods_of, subscribe, use, whole

JANUARY, FEBRUARY, MARCH = (NEW_YORK_2026[month] for month in range(1, 4))
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)


def figures(balance: Balance) -> tuple[int, ...]:
    """granted, used, remaining, overage"""
    return whole(balance.granted, balance.used, balance.remaining, balance.overage)


def test_what_is_left_of_the_allowance(acme_support, conversation):
    subscribe(acme_support, starter(), JANUARY)
    use(acme_support, conversation, JANUARY + HOUR, 300)

    (balance,) = balances(workspace=acme_support, now=JANUARY + DAY)

    assert (balance.unit, balance.policy) == (conversation, "bill")
    assert balance.resets_at == FEBRUARY
    assert figures(balance) == (1000, 300, 700, 0)


def test_every_unit_of_the_package_has_a_balance(acme_support, conversation, page):
    subscribe(acme_support, starter(top_ups=[band(unit="page")]), JANUARY)

    found = balances(workspace=acme_support, now=JANUARY)

    assert [(balance.unit, balance.policy) for balance in found] == [
        (conversation, "bill"),
        (page, "notify"),
    ]


def test_outside_a_subscription_there_is_none(acme_support, conversation):
    subscribe(acme_support, starter(), JANUARY, end=FEBRUARY)

    assert balances(workspace=acme_support, now=JANUARY - HOUR) == []
    assert balances(workspace=acme_support, now=FEBRUARY) == []


def test_overage_shows_and_a_later_top_up_does_not_absorb_it(acme_support, conversation):
    growth = subscribe(acme_support, starter(), JANUARY).plan_version.top_ups.get()
    use(acme_support, conversation, JANUARY + HOUR, 1200)
    buy_on_account(workspace=acme_support, band=growth, key="k", now=JANUARY + DAY)

    (balance,) = balances(workspace=acme_support, now=JANUARY + DAY)

    assert figures(balance) == (1500, 1200, 500, 200)


def test_what_an_open_last_period_leaves_counts_before_it_is_closed(acme_support, conversation):
    """300 roll over and 100 of the top-up are burned, in thought and then in the books."""
    plan = starter(allowances=[allowance(rollover_max="300")], top_ups=[band(expires="never")])
    growth = subscribe(acme_support, plan, JANUARY).plan_version.top_ups.get()
    buy_on_account(workspace=acme_support, band=growth, key="k", now=JANUARY)
    use(acme_support, conversation, JANUARY + HOUR, 400)
    use(acme_support, conversation, FEBRUARY, 1400)

    (before,) = balances(workspace=acme_support, now=FEBRUARY + HOUR)
    close(periods_of(acme_support)[0])
    (after,) = balances(workspace=acme_support, now=FEBRUARY + DAY)

    assert figures(before) == figures(after) == (1800, 1400, 400, 0)


def test_a_late_event_of_the_open_last_period_moves_what_is_left(acme_support, conversation):
    plan = starter(top_ups=[band(expires="never")])
    growth = subscribe(acme_support, plan, JANUARY).plan_version.top_ups.get()
    buy_on_account(workspace=acme_support, band=growth, key="k", now=JANUARY)

    (before,) = balances(workspace=acme_support, now=FEBRUARY)
    use(acme_support, conversation, FEBRUARY - HOUR, 1100)
    (after,) = balances(workspace=acme_support, now=FEBRUARY)

    assert whole(before.remaining, after.remaining) == (1500, 1400)


def test_an_early_end_shows_no_overage_that_will_not_be_charged(acme_support, conversation):
    subscribe(acme_support, starter(), JANUARY, end=JANUARY + 10 * DAY)
    use(acme_support, conversation, JANUARY, 700)

    (balance,) = balances(workspace=acme_support, now=JANUARY + DAY)

    assert figures(balance) == (700, 700, 0, 0)
