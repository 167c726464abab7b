"""What holds for every scenario."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from billing.scenario import parse_scenario
from billing.simulation import simulate
from billing.simulation_result import SimulationResult
from tests.billing.scenario_samples import scenario

PER_UNIT = {"model": "per_unit", "unit_amount": "0.10"}
PACKAGE = {"model": "package", "package_size": "7", "package_amount": "1.01"}
GRADUATED = {
    "model": "graduated",
    "tiers": [
        {"up_to": "10", "unit_amount": "0.50"},
        {"up_to": None, "unit_amount": "0.01", "flat_amount": "3"},
    ],
}
VOLUME = GRADUATED | {"model": "volume"}
COST_PLUS = {"model": "cost_plus", "margin_percent": "30", "surcharge_per_unit": "0.01"}

times = st.tuples(
    st.integers(1, 4), st.integers(1, 28), st.integers(0, 23), st.integers(0, 59)
).map(lambda t: f"2026-{t[0]:02}-{t[1]:02}T{t[2]:02}:{t[3]:02}:00Z")
quantities = st.integers(0, 80).map(str) | st.integers(0, 10**8).map(
    lambda n: str(Decimal(n) / 10**6)
)
usages = st.lists(
    st.fixed_dictionaries(
        {
            "unit": st.just("page"),
            "time": times,
            "quantity": quantities,
            "cost": st.none() | st.integers(0, 10**4).map(lambda n: str(Decimal(n) / 1000)),
        }
    ),
    max_size=12,
)
grant_lists = st.lists(
    st.tuples(times, st.none() | times, st.integers(1, 100), st.integers(0, 60)), max_size=3
).map(
    lambda rows: [
        {
            "id": f"grant {number}",
            "unit": "page",
            "quantity": quantity,
            "effective_at": effective,
            "expires_at": expires if expires and expires > effective else None,
            "priority": priority,
        }
        for number, (effective, expires, quantity, priority) in enumerate(rows)
    ]
)
purchase_lists = st.lists(times.filter(lambda t: t >= "2026-01-10"), max_size=3).map(
    lambda instants: [{"top_up": "50 pages", "at": instant} for instant in instants]
)
AUTOMATIC = {"policy": "top_up", "top_up": "50 pages", "at": "5", "max_count": 2, "then": "bill"}


DISCOUNTS = [
    {"name": "Tenth", "on": "overage", "percent": "10"},
    {"name": "Voucher", "on": "all", "amount": "3.35", "periods": 2},
]
FEES = [{"name": "Base", "kind": "base", "amount": "4.99", "when": "period"}]
BILLED = {"policy": "bill"}
ALL_PRICINGS = (PER_UNIT, PACKAGE, GRADUATED, VOLUME, COST_PLUS)


@st.composite
def scenarios(draw, pricings=ALL_PRICINGS, policies=(BILLED, AUTOMATIC)) -> dict:
    overage = draw(st.sampled_from(policies)) | {"pricing": draw(st.sampled_from(pricings))}
    return scenario(
        overage=overage,
        allowance={
            "included": draw(st.integers(0, 150)),
            "rollover_max": draw(st.integers(0, 120)),
        },
        top_up={"expires": draw(st.sampled_from(["never", "period_end", "P20D"]))},
        plan={
            "minimum_commitment": draw(st.sampled_from(["0", "5"])),
            "discounts": draw(st.sampled_from([[], DISCOUNTS, DISCOUNTS[:1]])),
        },
        fees=draw(st.sampled_from([[], FEES])),
        start=draw(st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-10T00:00:00Z"])),
        until=draw(st.sampled_from(["2026-04-01T00:00:00Z", "2026-03-17T10:30:00Z"])),
        grants=draw(grant_lists),
        purchases=draw(purchase_lists),
    ) | {"usage": draw(usages)}


def run(document: dict) -> SimulationResult:
    return simulate(parse_scenario(document))


def overage(result: SimulationResult) -> Decimal:
    return sum((u.waterfall.overage for p in result.periods for u in p.units), Decimal(0))


@given(scenarios(), st.randoms())
def test_neither_order_nor_batching_of_usage_matters(document, random):
    pieces = []
    for usage in document["usage"]:
        if usage["quantity"].isdigit() and int(usage["quantity"]) > 1:
            rest = int(usage["quantity"]) - 1
            pieces += [usage | {"quantity": "1"}, usage | {"quantity": rest, "cost": None}]
        else:
            pieces.append(usage)
    random.shuffle(pieces)
    assert run(document | {"usage": pieces}).as_json() == run(document).as_json()


@given(scenarios())
def test_nothing_is_created_or_lost(document):
    result = run(document)
    left: dict = {}
    rolled = Decimal(0)
    for period in result.periods:
        (unit,) = period.units
        now_left = {}
        for outcome in unit.waterfall.grants:
            grant = outcome.grant
            opened = left.pop(grant.id, None)
            assert opened in (None, grant.quantity)
            fates = (outcome.consumed, outcome.expired, outcome.rolled_over, outcome.remaining)
            assert sum(fates) == grant.quantity
            if grant.kind == "rollover":
                assert grant.quantity == rolled
                rolled = Decimal(0)
            if outcome.remaining:
                now_left[grant.id] = outcome.remaining
        assert not left, "what a period leaves, the next one opens with"
        assert not rolled
        left, rolled = now_left, unit.waterfall.rolled_over


@given(scenarios())
def test_all_usage_of_the_subscription_is_counted_once(document):
    result = run(document)
    used = sum((u.waterfall.used for p in result.periods for u in p.units), Decimal(0))
    parsed = parse_scenario(document)
    counted = [u.quantity for u in parsed.usage if parsed.start <= u.time < parsed.until]
    assert used == sum(counted, Decimal(0))


@given(
    scenarios(pricings=(PER_UNIT, PACKAGE, GRADUATED, COST_PLUS), policies=(BILLED,)),
    st.integers(1, 50),
)
def test_a_larger_allowance_never_raises_overage_or_the_bill(document, more):
    before = run(document)
    document["plan"]["allowances"][0]["included"] += more
    after = run(document)
    assert overage(after) <= overage(before)
    assert after.total <= before.total


@given(scenarios())
def test_totals_are_sums_of_what_is_printed(document):
    result = run(document).as_json()
    for period in result["periods"]:
        amounts = [Decimal(line["amount"]) for line in period["lines"]]
        assert Decimal(period["total"]) == sum(amounts)
        for unit in period["units"]:
            parts = (Decimal(unit[key]) for key in ("included", "top_up", "overage"))
            assert sum(parts) == Decimal(unit["used"])
    assert Decimal(result["total"]) == sum(Decimal(p["total"]) for p in result["periods"])


@given(scenarios())
def test_looking_further_ahead_changes_no_period_that_is_over(document):
    nearer = run(document)
    further = run(document | {"until": "2026-06-01T00:00:00Z"})
    until = parse_scenario(document).until
    over = [period for period in nearer.periods if period.period.end <= until]
    assert further.as_json()["periods"][: len(over)] == nearer.as_json()["periods"][: len(over)]


@given(scenarios())
def test_a_discount_makes_nothing_negative_and_nobody_pay_more(document):
    result = run(document)
    full = run(document | {"plan": document["plan"] | {"discounts": []}})
    for period, undiscounted in zip(result.periods, full.periods, strict=True):
        amounts = {kind: Decimal(0) for kind in ("base", "overage", "discount")}
        for line in period.lines:
            amounts[line.kind] = amounts.get(line.kind, Decimal(0)) + line.amount
        assert amounts["discount"] <= 0
        assert amounts["base"] + amounts["overage"] + amounts["discount"] >= 0
        assert 0 <= period.total <= undiscounted.total
