"""Top-ups on account are bought once for each key; adjustments are given once, with a reason."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from billing.models import Charge, CreditGrant, TopUpPurchase
from billing.refusals import RefusedError
from billing.services.grants import adjust
from billing.services.purchases import buy_on_account
from billing.waterfall import GrantKind

from .plan_samples import NEW_YORK_2026, band, starter
from .story import close, periods_of, subscribe, utc, whole

JANUARY, FEBRUARY, MARCH = (NEW_YORK_2026[month] for month in range(1, 4))
AFTERNOON = utc("2026-01-20T15:07:30")


@pytest.fixture
def january(acme_support, conversation):
    subscribe(acme_support, starter(), JANUARY)
    return periods_of(acme_support)[0]


@pytest.fixture
def growth(january):
    return january.plan_version.top_ups.get()


def test_a_purchase_is_a_grant_and_a_charge(january, growth, acme_support, conversation):
    purchase = buy_on_account(workspace=acme_support, band=growth, key="click-1", now=AFTERNOON)

    assert (*whole(purchase.quantity, purchase.price), purchase.currency) == (500, 60, "USD")
    grant = purchase.grant
    assert (grant.kind, grant.priority, grant.unit) == ("top_up", 50, conversation)
    assert grant.quantity == Decimal(500)
    assert grant.effective_at == utc("2026-01-20T15:00"), "moved back to the quarter hour"
    assert grant.expires_at == FEBRUARY
    assert grant.key == f"purchase:{purchase.pk}"
    charge = january.charges.get(kind="top_up")
    assert charge.description == "Growth 500"
    assert whole(charge.quantity, charge.amount) == (500, 60)
    assert (charge.bill_at, charge.key) == (FEBRUARY, f"top_up:{purchase.pk}")


@pytest.mark.parametrize(
    ("expires", "expected"),
    [
        ("period_end", FEBRUARY),
        ("never", None),
        ("P90D", utc("2026-04-20T14:15")),  # 10:07:30 in summer time, moved forward
        ("PT1H", utc("2026-01-20T16:15")),
    ],
)
def test_a_band_expires_as_it_says(acme_support, conversation, expires, expected):
    subscription = subscribe(acme_support, starter(top_ups=[band(expires=expires)]), JANUARY)
    offer = subscription.plan_version.top_ups.get()

    purchase = buy_on_account(workspace=acme_support, band=offer, key="k", now=AFTERNOON)

    assert purchase.grant.expires_at == expected


def test_the_price_is_rounded_to_the_currency_where_it_is_charged(acme_support, conversation):
    subscription = subscribe(acme_support, starter(top_ups=[band(price="0.005")]), JANUARY)
    offer = subscription.plan_version.top_ups.get()

    buy_on_account(workspace=acme_support, band=offer, key="k", now=AFTERNOON)

    assert Charge.objects.get(kind="top_up").amount == Decimal("0.01")


def test_the_same_key_again_is_the_same_purchase(january, growth, acme_support, row_counts):
    first = buy_on_account(workspace=acme_support, band=growth, key="click-1", now=AFTERNOON)
    before = row_counts()

    again = buy_on_account(workspace=acme_support, band=growth, key="click-1", now=FEBRUARY)

    assert (again, row_counts()) == (first, before)


def test_another_key_is_another_purchase(january, growth, acme_support):
    for key in ("click-1", "click-2"):
        buy_on_account(workspace=acme_support, band=growth, key=key, now=AFTERNOON)

    assert TopUpPurchase.objects.count() == CreditGrant.objects.filter(kind="top_up").count() == 2


@pytest.mark.parametrize(
    ("key", "message"), [(" ", "A key is needed"), ("x" * 201, "at most 200 characters")]
)
def test_what_is_no_key_is_refused(january, growth, acme_support, key, message):
    with pytest.raises(RefusedError, match=message):
        buy_on_account(workspace=acme_support, band=growth, key=key, now=AFTERNOON)


def test_a_key_that_bought_another_band_is_refused(acme_support, conversation):
    plan = starter(top_ups=[band("Small"), band("Large")])
    version = subscribe(acme_support, plan, JANUARY).plan_version
    small, large = version.top_ups.order_by("position")
    buy_on_account(workspace=acme_support, band=small, key="click-1", now=AFTERNOON)

    with pytest.raises(RefusedError, match="bought Small when it was sent before"):
        buy_on_account(workspace=acme_support, band=large, key="click-1", now=AFTERNOON)


def test_keys_of_two_workspaces_have_nothing_to_do_with_each_other(
    january, growth, acme_support, acme_docs
):
    subscribe(acme_docs, starter(), JANUARY)
    purchases = {
        buy_on_account(workspace=workspace, band=growth, key="click-1", now=AFTERNOON).pk
        for workspace in (acme_support, acme_docs)
    }

    assert len(purchases) == 2


def test_nothing_is_bought_outside_a_period(january, growth, acme_support):
    with pytest.raises(RefusedError, match="has no open period at 2025-12-31"):
        buy_on_account(workspace=acme_support, band=growth, key="k", now=utc("2025-12-31"))


def test_a_closed_period_sells_nothing(january, growth, acme_support):
    close(january)

    with pytest.raises(RefusedError, match="has no open period"):
        buy_on_account(workspace=acme_support, band=growth, key="k", now=AFTERNOON)


def test_only_bands_of_the_own_plan_version_are_offered(
    january, acme_support, birch_leads, conversation
):
    other = subscribe(birch_leads, starter(name="Other"), JANUARY).plan_version.top_ups.get()

    with pytest.raises(RefusedError, match="does not offer Growth 500"):
        buy_on_account(workspace=acme_support, band=other, key="k", now=AFTERNOON)


def test_a_band_for_the_agency_is_not_sold_to_the_client(
    acme_support, conversation, client_admin, owner, outsider, operator
):
    subscription = subscribe(acme_support, starter(top_ups=[band(buyer="agency")]), JANUARY)
    offer = subscription.plan_version.top_ups.get()

    def buy(who, key):
        return buy_on_account(
            workspace=acme_support, band=offer, key=key, now=AFTERNOON, purchased_by=who
        )

    for somebody in (client_admin, outsider):
        with pytest.raises(RefusedError, match="Only the agency buys Growth 500"):
            buy(somebody, "k")
    assert buy(owner, "1").purchased_by == owner
    assert buy(operator, "2").grant.created_by == operator


def give(workspace, unit, **changes):
    words: dict[str, Any] = {
        "quantity": Decimal(50),
        "reason": "Outage of 19 January",
        "created_by": None,
    }
    return adjust(
        workspace=workspace, unit=unit, **(words | {"key": "sorry", "now": AFTERNOON} | changes)
    )


def test_an_adjustment_is_usable_from_its_quarter_hour_on_and_never_expires(
    january, acme_support, conversation, owner
):
    grant = give(acme_support, conversation, created_by=owner)

    assert (grant.kind, grant.priority) == ("adjustment", 30)
    assert grant.quantity == Decimal(50)
    assert (grant.effective_at, grant.expires_at) == (utc("2026-01-20T15:00"), None)
    assert (grant.reason, grant.created_by) == ("Outage of 19 January", owner)


def test_the_times_of_an_adjustment_move_in_the_clients_favour(january, acme_support, conversation):
    grant = give(
        acme_support,
        conversation,
        effective_at=utc("2026-02-01T00:14"),
        expires_at=utc("2026-02-02T00:01"),
        kind=GrantKind.PROMOTIONAL,
    )

    assert (grant.effective_at, grant.expires_at) == (utc("2026-02-01"), utc("2026-02-02T00:15"))
    assert (grant.kind, grant.priority) == ("promotional", 40)


def test_giving_twice_with_one_key_gives_once(january, acme_support, conversation, row_counts):
    first = give(acme_support, conversation)
    before = row_counts()

    later = AFTERNOON + dt.timedelta(days=1)
    assert give(acme_support, conversation, now=later) == first
    assert row_counts() == before
    with pytest.raises(RefusedError, match="gave 50 when it was sent before"):
        give(acme_support, conversation, quantity=Decimal(51))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reason": " "}, "Say why"),
        ({"reason": "x" * 501}, "at most 500 characters"),
        ({"key": "x" * 151}, "at most 150 characters"),
        ({"key": ""}, "A key is needed"),
        ({"quantity": Decimal(0)}, "more than nothing"),
        ({"quantity": Decimal(-5)}, "more than nothing"),
        ({"expires_at": utc("2026-01-20T15:00")}, "would have expired"),
        (
            {"effective_at": MARCH, "expires_at": FEBRUARY},
            "would have expired",
        ),
        ({"kind": GrantKind.TOP_UP}, "come from plans and purchases"),
    ],
)
def test_an_adjustment_that_makes_no_sense_is_refused(
    january, acme_support, conversation, changes, message
):
    with pytest.raises(RefusedError, match=message):
        give(acme_support, conversation, **changes)


def test_units_outside_the_package_cannot_be_given(january, acme_support, page):
    with pytest.raises(RefusedError, match="pages are not in the package of acme-support"):
        give(acme_support, page)
