"""Late or in time, in whatever order: the same units are used, and none comes from nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from billing.late_usage import Change, ClosedUnit, Credit, LateResult, settle_late
from billing.rating import Graduated, Tier, overage_price
from billing.waterfall import DEFAULT_PRIORITY, Grant, GrantKind, WaterfallResult, waterfall
from clients.recounting import Recount, moves

from .test_waterfall import PERIOD, grant_lists, quarter

ZERO = Decimal(0)
NOW = quarter(60)

whole = st.integers(0, 60).map(Decimal)
usage = st.lists(st.tuples(st.integers(0, 39).map(quarter), whole), max_size=12)
late_usage = st.lists(
    st.tuples(st.integers(0, 39).map(quarter), whole, st.integers(45, 60).map(quarter)),
    max_size=12,
)


@st.composite
def period_grants(draw) -> list[Grant]:
    """Grants that end with the period, at the latest."""
    made = draw(grant_lists)
    return [
        replace(
            grant,
            expires_at=min(grant.expires_at or PERIOD.end, PERIOD.end),
            revoked=ZERO,
        )
        for grant in made
        if grant.effective_at < PERIOD.end
    ]


@st.composite
def credits_(draw) -> list[Credit]:
    """Credit that goes on after the period, with what is left of it."""
    count = draw(st.integers(0, 3))
    return [
        Credit(
            Grant(
                id=f"credit {number}",
                kind=GrantKind.TOP_UP,
                quantity=Decimal(100),
                effective_at=quarter(draw(st.integers(-5, 39))),
                expires_at=draw(st.none() | st.integers(46, 70).map(quarter)),
                priority=DEFAULT_PRIORITY[GrantKind.TOP_UP],
                sequence=number,
            ),
            draw(whole),
        )
        for number in range(count)
    ]


def frozen(grants: Sequence[Grant], buckets: Sequence[tuple[datetime, Decimal]]) -> ClosedUnit:
    """A closed period as its rows say it: what each grant gave, or let expire."""
    return as_closed(waterfall(grants, buckets, PERIOD), buckets)


def as_closed(result: WaterfallResult, buckets: Sequence[tuple[datetime, Decimal]]) -> ClosedUnit:
    sums: dict[datetime, Decimal] = {}
    for start, quantity in buckets:
        sums[start] = sums.get(start, ZERO) + quantity
    return ClosedUnit(
        period=PERIOD,
        grants=[
            replace(outcome.grant, quantity=outcome.consumed + outcome.expired, revoked=ZERO)
            for outcome in result.grants
        ],
        buckets=sums,
        drawn={},
        overage=result.overage,
    )


def after(closed: ClosedUnit, result: LateResult) -> ClosedUnit:
    """The unit with a settlement in it."""
    drawn = dict(closed.drawn)
    for grant_id, quantity in result.drawn.items():
        drawn[grant_id] = drawn.get(grant_id, ZERO) + quantity
    return replace(
        closed,
        buckets=result.buckets,
        drawn={grant_id: quantity for grant_id, quantity in drawn.items() if quantity},
        overage=closed.overage + result.overage,
    )


def less(credit: Sequence[Credit], result: LateResult) -> list[Credit]:
    return [
        replace(item, left=item.left - max(ZERO, result.drawn.get(item.grant.id, ZERO)))
        for item in credit
    ]


def changes(entries: Sequence[tuple[datetime, Decimal, datetime]]) -> list[Change]:
    return [Change(*entry) for entry in entries]


@given(period_grants(), usage, late_usage, st.randoms(use_true_random=False))
def test_late_usage_of_a_periods_own_grants_comes_to_what_it_would_have_in_time(
    grants, in_time, late, random
):
    closed = frozen(grants, in_time)
    batches: list[list[Change]] = [[] for _ in range(3)]
    for change in changes(late):
        random.choice(batches).append(change)
    consumed = {o.grant.id: o.consumed for o in waterfall(grants, in_time, PERIOD).grants}
    for batch in batches:
        result = settle_late(closed, batch)
        for grant_id, quantity in result.from_period.items():
            consumed[grant_id] += quantity
        closed = after(closed, result)

    whole_period = waterfall(grants, [*in_time, *(change[:2] for change in late)], PERIOD)
    assert closed.overage == whole_period.overage
    assert consumed == {o.grant.id: o.consumed for o in whole_period.grants}


@given(grant_lists, usage, late_usage, credits_())
def test_used_is_consumed_and_overage_and_nothing_is_negative(grants, in_time, late, credit):
    closed = frozen([replace(grant, revoked=ZERO) for grant in grants], in_time)

    result = settle_late(closed, changes(late), credit)

    assert result.quantity == sum((q for _, q, _ in late), ZERO)
    parts = (*result.from_period.values(), *result.drawn.values(), result.overage)
    assert sum(parts, ZERO) == result.quantity
    assert all(part >= 0 for part in parts)
    left = {item.grant.id: item.left for item in credit}
    assert all(quantity <= left[grant_id] for grant_id, quantity in result.drawn.items())
    pool = {grant.id: grant.quantity for grant in closed.grants}
    before = waterfall(closed.grants, closed.buckets.items(), PERIOD)
    for outcome in before.grants:
        more = result.from_period.get(outcome.grant.id, ZERO)
        assert outcome.consumed + more <= pool[outcome.grant.id]
    assert before.overage == closed.overage  # burning again says what was frozen


@given(grant_lists, usage, late_usage, credits_(), st.permutations(range(12)))
def test_the_order_in_a_batch_makes_no_difference(grants, in_time, late, credit, order):
    closed = frozen([replace(grant, revoked=ZERO) for grant in grants], in_time)
    shuffled = [late[index] for index in order if index < len(late)]

    assert settle_late(closed, changes(late), credit) == settle_late(
        closed, changes(shuffled), credit
    )


@given(grant_lists, usage, late_usage, credits_())
def test_what_is_taken_back_undoes_what_was_settled(grants, in_time, late, credit):
    closed = frozen([replace(grant, revoked=ZERO) for grant in grants], in_time)
    up = settle_late(closed, changes(late), credit)

    down = settle_late(
        after(closed, up),
        [Change(start, -quantity, recorded) for start, quantity, recorded in late],
        less(credit, up),
    )

    def outside(result: LateResult) -> Decimal:
        return result.overage + sum(result.drawn.values(), ZERO)

    # Money first: with overage from before, credit that was drawn may stay drawn.
    assert outside(down) == -outside(up)
    if not closed.overage:
        assert down.overage == -up.overage
        assert down.drawn == {grant_id: -quantity for grant_id, quantity in up.drawn.items()}
    assert down.from_period == {g: -quantity for g, quantity in up.from_period.items()}


@given(grant_lists, usage, st.integers(0, 5), credits_())
def test_a_reduction_takes_nothing_from_anybody(grants, in_time, index, credit):
    closed = frozen([replace(grant, revoked=ZERO) for grant in grants], in_time)
    taken = [
        Change(start, -min(quantity, Decimal(7)), NOW)
        for start, quantity in list(closed.buckets.items())[: index + 1]
    ]

    result = settle_late(closed, taken, credit)

    assert result.overage <= 0
    assert result.drawn == {}
    assert all(quantity < 0 for quantity in result.from_period.values())


TIERS = Graduated(
    (
        Tier(Decimal(20), Decimal("0.333"), ZERO),
        Tier(None, Decimal("0.0335"), Decimal("1.5")),
    )
)


@given(period_grants(), usage, late_usage, st.integers(0, 12), st.none() | st.just(Decimal(9)))
def test_the_money_is_that_of_the_total_whatever_came_when(grants, in_time, late, cut, cap):
    def price(overage: Decimal) -> Decimal:
        return overage_price(TIERS, overage, currency="USD", cap_amount=cap)

    closed = frozen(grants, in_time)
    billed = price(closed.overage)
    for batch in (late[:cut], late[cut:]):
        closed = after(closed, settle_late(closed, changes(batch)))
        billed += price(closed.overage) - billed

    whole_period = waterfall(grants, [*in_time, *(change[:2] for change in late)], PERIOD)
    assert billed == price(whole_period.overage)


# --- Who stands for a subject ------------------------------------------------------------------

recounts = st.lists(
    st.builds(
        lambda at, subject, before, now: (quarter(at), subject, Decimal(before), Decimal(now)),
        st.integers(0, 5),
        st.sampled_from(["Ann", "Bob", None]),
        st.integers(0, 2),
        st.integers(0, 2),
    ),
    max_size=8,
)


@given(recounts)
def test_moves_come_to_the_difference_between_before_and_after(given_events):
    events = [
        Recount(
            id=number,
            occurred_at=at,
            source="",
            external_id=f"{number}",
            subject=subject,
            before=before,
            after=now,
        )
        for number, (at, subject, before, now) in enumerate(given_events)
    ]

    def counted(quantity_of: str) -> dict[int, Decimal]:
        """By event, as if nothing else had ever been."""
        found: dict[int, Decimal] = {}
        seen: set[str] = set()
        for event in sorted(events, key=lambda e: e.rank):
            quantity = getattr(event, quantity_of)
            if not quantity or event.subject in seen:
                continue
            if event.subject is not None:
                seen.add(event.subject)
            found[event.id] = quantity
        return found

    moved = counted("before")
    for event, quantity in moves(events):
        moved[event.id] = moved.get(event.id, ZERO) + quantity
    assert {pk: quantity for pk, quantity in moved.items() if quantity} == counted("after")
