"""What holds for every part of a period."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from billing.proration import (
    Share,
    changed_allowance,
    changed_fee,
    early_end_allowance,
    early_end_fee,
    prorated_allowance,
    prorated_amount,
)

shares = st.integers(1, 366).flatmap(
    lambda full: st.integers(0, full).map(lambda days: Share(days, full))
)
amounts = st.integers(0, 10**10).map(lambda n: Decimal(n).scaleb(-4))
quantities = st.integers(0, 10**12).map(lambda n: Decimal(n).scaleb(-6)) | st.integers(
    0, 10**6
).map(Decimal)
currencies = st.sampled_from([("USD", 2), ("JPY", 0), ("KWD", 3)])


@given(amounts, shares, currencies)
def test_a_part_is_within_half_a_unit_of_its_share_and_never_above_the_whole(
    amount, share, currency
):
    code, digits = currency
    part = prorated_amount(amount, share, code)
    half = Decimal("0.5").scaleb(-digits)
    assert abs(part * share.full_days - amount * share.days) <= half * share.full_days
    assert 0 <= part <= prorated_amount(amount, Share(1, 1), code)


@given(quantities, shares, st.integers(0, 6))
def test_an_allowance_is_rounded_up_by_less_than_a_unit(included, share, places):
    part = prorated_allowance(included, share, places=places)
    exact = included * share.days
    assert part <= included
    assert exact <= part * share.full_days < exact + share.full_days * Decimal(1).scaleb(-places)


@given(quantities, shares, quantities)
def test_an_early_end_adds_no_overage(full, share, used):
    prorated = prorated_allowance(full, share)
    allowance = early_end_allowance(prorated=prorated, full=full, used=used)
    assert prorated <= allowance <= full
    assert max(0, used - allowance) == max(0, used - full)


@given(quantities, quantities, shares, st.data())
def test_a_plan_change_grants_between_nothing_and_the_new_share(old, new, share, data):
    used = data.draw(st.integers(0, int(old)).map(Decimal))
    new_part = prorated_allowance(new, share.rest())
    allowance = changed_allowance(
        old_included=old, old_share=share, old_used=used, new_included=new, new_share=share.rest()
    )
    assert 0 <= allowance <= new_part
    old_part = prorated_allowance(old, share)
    assert max(used, old_part) + allowance >= min(old_part + new_part, used + allowance)
    if used <= old_part:
        assert allowance == new_part


@given(amounts, amounts, shares, currencies)
def test_changing_to_the_same_price_costs_nothing(amount, other, share, currency):
    code, _ = currency
    charged = prorated_amount(amount, Share(1, 1), code)
    same = changed_fee(
        charged=charged, old_amount=amount, new_amount=amount, new_share=share, currency=code
    )
    assert same.credit + same.charge == 0
    change = changed_fee(
        charged=charged, old_amount=amount, new_amount=other, new_share=share, currency=code
    )
    assert -charged <= change.credit <= 0


@given(amounts, shares, currencies)
def test_an_early_end_leaves_the_prorated_amount(amount, share, currency):
    code, _ = currency
    charged = prorated_amount(amount, Share(1, 1), code)
    change = early_end_fee(charged=charged, amount=amount, share=share, currency=code)
    assert change.credit + charged == 0
    assert change.charge == prorated_amount(amount, share, code)
