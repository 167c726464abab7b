"""Any number that fits its scale comes back from the database as it went in, and sums exactly."""

from decimal import Decimal

import pytest
from django.db.models import F, Sum
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from agencyportal.core.money import BIGINT_MAX, unscaled
from tests.samples.models import Price

SCALES = {"fee": 4, "quantity": 6, "cost": 9}
units = st.integers(-BIGINT_MAX, BIGINT_MAX)
small = st.integers(-(10**15), 10**15)


class ExactNumbers(TestCase):
    @given(st.sampled_from(sorted(SCALES)), units)
    def test_numbers_round_trip(self, column: str, count: int) -> None:
        number = unscaled(count, SCALES[column])
        row = Price.objects.create(amount=0, **{column: number})
        assert (
            Price.objects.filter(**{column: number}).values_list(column, flat=True).get() == number
        )
        assert str(getattr(Price.objects.get(pk=row.pk), column)) == str(number)

    @given(st.sampled_from(sorted(SCALES)), st.lists(small, min_size=1, max_size=8), small)
    def test_sums_in_the_database_are_sums_of_decimals(
        self, column: str, counts: list[int], extra: int
    ) -> None:
        numbers = [unscaled(count, SCALES[column]) for count in counts]
        Price.objects.bulk_create([Price(amount=0, **{column: number}) for number in numbers])
        assert Price.objects.aggregate(total=Sum(column))["total"] == sum(numbers)
        added = unscaled(extra, SCALES[column])
        Price.objects.update(**{column: F(column) + added})
        total = sum(numbers, Decimal(0)) + added * len(numbers)
        assert Price.objects.aggregate(total=Sum(column))["total"] == total

    @given(st.lists(units, min_size=2, max_size=6, unique=True))
    def test_the_database_orders_as_decimals_do(self, counts: list[int]) -> None:
        numbers = [unscaled(count, 9) for count in counts]
        Price.objects.bulk_create([Price(amount=0, cost=number) for number in numbers])
        in_order = list(Price.objects.order_by("cost").values_list("cost", flat=True))
        assert in_order == sorted(numbers)
        pivot = numbers[0]
        above = Price.objects.filter(cost__gt=pivot).count()
        assert above == sum(number > pivot for number in numbers)


@given(st.decimals(allow_nan=True, allow_infinity=True))
def test_what_cannot_be_scaled_exactly_is_refused(number: Decimal) -> None:
    from django.core.exceptions import ValidationError

    field = Price._meta.get_field("fee")
    fits = (
        number.is_finite() and abs(number) <= unscaled(BIGINT_MAX, 4) and number == round(number, 4)
    )
    if fits:
        assert field.to_python(number) == number
    else:
        with pytest.raises(ValidationError):
            field.to_python(number)
