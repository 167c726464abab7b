"""What money that goes back, credit notes and disputes take of an invoice's lines. Pure."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payouts.revenue import Movement, platform_fees, split_movements

D = Decimal


def amounts(*texts: str) -> list[Decimal]:
    return [D(text) for text in texts]


NETS = amounts("60.00", "40.00")
"""With 20 % of tax: 120.00."""


def split(*movements: Movement) -> list[list[Decimal]]:
    return split_movements(NETS, D("120.00"), movements, "EUR")


def test_a_payment_that_bounces_takes_back_what_it_brought():
    assert split(Movement(D("120.00")), Movement(D("-120.00"))) == [
        amounts("60.00", "40.00"),
        amounts("-60.00", "-40.00"),
    ]


def test_a_credit_note_on_a_paid_invoice_takes_back_its_line():
    """48.00 is 40.00 and its tax."""
    credit = Movement(D("-48.00"), credited=D("48.00"), nets=(D("0.00"), D("40.00")))
    assert split(Movement(D("120.00")), credit)[1] == amounts("0.00", "-40.00")


def test_a_credit_note_on_what_is_half_paid_moves_what_was_brought_to_the_other_line():
    """60.00 was paid of both lines, 30.00 and 20.00; the second is credited, 48.00, so that 12.00
    are due of the first, which now has 50.00 of its 60.00."""
    credit = Movement(D(0), credited=D("48.00"), nets=(D("0.00"), D("40.00")))
    assert split(Movement(D("60.00")), credit, Movement(D("12.00"))) == [
        amounts("30.00", "20.00"),
        amounts("20.00", "-20.00"),
        amounts("10.00", "0.00"),
    ]


def test_a_dispute_holds_back_and_gives_back_the_same():
    held = Movement(D("-0.07"))
    won = Movement(D("0.07"), restores=1)
    brought = split(Movement(D("110.01")), held, won)
    assert brought[2] == [-part for part in brought[1]]


@pytest.mark.parametrize(
    "movements",
    [
        [Movement(D("-1.00"))],
        [Movement(D("120.01"))],
        [Movement(D("50.00")), Movement(D("-50.01"))],
        [Movement(D("-1.00"), credited=D("48.00"), nets=(D(0), D(40)))],
    ],
)
def test_more_than_there_is_does_not_fit(movements):
    with pytest.raises(ValueError, match="does not fit"):
        split(*movements)


def test_the_fee_goes_back_at_the_rate_at_which_it_was_taken():
    """5 % of 100.00, then 10 %: 60.00 back takes 3.00 of the 5.00 with it."""
    fees = platform_fees([(D("100.00"), D(5)), (D("-60.00"), D(10)), (D("-40.00"), D(10))], "EUR")
    assert list(fees) == amounts("5.00", "-3.00", "-2.00")


def test_what_comes_back_after_a_dispute_is_charged_what_had_been_given_back():
    brought = [(D("100.00"), D(5)), (D("-100.00"), D(0)), (D("100.00"), D(9))]
    assert list(platform_fees(brought, "EUR", [None, None, 1])) == amounts("5.00", "-5.00", "5.00")


cents = st.integers(1, 5000).map(lambda number: D(number) / 100)


@given(
    nets=st.lists(cents, min_size=1, max_size=5),
    rate=st.integers(0, 30),
    steps=st.lists(st.tuples(st.sampled_from("prc"), st.fractions(0, 1)), max_size=12),
)
def test_whatever_happens_lines_have_their_share_of_what_is_paid(nets, rate, steps):
    """Paid (p), gone back (r), a line credited (c): no line ever has more than what is left of
    it, nothing where nothing is paid, and all of it where nothing is due."""
    tax = round(sum(nets, D(0)) * rate / 100, 2)
    total = sum(nets, D(0)) + tax
    left, paid, due = list(nets), D(0), total
    movements: list[Movement] = []
    for kind, share in steps:
        if kind == "c":
            index = int(share * (len(nets) - 1))
            if not left[index]:
                continue
            gross = left[index] if sum(left) > left[index] else paid + due
            taken = tuple(left[index] if n == index else D(0) for n in range(len(nets)))
            back = max(gross - due, D(0))
            movements.append(Movement(-back, credited=gross, nets=taken))
            left[index] = D(0)
            paid, due = paid - back, due - (gross - back)
            continue
        of = due if kind == "p" else paid
        amount = D(int(of * 100 * share.numerator) // share.denominator) / 100
        if amount:
            sign = 1 if kind == "p" else -1
            movements.append(Movement(sign * amount))
            paid, due = paid + sign * amount, due - sign * amount
    brought = split_movements(nets, total, movements, "EUR")
    earned = [sum(parts, D(0)) for parts in zip(*brought, strict=True)] or [D(0)] * len(nets)
    assert all(0 <= has <= of for has, of in zip(earned, left, strict=True))
    if not paid:
        assert not any(earned)
    if movements and not due:
        assert earned == left
