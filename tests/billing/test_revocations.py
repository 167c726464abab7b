"""A revoked quantity is usable by nothing; only what is unused can be revoked."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from agencyportal.core.append_only import AppendOnlyError
from billing.models import CreditGrant, GrantRevocation, GrantUse, PeriodUsage
from billing.refusals import RefusedError
from billing.selectors import balances
from billing.selectors.balances import left_of
from billing.selectors.limits import entitlements
from billing.services.grants import adjust
from billing.services.purchases import buy_on_account
from billing.services.reservations import reserve
from billing.services.revocations import revoke
from clients.models import UsageUnit, Workspace

from .plan_samples import NEW_YORK_2026, allowance, band, starter
from .story import close, periods_of, subscribe, use, whole

JANUARY, FEBRUARY, MARCH = (NEW_YORK_2026[month] for month in range(1, 4))
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
D = Decimal


def give(
    workspace: Workspace, unit: UsageUnit, quantity: int, now: dt.datetime, **more: Any
) -> CreditGrant:
    return adjust(
        workspace=workspace,
        unit=unit,
        quantity=D(quantity),
        reason="Sorry",
        created_by=None,
        now=now,
        key="sorry",
        **more,
    )


def take(
    grant: CreditGrant, now: dt.datetime, quantity: int | None = None, key: str = "k"
) -> GrantRevocation:
    return revoke(
        grant=grant,
        quantity=None if quantity is None else D(quantity),
        reason="By mistake",
        revoked_by=None,
        now=now,
        key=key,
    )


def fate(use_row: GrantUse) -> tuple[int, ...]:
    """opening, consumed, expired, rolled over, revoked, remaining"""
    return whole(
        use_row.opening,
        use_row.consumed,
        use_row.expired,
        use_row.rolled_over,
        use_row.revoked,
        use_row.remaining,
    )


def test_what_is_unused_is_taken_back_and_covers_nothing(acme_support, conversation):
    """1,000 included and 200 given: 1,050 used, so 150 are unused. 1,300 used in the end: 100 are
    overage that the 150 would have covered."""
    subscribe(acme_support, starter(), JANUARY)
    gift = give(acme_support, conversation, 200, JANUARY)
    use(acme_support, conversation, JANUARY + DAY, 1050)

    taken = take(gift, JANUARY + 2 * DAY)
    use(acme_support, conversation, JANUARY + 3 * DAY, 100)
    january = close(periods_of(acme_support)[0])

    assert whole(taken.quantity) == (150,)
    row = PeriodUsage.objects.get(period=january)
    assert whole(row.used, row.included, row.overage, row.expired_unused) == (1150, 1050, 100, 0)
    assert fate(GrantUse.objects.get(grant=gift)) == (200, 50, 0, 0, 150, 0)


def test_a_part_is_taken_and_the_rest_is_carried_on(acme_support, conversation):
    subscribe(acme_support, starter(), JANUARY)
    gift = give(acme_support, conversation, 200, JANUARY)
    take(gift, JANUARY + DAY, 80)
    january = close(periods_of(acme_support)[0])
    take(gift, FEBRUARY + 2 * DAY, 50, key="more")
    february = close(periods_of(acme_support)[1])

    uses = GrantUse.objects.filter(grant=gift).order_by("pk")
    assert [fate(row) for row in uses] == [(200, 0, 0, 0, 80, 120), (120, 0, 0, 0, 50, 70)]
    assert [row.period_usage.period for row in uses] == [january, february]
    assert left_of(gift, now=MARCH + DAY) == 70


def test_late_usage_finds_nothing_of_it_either(acme_support, conversation):
    """January is over and open for late usage; 200 are left and taken back on 1 February. What is
    still reported for January is overage there."""
    subscribe(acme_support, starter(), JANUARY)
    gift = give(acme_support, conversation, 200, JANUARY)
    use(acme_support, conversation, JANUARY + DAY, 1000)

    take(gift, FEBRUARY + HOUR)
    use(acme_support, conversation, JANUARY + 2 * DAY, 30)
    january = close(periods_of(acme_support)[0])

    assert PeriodUsage.objects.get(period=january).overage == 30
    assert fate(GrantUse.objects.get(grant=gift)) == (200, 0, 0, 0, 200, 0)


def test_a_period_that_is_closed_stays_as_it_is(acme_support, conversation):
    subscribe(acme_support, starter(), JANUARY)
    gift = give(acme_support, conversation, 200, JANUARY)
    use(acme_support, conversation, JANUARY + DAY, 1100)
    close(periods_of(acme_support)[0])

    take(gift, FEBRUARY + 2 * DAY)
    february = close(periods_of(acme_support)[1])

    uses = GrantUse.objects.filter(grant=gift).order_by("pk")
    assert [fate(row) for row in uses] == [(200, 100, 0, 0, 0, 100), (100, 0, 0, 0, 100, 0)]
    assert uses[1].period_usage.period == february


def test_what_was_revoked_of_an_allowance_does_not_roll_over(acme_support, conversation):
    subscribe(acme_support, starter(allowances=[allowance(rollover_max="900")]), JANUARY)
    included = CreditGrant.objects.get(period__start=JANUARY)

    take(included, JANUARY + DAY, 400)
    january = close(periods_of(acme_support)[0])

    row = PeriodUsage.objects.get(period=january)
    assert whole(row.rolled_over, row.expired_unused) == (600, 0)
    assert CreditGrant.objects.get(kind="rollover").quantity == 600


def test_balances_know_at_once(acme_support, conversation):
    subscribe(acme_support, starter(), JANUARY)
    gift = give(acme_support, conversation, 200, JANUARY)
    use(acme_support, conversation, JANUARY + HOUR, 300)

    take(gift, JANUARY + DAY, 150)

    (balance,) = balances(workspace=acme_support, now=JANUARY + DAY)
    assert whole(balance.granted, balance.used, balance.remaining) == (1050, 300, 750)
    (window,) = acme_support.windows.filter(start=JANUARY)
    assert entitlements([window]) == {window.pk: 1050}


def test_the_running_period_opens_without_it_while_the_last_one_is_open(acme_support, conversation):
    """What was taken back counts once, though two open periods see the grant."""
    subscribe(acme_support, starter(), JANUARY)
    gift = give(acme_support, conversation, 200, JANUARY)
    use(acme_support, conversation, JANUARY + DAY, 1050)
    use(acme_support, conversation, FEBRUARY, 1010)

    take(gift, FEBRUARY + HOUR, 100)

    (balance,) = balances(workspace=acme_support, now=FEBRUARY + HOUR)
    assert whole(balance.granted, balance.remaining, balance.overage) == (1050, 40, 0)
    with pytest.raises(RefusedError, match="Only 40 of it are unused; 41 cannot"):
        take(gift, FEBRUARY + HOUR, 41, key="more")


def test_credit_that_has_yet_to_begin_can_be_taken_back_whole(acme_support, conversation):
    subscribe(acme_support, starter(), JANUARY)
    gift = give(acme_support, conversation, 200, JANUARY, effective_at=FEBRUARY + DAY)

    assert take(gift, JANUARY + DAY).quantity == 200

    for period in periods_of(acme_support)[:2]:
        close(period)
    assert fate(GrantUse.objects.get(grant=gift)) == (200, 0, 0, 0, 200, 0)


def test_what_reservations_hold_stays(acme_support, conversation):
    plan = starter(allowances=[allowance(included="10", overage={"policy": "block"})])
    subscribe(acme_support, plan, JANUARY)
    included = CreditGrant.objects.get(period__start=JANUARY)
    reserve(
        workspace=acme_support, unit=conversation, quantity=D(4), now=JANUARY + HOUR, key="held"
    )

    with pytest.raises(RefusedError, match="Only 6 of it are unused") as refused:
        take(included, JANUARY + HOUR, 7)
    assert refused.value.field == "quantity"
    assert take(included, JANUARY + HOUR).quantity == 6


def test_nothing_can_be_reserved_of_it(acme_support, conversation):
    """The cached limit is worked out anew."""
    plan = starter(allowances=[allowance(included="10", overage={"policy": "block"})])
    subscribe(acme_support, plan, JANUARY)
    included = CreditGrant.objects.get(period__start=JANUARY)
    reserve(workspace=acme_support, unit=conversation, quantity=D(4), now=JANUARY, key="first")

    take(included, JANUARY, 6)

    with pytest.raises(RefusedError):
        reserve(workspace=acme_support, unit=conversation, quantity=D(1), now=JANUARY, key="b")


def test_asking_again_takes_it_once(acme_support, conversation):
    subscribe(acme_support, starter(), JANUARY)
    gift = give(acme_support, conversation, 200, JANUARY)

    first = take(gift, JANUARY + DAY, 30)

    assert take(gift, JANUARY + 2 * DAY, 30) == first
    with pytest.raises(RefusedError, match="took back 30 when it was sent before"):
        take(gift, JANUARY + 2 * DAY, 31)
    assert GrantRevocation.objects.get().quantity == 30


def test_what_is_used_or_gone_cannot_be_taken(acme_support, conversation):
    subscribe(acme_support, starter(), JANUARY)
    gift = give(acme_support, conversation, 50, JANUARY, expires_at=JANUARY + 3 * DAY)
    use(acme_support, conversation, JANUARY + HOUR, 1050)

    with pytest.raises(RefusedError, match="Nothing of it can be taken back"):
        take(gift, JANUARY + DAY)
    with pytest.raises(RefusedError, match="Nothing of it can be taken back"):
        take(CreditGrant.objects.get(period__start=JANUARY), FEBRUARY + HOUR)


@pytest.mark.parametrize(
    ("quantity", "reason", "field"),
    [("0", "Mistake", "quantity"), ("-1", "Mistake", "quantity"), ("1", "  ", "reason")],
)
def test_nothing_without_a_quantity_and_a_reason(
    acme_support, conversation, quantity, reason, field
):
    subscribe(acme_support, starter(), JANUARY)
    gift = give(acme_support, conversation, 50, JANUARY)

    with pytest.raises(RefusedError) as refused:
        revoke(
            grant=gift,
            quantity=D(quantity),
            reason=reason,
            revoked_by=None,
            now=JANUARY,
            key="k",
        )

    assert refused.value.field == field
    assert not GrantRevocation.objects.exists()


def test_it_cannot_be_changed(acme_support, conversation):
    subscribe(acme_support, starter(), JANUARY)
    taken = take(give(acme_support, conversation, 50, JANUARY), JANUARY)

    with pytest.raises(AppendOnlyError):
        GrantRevocation.objects.filter(pk=taken.pk).update(quantity=D(1))


def test_a_bought_band_is_taken_back_from_what_is_left(acme_support, conversation):
    plan = starter(top_ups=[band(expires="never")])
    growth = subscribe(acme_support, plan, JANUARY).plan_version.top_ups.get()
    bought = buy_on_account(workspace=acme_support, band=growth, key="a", now=JANUARY)
    use(acme_support, conversation, JANUARY + DAY, 1100)
    close(periods_of(acme_support)[0])

    assert take(bought.grant, FEBRUARY + 2 * DAY).quantity == 400
