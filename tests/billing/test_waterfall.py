"""The waterfall: worked examples of burn order, expiry, rollover and revocation (ENGINE 3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from agencyportal.core.periods import Period
from billing.waterfall import (
    DEFAULT_PRIORITY,
    Bucket,
    Consumption,
    Grant,
    GrantKind,
    WaterfallResult,
    waterfall,
)

JANUARY = Period.whole(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))


def day(number: float) -> datetime:
    """The start of a day of January 2026; 32 is 1 February."""
    return JANUARY.start + timedelta(days=number - 1)


def grant(name: str, quantity: str | int, kind: str = "top_up", **kwargs) -> Grant:
    kind = GrantKind(kind)
    options = {
        "effective_at": JANUARY.start,
        "expires_at": JANUARY.end if kind in ("allowance", "rollover") else None,
        "priority": DEFAULT_PRIORITY[kind],
    }
    return Grant(id=name, kind=kind, quantity=Decimal(quantity), **(options | kwargs))


def used(*usage: tuple[float, str | int]) -> list[Bucket]:
    return [Bucket(day(when), Decimal(quantity)) for when, quantity in usage]


def numbers(*values: Decimal) -> tuple[object, ...]:
    """Decimals to be compared with whole numbers."""
    return values


def consumed(result: WaterfallResult) -> dict[str, str]:
    return {str(o.grant.id): str(o.consumed.normalize()) for o in result.grants if o.consumed}


class TestBurning:
    def test_usage_beyond_the_last_credit_is_overage(self):
        result = waterfall([grant("a", 1000, "allowance")], used((3, 700), (4, 500)), JANUARY)
        assert numbers(result.used, result.included, result.overage) == (1200, 1000, 200)
        assert result.overage_by_bucket() == {day(4): Decimal(200)}
        assert result.consumption() == [
            Consumption("a", day(3), Decimal(700)),
            Consumption("a", day(4), Decimal(300)),
        ]

    def test_without_grants_everything_is_overage(self):
        result = waterfall([], used((1, "0.5")), JANUARY)
        assert numbers(result.used, result.overage) == (Decimal("0.5"), Decimal("0.5"))

    def test_a_later_grant_does_not_absorb_earlier_overage(self):
        late = grant("late", 500, effective_at=day(20))
        result = waterfall([late], used((3, 200), (21, 100)), JANUARY)
        assert numbers(result.overage, result.top_up, result.grants[0].remaining) == (200, 100, 400)

    def test_a_grant_is_usable_from_its_first_quarter_hour_to_the_last_before_expiry(self):
        quarter = timedelta(minutes=15)
        short = grant("short", 100, effective_at=day(10), expires_at=day(11))
        usage = [
            Bucket(day(10) - quarter, Decimal(1)),
            Bucket(day(10), Decimal(2)),
            Bucket(day(11) - quarter, Decimal(4)),
            Bucket(day(11), Decimal(8)),
        ]
        result = waterfall([short], usage, JANUARY)
        assert numbers(result.top_up, result.overage) == (6, 9)

    def test_adjustments_count_as_included_and_promotions_as_top_ups(self):
        grants = [
            grant("r", 1, "rollover"),
            grant("a", 2, "allowance"),
            grant("j", 4, "adjustment"),
            grant("p", 8, "promotional"),
            grant("t", 16, "top_up"),
        ]
        result = waterfall(grants, used((5, 100)), JANUARY)
        assert numbers(result.included, result.top_up, result.overage) == (7, 24, 69)


class TestOrder:
    def test_default_priorities(self):
        """Rollover, allowance, adjustment, promotional, paid: seven units take the first two."""
        kinds = ["top_up", "promotional", "adjustment", "allowance", "rollover"]
        grants = [grant(kind, 5, kind) for kind in kinds]
        orders = []
        for quantity in (5, 10, 15, 20, 25):
            orders.append(next(iter(consumed(waterfall(grants, used((2, quantity)), JANUARY)))))
        assert orders == kinds[::-1]

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ({"priority": 10}, {"priority": 20, "expires_at": JANUARY.end}),
            ({"expires_at": JANUARY.end}, {"expires_at": None}),
            ({"expires_at": day(40)}, {"expires_at": day(50), "effective_at": day(-9)}),
            ({"effective_at": day(-9), "sequence": 2}, {"effective_at": day(-8), "sequence": 1}),
            (
                {"effective_at": day(-9), "sequence": 2, "expires_at": day(40)},
                {"effective_at": day(-8), "sequence": 1, "expires_at": day(40)},
            ),
            ({"sequence": 1}, {"sequence": 2}),
        ],
        ids=[
            "priority",
            "never expires last",
            "soonest expiry",
            "earliest effective, never expiring",
            "earliest effective, expiring together",
            "first made",
        ],
    )
    def test_what_burns_first(self, first, second):
        grants = [grant("first", 5, **({"priority": 50} | first)), grant("second", 5, **second)]
        for given in (grants, grants[::-1]):
            assert consumed(waterfall(given, used((2, 3)), JANUARY)) == {"first": "3"}

    def test_each_quarter_hour_burns_what_is_usable_then(self):
        """The cheaper credit comes on the 10th: before, the paid one burns; after, it waits."""
        grants = [grant("paid", 100), grant("sorry", 30, "adjustment", effective_at=day(10))]
        result = waterfall(grants, used((5, 20), (11, 50)), JANUARY)
        assert result.consumption() == [
            Consumption("paid", day(5), Decimal(20)),
            Consumption("sorry", day(11), Decimal(30)),
            Consumption("paid", day(11), Decimal(20)),
        ]


class TestEndOfPeriod:
    @pytest.mark.parametrize(
        ("rollover", "allowance", "usage", "rollover_max", "rolled", "expired"),
        [
            (0, 100, 40, "0", 0, 60),
            (0, 100, 40, "50", 50, 10),
            (0, 100, 40, "60", 60, 0),
            (0, 100, 40, "500", 60, 0),
            (0, 100, 130, "50", 0, 0),
            # Rollover burns first, so 40 of usage leave 10 of it and the whole allowance.
            (50, 100, 40, "100", 100, 10),
            (50, 100, 40, "110", 110, 0),
            (50, 100, 0, "500", 150, 0),
        ],
    )
    def test_unused_allowance_and_rollover_expire_except_what_rolls_over(
        self, rollover, allowance, usage, rollover_max, rolled, expired
    ):
        grants = [grant("a", allowance, "allowance"), grant("r", rollover, "rollover")]
        result = waterfall(grants, used((2, usage)), JANUARY, rollover_max=Decimal(rollover_max))
        assert numbers(result.rolled_over, result.expired) == (rolled, expired)
        assert all(outcome.remaining == 0 for outcome in result.grants)

    def test_the_allowance_is_carried_and_the_older_rollover_expires(self):
        grants = [grant("r", 50, "rollover"), grant("a", 100, "allowance")]
        result = waterfall(grants, [], JANUARY, rollover_max=Decimal(120))
        rolled = {str(o.grant.id): numbers(o.rolled_over, o.expired) for o in result.grants}
        assert rolled == {"a": (100, 0), "r": (20, 30)}

    @pytest.mark.parametrize(
        ("expires_at", "expired", "remaining"),
        [(None, 0, 70), (day(32), 70, 0), (day(32.25), 0, 70), (day(20), 70, 0)],
        ids=["never", "at the end", "after it", "before it"],
    )
    def test_other_grants_keep_what_they_have_until_their_own_expiry(
        self, expires_at, expired, remaining
    ):
        (outcome,) = waterfall(
            [grant("t", 100, expires_at=expires_at)], used((2, 30)), JANUARY
        ).grants
        assert numbers(outcome.consumed, outcome.expired, outcome.remaining) == (
            30,
            expired,
            remaining,
        )

    def test_top_ups_do_not_roll_over(self):
        result = waterfall(
            [grant("t", 100, expires_at=day(32))], [], JANUARY, rollover_max=Decimal(50)
        )
        assert numbers(result.rolled_over, result.expired) == (0, 100)

    def test_expiry_applies_only_where_time_has_reached_it(self):
        grants = [
            grant("a", 100, "allowance"),
            grant("t", 100, expires_at=day(10)),
            grant("later", 100, expires_at=day(20)),
        ]
        result = waterfall(grants, [], JANUARY, rollover_max=Decimal(50), as_of=day(10))
        assert [o.remaining for o in result.grants] == [100, 0, 100]
        assert numbers(result.expired, result.rolled_over) == (100, 0)

    def test_what_is_available_at_an_instant(self):
        grants = [
            grant("a", 100, "allowance"),
            grant("t", 50, effective_at=day(10), expires_at=day(20)),
        ]
        result = waterfall(grants, used((2, 30)), JANUARY, as_of=day(9))
        available = [result.available(day(d)) for d in (9, 10, 19.99, 20)]
        assert available == [70, 120, 120, 70]


class TestRevoking:
    def test_revoked_units_cannot_be_used(self):
        (outcome,) = waterfall(
            [grant("t", 100, revoked=Decimal(60))], used((2, 70)), JANUARY
        ).grants
        assert numbers(outcome.consumed, outcome.revoked, outcome.remaining) == (40, 60, 0)

    @pytest.mark.parametrize("revoked", ["-1", "101"])
    def test_no_more_than_was_granted_is_revoked(self, revoked):
        with pytest.raises(ValueError, match="not possible"):
            waterfall([grant("t", 100, revoked=Decimal(revoked))], [], JANUARY)


class TestRefusals:
    @pytest.mark.parametrize("when", [0.99, 32])
    def test_usage_outside_the_period(self, when):
        with pytest.raises(ValueError, match="outside the period"):
            waterfall([], used((when, 1)), JANUARY)

    def test_negative_usage(self):
        with pytest.raises(ValueError, match="negative"):
            waterfall([], used((2, 5), (3, -1)), JANUARY)

    def test_quantities_finer_than_a_millionth(self):
        with pytest.raises(ValueError, match="6 decimal places"):
            waterfall([], used((2, "0.0000001")), JANUARY)
