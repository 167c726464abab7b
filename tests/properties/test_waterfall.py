"""What holds for every waterfall, whatever the grants and the usage."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from agencyportal.core.periods import Period
from billing.waterfall import DEFAULT_PRIORITY, Grant, GrantKind, waterfall
from tests.billing.naive_waterfall import naive_waterfall

QUARTER = timedelta(minutes=15)
PERIOD = Period.whole(
    datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC) + 40 * QUARTER
)


def quarter(number: int) -> datetime:
    return PERIOD.start + number * QUARTER


quantities = st.integers(0, 50_000_000).map(lambda n: Decimal(n).scaleb(-6)) | st.integers(
    0, 100
).map(Decimal)
buckets = st.lists(st.tuples(st.integers(0, 39).map(quarter), quantities), max_size=25)


@st.composite
def grants(draw) -> Grant:
    kind = draw(st.sampled_from(GrantKind))
    effective = draw(st.integers(-10, 45))
    ends = draw(st.none() | st.integers(1, 60))
    quantity = draw(quantities)
    return Grant(
        id=0,
        kind=kind,
        quantity=quantity,
        effective_at=quarter(effective),
        expires_at=None if ends is None else quarter(effective + ends),
        priority=draw(st.just(DEFAULT_PRIORITY[kind]) | st.integers(0, 3)),
        sequence=draw(st.integers(0, 3)),
        revoked=draw(st.sampled_from([Decimal(0), quantity, quantity / 2])).quantize(
            Decimal("0.000001"), rounding="ROUND_DOWN"
        ),
    )


grant_lists = st.lists(grants(), max_size=6).map(
    lambda made: [replace(grant, id=number) for number, grant in enumerate(made)]
)
maxima = st.integers(0, 80).map(Decimal)
instants = st.none() | st.integers(0, 45).map(quarter)


@given(grant_lists, buckets, maxima, instants)
def test_agrees_with_the_naive_specification(given_grants, usage, rollover_max, as_of):
    options = {"rollover_max": rollover_max, "as_of": as_of}
    fast = waterfall(given_grants, usage, PERIOD, **options)
    slow = naive_waterfall(given_grants, usage, PERIOD, **options)
    consumption: dict = {}
    for draw in fast.consumption():
        key = (draw.grant_id, draw.bucket)
        consumption[key] = consumption.get(key, 0) + draw.quantity
    assert consumption == slow.consumption
    assert fast.overage_by_bucket() == slow.overage
    assert fast.rolled_over == slow.rolled_over
    for number, outcome in enumerate(fast.grants):
        assert outcome.remaining == slow.remaining[number]
        assert outcome.expired + outcome.rolled_over == slow.expired[number]


@given(grant_lists, buckets, maxima, instants)
def test_nothing_is_created_or_lost(given_grants, usage, rollover_max, as_of):
    result = waterfall(given_grants, usage, PERIOD, rollover_max=rollover_max, as_of=as_of)
    for grant, outcome in zip(given_grants, result.grants, strict=True):
        fates = (
            outcome.consumed,
            outcome.expired,
            outcome.revoked,
            outcome.rolled_over,
            outcome.remaining,
        )
        assert sum(fates) == grant.quantity
        assert min(fates) >= 0
    assert result.used == sum(quantity for _, quantity in usage)
    assert result.used == result.included + result.top_up + result.overage
    assert result.rolled_over <= rollover_max
    assert sum(draw.quantity for draw in result.consumption()) == result.used - result.overage
    assert sum(result.overage_by_bucket().values()) == result.overage


@given(grant_lists, buckets, maxima, st.randoms())
def test_neither_order_nor_batching_of_usage_matters(given_grants, usage, rollover_max, random):
    result = waterfall(given_grants, usage, PERIOD, rollover_max=rollover_max)
    pieces = []
    for start, quantity in usage:
        part = (quantity / 3).quantize(Decimal("0.000001"))
        pieces += [(start, part), (start, quantity - part)]
    random.shuffle(pieces)
    again = waterfall(given_grants, pieces, PERIOD, rollover_max=rollover_max)
    assert again.grants == result.grants
    assert again.overage_by_bucket() == result.overage_by_bucket()


@given(grant_lists, buckets, st.randoms())
def test_the_order_in_which_grants_are_given_does_not_matter(given_grants, usage, random):
    distinct = [replace(grant, sequence=number) for number, grant in enumerate(given_grants)]
    shuffled = random.sample(distinct, len(distinct))
    one, other = (waterfall(some, usage, PERIOD) for some in (distinct, shuffled))
    assert {o.grant.id: o for o in one.grants} == {o.grant.id: o for o in other.grants}
    assert one.overage_by_bucket() == other.overage_by_bucket()


@given(grant_lists.filter(bool), buckets, quantities, st.data())
def test_a_larger_grant_never_raises_overage(given_grants, usage, more, data):
    result = waterfall(given_grants, usage, PERIOD)
    number = data.draw(st.integers(0, len(given_grants) - 1))
    larger = list(given_grants)
    larger[number] = replace(larger[number], quantity=larger[number].quantity + more)
    assert waterfall(larger, usage, PERIOD).overage <= result.overage


@given(grant_lists, buckets, st.tuples(st.integers(0, 39).map(quarter), quantities))
def test_more_usage_never_lowers_overage(given_grants, usage, another):
    result = waterfall(given_grants, usage, PERIOD)
    more = waterfall(given_grants, [*usage, another], PERIOD)
    assert result.overage <= more.overage <= result.overage + another[1]


@given(grant_lists, buckets)
def test_overage_comes_only_where_no_usable_grant_has_anything_left(given_grants, usage):
    result = waterfall(given_grants, usage, PERIOD, as_of=PERIOD.start)
    for start in result.overage_by_bucket():
        up_to_then = [bucket for bucket in usage if bucket[0] <= start]
        so_far = waterfall(given_grants, up_to_then, PERIOD, as_of=PERIOD.start)
        assert so_far.available(start) == 0
