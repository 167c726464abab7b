from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from agencyportal.core.money import (
    BIGINT_MAX,
    allocate,
    minor_digits,
    plain,
    round_half_up,
    scaled,
    unscaled,
)

currencies = st.sampled_from(["JPY", "USD", "KWD", "CLF"])
places = st.sampled_from([4, 6, 9])
weights = st.lists(st.decimals(min_value=0, max_value=10**9, places=6), min_size=1, max_size=12)


@given(st.integers(-(10**12), 10**12), weights, currencies)
def test_parts_sum_to_the_whole_and_stay_within_a_minor_unit_of_their_share(units, shares, code):
    whole = sum(shares)
    if not whole:
        shares, whole = [Decimal(1)], Decimal(1)
    one = unscaled(1, minor_digits(code))
    amount = units * one
    parts = allocate(amount, shares, code)
    assert sum(parts) == amount
    for part, share in zip(parts, shares, strict=True):
        assert abs(part * whole - amount * share) < one * whole


@given(st.integers(0, 10**9), weights, currencies)
def test_splitting_a_credit_mirrors_splitting_the_charge(units, shares, code):
    if not sum(shares):
        shares = [Decimal(1)]
    amount = unscaled(units, minor_digits(code))
    assert allocate(-amount, shares, code) == [-part for part in allocate(amount, shares, code)]


@given(st.integers(-BIGINT_MAX, BIGINT_MAX), places)
def test_scaling_is_the_inverse_of_unscaling(units, scale):
    assert scaled(unscaled(units, scale), scale) == units
    assert Decimal(plain(unscaled(units, scale))) == unscaled(units, scale)


@given(st.decimals(min_value=-(10**15), max_value=10**15, places=12), st.integers(0, 9))
def test_rounding_is_nearest_with_ties_away_from_zero(value, digits):
    half = Decimal(5).scaleb(-digits - 1)
    rounded = round_half_up(value, digits)
    assert abs(rounded - value) <= half
    if abs(rounded - value) == half:
        assert abs(rounded) > abs(value)
    assert round_half_up(-value, digits) == -rounded
