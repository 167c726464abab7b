"""What discounts take off: never more than there is, each line rounded once."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from billing.discounts import (
    Agreed,
    DiscountDocument,
    Start,
    dump_discount,
    read_discount,
    taken_off,
)
from billing.proration import Share
from billing.strict_json import DocumentError, Node

D = Decimal
WHOLE = Share(31, 31)
FEES, ONCE, OVERAGE = D("499.00"), D("2500.00"), D("20.00")
CHARGED: dict[Any, Decimal] = {"fees": FEES, "once": ONCE, "overage": OVERAGE}


def utc(month: int, day: int = 1) -> dt.datetime:
    return dt.datetime(2026, month, day, tzinfo=dt.UTC)


def off(*discounts: DiscountDocument, share: Share = WHOLE, **charged: str) -> list[dict[str, str]]:
    amounts: dict[Any, Decimal] = {k: D(v) for k, v in charged.items()} or CHARGED
    found = taken_off(discounts, amounts, share, "USD")
    return [{group: str(amount) for group, amount in taken.items()} for taken in found]


class TestWhatIsTakenOff:
    def test_a_percentage_of_each_group_rounded_once(self):
        tenth = DiscountDocument("Tenth", "all", percent=D("12.5"))

        assert off(tenth) == [{"fees": "62.38", "once": "312.50", "overage": "2.50"}]

    @pytest.mark.parametrize("on", ["fees", "once", "overage"])
    def test_one_group_alone(self, on):
        (taken,) = off(DiscountDocument("Half", on, percent=D(50)))

        assert set(taken) == {on}

    def test_an_amount_on_all_is_taken_off_fees_first_and_no_further_than_there_is(self):
        (taken,) = off(
            DiscountDocument("Voucher", "all", amount=D(50)), fees="30", once="0", overage="45.50"
        )

        assert taken == {"fees": "30", "overage": "20.00"}

    def test_nothing_falls_below_zero(self):
        assert off(DiscountDocument("Gift", "overage", amount=D(50))) == [{"overage": "20.00"}]
        assert off(DiscountDocument("Free", "fees", percent=D(100)), fees="499.99") == [
            {"fees": "499.99"}
        ]

    def test_each_takes_from_what_the_one_before_left(self):
        """100.00 less 10 % is 90.00; 10 % of that is 9.00; then 100.00 finds 81.00."""
        tenth = DiscountDocument("A", "fees", percent=D(10))
        again = DiscountDocument("B", "fees", percent=D(10))
        much = DiscountDocument("C", "fees", amount=D(100))

        assert off(tenth, again, much, fees="100") == [
            {"fees": "10.00"},
            {"fees": "9.00"},
            {"fees": "81.00"},
        ]

    def test_an_amount_is_prorated_by_days(self):
        """50.00 x 10 / 31 = 16.13; on what is asked once it is not."""
        part = Share(10, 31)

        assert off(DiscountDocument("A", "fees", amount=D(50)), share=part) == [{"fees": "16.13"}]
        assert off(DiscountDocument("A", "once", amount=D(50)), share=part) == [{"once": "50.00"}]

    def test_money_that_is_owed_back_is_not_discounted(self):
        assert off(DiscountDocument("A", "all", percent=D(50)), fees="-3", overage="0") == [{}]

    def test_amounts_have_the_currencys_digits(self):
        half = DiscountDocument("A", "fees", percent=D("33.3"))

        assert taken_off([half], {"fees": D(1000)}, WHOLE, "JPY") == [{"fees": D(333)}]


class TestWhenItHolds:
    def test_for_so_many_periods_from_its_first(self):
        twice = Agreed(DiscountDocument("A", "fees", percent=D(5), periods=2), utc(2))
        begun = [Start(utc(month), utc(month)) for month in range(1, 7)]

        applies = [
            twice.applies(start, full, begun[:index]) for index, (start, full) in enumerate(begun)
        ]

        assert applies == [False, True, True, False, False, False]

    def test_parts_of_one_interval_count_once(self):
        once = Agreed(DiscountDocument("A", "fees", percent=D(5), periods=1))
        january, rest = Start(utc(1), utc(1)), Start(utc(1, 16), utc(1))

        assert once.applies(*rest, [january])
        assert not once.applies(utc(2), utc(2), [january, rest])

    def test_until_it_expires(self):
        agreed = Agreed(DiscountDocument("A", "fees", percent=D(5)), utc(2), utc(4))

        assert [agreed.holds_at(utc(month)) for month in (1, 2, 3, 4)] == [False, True, True, False]


class TestAsADocument:
    @pytest.mark.parametrize(
        "document",
        [
            {"name": "Launch", "on": "fees", "percent": "12.5", "periods": 3},
            {"name": "Voucher", "on": "all", "amount": "50"},
        ],
    )
    def test_reads_back_as_written(self, document):
        assert dump_discount(read_discount(Node(document))) == document

    @pytest.mark.parametrize(
        ("change", "where"),
        [
            ({"percent": "0"}, "percent"),
            ({"percent": "100.1"}, "percent"),
            ({"amount": "5"}, ""),
            ({"percent": None}, ""),
            ({"percent": None, "amount": "0"}, "amount"),
            ({"percent": None, "amount": "0.00001"}, "amount"),
            ({"periods": 0}, "periods"),
            ({"on": "top_ups"}, "on"),
            ({"for": "ever"}, "for"),
        ],
    )
    def test_what_is_wrong_is_named(self, change, where):
        document = {"name": "Launch", "on": "fees", "percent": "10"} | change

        with pytest.raises(DocumentError) as refused:
            read_discount(Node(document, "discount"))

        assert refused.value.path == (f"discount.{where}" if where else "discount")
