"""Amounts as Stripe counts them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.stripe_amounts import UnchargeableError, from_stripe, to_stripe


@pytest.mark.parametrize(
    ("amount", "currency", "units"),
    [
        ("12.50", "USD", 1250),
        ("500", "JPY", 500),
        ("1.250", "KWD", 1250),
        ("500", "ISK", 50_000),
        ("3000", "UGX", 300_000),
        ("40", "MGA", 40),
        ("0.01", "EUR", 1),
    ],
)
def test_an_amount_is_counted_as_stripe_does(amount: str, currency: str, units: int) -> None:
    assert to_stripe(Decimal(amount), currency) == units
    assert from_stripe(units, currency.lower()) == Decimal(amount)


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        ("0", "USD"),
        ("-1", "USD"),
        ("0.001", "USD"),
        ("1.5", "JPY"),
        ("1.255", "KWD"),
        ("1.5", "ISK"),
    ],
)
def test_what_cannot_be_charged_is_never_rounded(amount: str, currency: str) -> None:
    with pytest.raises(UnchargeableError):
        to_stripe(Decimal(amount), currency)


@given(st.integers(1, 10**9), st.sampled_from(["USD", "JPY", "KWD", "ISK", "UGX", "MGA", "EUR"]))
def test_what_was_charged_reads_as_what_was_asked(units: int, currency: str) -> None:
    amount = from_stripe(units, currency)
    try:
        assert to_stripe(amount, currency) == units
    except UnchargeableError:
        assert units % 10 or currency in {"ISK", "UGX"}
