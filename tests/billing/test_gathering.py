"""Which waiting charges go on which invoice."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from billing.gathering import LONGEST_WAIT, Bundle, WaitingCharge, gather

JAN, FEB, MAR, APR, MAY = (dt.datetime(2026, m, 1, tzinfo=dt.UTC) for m in range(1, 6))
DAY = dt.timedelta(days=1)


def waiting(id_: int, bill_at: dt.datetime, amount: str = "10", **fields) -> WaitingCharge:
    return WaitingCharge(id_, bill_at, Decimal(amount), **fields)


def gathered(charges, *, now, ends=None, issued=(), drafted=None) -> list[Bundle]:
    return gather(charges, ends=ends or {}, issued=issued, drafted=drafted or {}, now=now)


def test_charges_of_one_instant_share_an_invoice_and_others_get_their_own():
    charges = [waiting(1, FEB), waiting(2, MAR), waiting(3, FEB)]
    assert gathered(charges, now=MAR + DAY) == [Bundle(FEB, (1, 3)), Bundle(MAR, (2,))]


def test_what_is_billed_later_waits():
    assert gathered([waiting(1, MAR)], now=MAR - DAY) == []
    assert gathered([waiting(1, MAR)], now=MAR) == [Bundle(MAR, (1,))]


def test_an_invoice_waits_until_every_period_that_ends_with_it_is_closed():
    assert gathered([waiting(1, MAR)], now=MAR + DAY, ends={MAR: False}) == []
    assert gathered([waiting(1, MAR)], now=MAR + DAY, ends={MAR: True}) == [Bundle(MAR, (1,))]


def test_a_late_charge_goes_on_the_next_invoice():
    late, regular = waiting(1, FEB), waiting(2, MAR)
    assert gathered([late, regular], now=MAR + DAY, issued={FEB}) == [Bundle(MAR, (1, 2))]


def test_a_late_charge_waits_for_the_next_end_of_a_period():
    late = waiting(1, FEB)
    ends = {FEB: True, MAR: False}
    assert gathered([late], now=FEB + 9 * DAY, ends=ends, issued={FEB}) == []
    assert gathered([late], now=MAR + DAY, ends=ends, issued={FEB}) == []  # in grace
    closed = {FEB: True, MAR: True}
    assert gathered([late], now=MAR + DAY, ends=closed, issued={FEB}) == [Bundle(MAR, (1,))]


def test_a_late_charge_without_a_next_invoice_gets_one_of_its_own():
    now = FEB + 9 * DAY
    late = [waiting(1, FEB), waiting(2, JAN)]
    assert gathered(late, now=now, issued={JAN, FEB}) == [Bundle(now, (1, 2))]


def test_a_late_charge_does_not_wait_for_a_year():
    late, now = waiting(1, FEB), FEB + 9 * DAY
    just_in_reach, too_far = now + LONGEST_WAIT, now + LONGEST_WAIT + dt.timedelta(seconds=1)
    assert gathered([late], now=now, ends={just_in_reach: False}, issued={FEB}) == []
    assert gathered([late], now=now, ends={too_far: False}, issued={FEB}) == [Bundle(now, (1,))]


def test_late_first_fees_are_invoiced_at_once():
    """A second workspace activated in the quarter hour of the first, after its invoice."""
    fee, other, now = waiting(1, FEB, opening=True), waiting(2, FEB), FEB + DAY
    bundles = gathered([fee, other], now=now, ends={MAR: False}, issued={FEB})
    assert bundles == [Bundle(now, (1,))]


def test_an_invoice_of_its_own_does_not_take_the_place_of_a_regular_one():
    fee = waiting(1, FEB, opening=True)
    ends = {MAR: False}
    assert gathered([fee], now=MAR, ends=ends, issued={FEB}) == []
    later = MAR + dt.timedelta(seconds=1)
    assert gathered([fee], now=later, ends=ends, issued={FEB}) == [Bundle(later, (1,))]


def test_credit_is_carried_to_an_invoice_that_can_bear_it():
    credit, small, large = waiting(1, FEB, "-30"), waiting(2, MAR, "10"), waiting(3, APR, "20")
    assert gathered([credit, small, large], now=APR + DAY) == [Bundle(APR, (1, 2, 3))]
    assert gathered([credit, small], now=APR + DAY) == []


def test_an_invoice_over_nothing_is_made_for_what_the_agency_collects():
    assert gathered([waiting(1, FEB, "0")], now=FEB + DAY) == [Bundle(FEB, (1,))]


def test_what_comes_in_time_joins_the_draft():
    assert gathered([waiting(2, FEB)], now=FEB + DAY, drafted={FEB: Decimal(5)}) == [
        Bundle(FEB, (2,))
    ]


def test_credit_larger_than_a_draft_does_not_join_it():
    credit = waiting(2, FEB, "-6")
    assert gathered([credit], now=FEB + DAY, drafted={FEB: Decimal(5)}) == []
    assert gathered([credit], now=FEB + DAY, drafted={FEB: Decimal(6)}) == [Bundle(FEB, (2,))]


instants = st.sampled_from([JAN + 15 * n * DAY for n in range(10)])
charges_of_any_kind = st.builds(
    WaitingCharge,
    id=st.integers(1, 10**6),
    bill_at=instants,
    amount=st.integers(-50, 100).map(Decimal),
    opening=st.booleans(),
)


@given(
    charges=st.lists(charges_of_any_kind, max_size=12, unique_by=lambda charge: charge.id),
    ends=st.dictionaries(instants, st.booleans(), max_size=6),
    issued=st.sets(instants, max_size=5),
    now=st.integers(0, 200).map(lambda days: JAN + days * DAY + dt.timedelta(minutes=1)),
)
def test_every_charge_is_invoiced_at_most_once_and_never_too_early(charges, ends, issued, now):
    bundles = gathered(charges, now=now, ends=ends, issued=issued)
    by_id = {charge.id: charge for charge in charges}
    used = [id_ for bundle in bundles for id_ in bundle.charge_ids]
    assert len(used) == len(set(used))
    assert len({bundle.bill_at for bundle in bundles}) == len(bundles)
    for bundle in bundles:
        assert bundle.bill_at <= now
        assert bundle.bill_at not in issued
        assert ends.get(bundle.bill_at, True)
        assert all(by_id[id_].bill_at <= bundle.bill_at for id_ in bundle.charge_ids)
        assert sum(by_id[id_].amount for id_ in bundle.charge_ids) >= 0


@given(
    charges=st.lists(charges_of_any_kind, max_size=12, unique_by=lambda charge: charge.id),
    issued=st.sets(instants, max_size=5),
)
def test_nothing_but_credit_is_left_once_all_periods_are_closed(charges, issued):
    now = JAN + 400 * DAY
    bundles = gathered(charges, now=now, issued=issued)
    used = {id_ for bundle in bundles for id_ in bundle.charge_ids}
    left = [charge for charge in charges if charge.id not in used]
    assert not left or sum(charge.amount for charge in left) < 0
