"""Proration by local days, with the worked example of ENGINE 4."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from agencyportal.core.periods import Period
from billing.proration import (
    FeeChange,
    Share,
    changed_allowance,
    changed_fee,
    early_end_allowance,
    early_end_fee,
    prorated_allowance,
    prorated_amount,
    share_of,
    shares_at_change,
)

NEW_YORK = "America/New_York"
JANUARY = datetime(2026, 1, 1, 5, tzinfo=UTC), datetime(2026, 2, 1, 5, tzinfo=UTC)


class TestShares:
    def test_a_whole_period_is_whole(self):
        assert share_of(Period.whole(*JANUARY), NEW_YORK).is_whole

    @pytest.mark.parametrize(
        ("start", "end", "days"),
        [
            (datetime(2026, 1, 16, 5, tzinfo=UTC), JANUARY[1], 16),
            (datetime(2026, 1, 16, 23, 45, tzinfo=UTC), JANUARY[1], 16),
            (JANUARY[0], datetime(2026, 1, 16, 5, tzinfo=UTC), 15),
            (JANUARY[0], datetime(2026, 1, 16, 5, 15, tzinfo=UTC), 16),
        ],
    )
    def test_every_day_touched_counts(self, start, end, days):
        assert share_of(Period(start, end, *JANUARY), NEW_YORK) == Share(days, 31)

    def test_a_day_of_23_hours_is_a_day(self):
        march = datetime(2026, 3, 1, 5, tzinfo=UTC), datetime(2026, 4, 1, 4, tzinfo=UTC)
        sunday = datetime(2026, 3, 8, 5, tzinfo=UTC), datetime(2026, 3, 9, 4, tzinfo=UTC)
        assert share_of(Period(*sunday, *march), NEW_YORK) == Share(1, 31)

    def test_the_day_of_a_change_belongs_to_the_new_plan(self):
        afternoon_of_the_16th = datetime(2026, 1, 16, 20, tzinfo=UTC)
        shares = shares_at_change(Period.whole(*JANUARY), afternoon_of_the_16th, NEW_YORK)
        assert shares == (Share(15, 31), Share(16, 31))

    def test_a_change_on_the_first_day_leaves_the_old_plan_nothing(self):
        partial = Period(datetime(2026, 1, 16, 15, tzinfo=UTC), JANUARY[1], *JANUARY)
        same_day = datetime(2026, 1, 16, 20, tzinfo=UTC)
        assert shares_at_change(partial, same_day, NEW_YORK) == (Share(0, 31), Share(16, 31))

    @pytest.mark.parametrize(("days", "full"), [(-1, 31), (32, 31), (0, 0)])
    def test_impossible_shares_are_refused(self, days, full):
        with pytest.raises(ValueError, match="not a part of a period"):
            Share(days, full)


class TestAmounts:
    @pytest.mark.parametrize(
        ("amount", "days", "full", "currency", "expected"),
        [
            ("499.00", 16, 31, "USD", "257.55"),  # 257.5483
            ("499.00", 31, 31, "USD", "499.00"),
            ("499.00", 0, 31, "USD", "0.00"),
            ("31.00", 1, 31, "USD", "1.00"),
            ("0.01", 15, 30, "USD", "0.01"),  # exactly half a cent
            ("0.01", 14, 30, "USD", "0.00"),
            ("10000", 10, 31, "JPY", "3226"),  # 3225.8
            ("10.000", 10, 31, "KWD", "3.226"),
            ("12.345", 31, 31, "USD", "12.35"),
        ],
    )
    def test_worked_examples(self, amount, days, full, currency, expected):
        assert str(prorated_amount(Decimal(amount), Share(days, full), currency)) == expected


class TestAllowances:
    @pytest.mark.parametrize(
        ("included", "days", "full", "places", "expected"),
        [
            ("1000", 15, 31, 0, "484"),  # 483.87
            ("5000", 16, 31, 0, "2581"),  # 2580.65
            ("1000", 31, 31, 0, "1000"),
            ("1000", 0, 31, 0, "0"),
            ("31", 1, 31, 0, "1"),
            ("1", 1, 31, 0, "1"),
            ("10", 1, 30, 2, "0.34"),  # 0.3333
            ("0.5", 15, 30, 0, "0.5"),  # a whole unit would be more than the allowance
            ("10.5", 30, 30, 0, "10.5"),
        ],
    )
    def test_rounded_up_to_a_whole_unit(self, included, days, full, places, expected):
        share = Share(days, full)
        assert prorated_allowance(Decimal(included), share, places=places) == Decimal(expected)

    @pytest.mark.parametrize(
        ("used", "expected"),
        [("0", "323"), ("323", "323"), ("900", "900"), ("1000", "1000"), ("1400", "1000")],
    )
    def test_an_early_end_turns_no_included_usage_into_overage(self, used, expected):
        """1,000 a month, ended after 10 of 31 days."""
        allowance = early_end_allowance(
            prorated=Decimal(323), full=Decimal(1000), used=Decimal(used)
        )
        assert allowance == Decimal(expected)


class TestPlanChange:
    @pytest.mark.parametrize(
        ("used", "expected"),
        [("900", "2165"), ("484", "2581"), ("100", "2581"), ("1000", "2065")],
    )
    def test_worked_example_1000_to_5000_on_day_16_of_31(self, used, expected):
        allowance = changed_allowance(
            old_included=Decimal(1000),
            old_share=Share(15, 31),
            old_used=Decimal(used),
            new_included=Decimal(5000),
            new_share=Share(16, 31),
        )
        assert allowance == Decimal(expected)

    def test_what_was_used_ahead_never_leaves_less_than_nothing(self):
        allowance = changed_allowance(
            old_included=Decimal(5000),
            old_share=Share(15, 31),
            old_used=Decimal(5000),
            new_included=Decimal(1000),
            new_share=Share(16, 31),
        )
        assert allowance == 0

    def test_one_credit_and_one_charge_each_rounded(self):
        change = changed_fee(
            charged=Decimal("499.00"),
            old_amount=Decimal("499.00"),
            new_amount=Decimal("899.00"),
            new_share=Share(16, 31),
            currency="USD",
        )
        assert change == FeeChange(credit=Decimal("-257.55"), charge=Decimal("464.00"))

    def test_a_credit_never_exceeds_what_was_charged(self):
        change = changed_fee(
            charged=Decimal("100.00"),
            old_amount=Decimal("499.00"),
            new_amount=Decimal(0),
            new_share=Share(16, 31),
            currency="USD",
        )
        assert change == FeeChange(credit=Decimal("-100.00"), charge=Decimal("0.00"))

    def test_an_early_end_nets_to_the_days_touched(self):
        change = early_end_fee(
            charged=Decimal("499.00"),
            amount=Decimal("499.00"),
            share=Share(10, 31),
            currency="USD",
        )
        assert change == FeeChange(credit=Decimal("-499.00"), charge=Decimal("160.97"))
