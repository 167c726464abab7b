"""What holds for every price."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal

from hypothesis import given
from hypothesis import strategies as st

from billing.rating import (
    CostPlus,
    Graduated,
    Package,
    PerUnit,
    Pricing,
    Tier,
    Volume,
    dump_pricing,
    overage_price,
    parse_pricing,
)
from billing.strict_json import Node
from billing.tax import TaxableLine, TaxCategory, TaxTreatment, tax_document

rates = st.integers(0, 10**7).map(lambda n: Decimal(n).scaleb(-5))
quantities = st.integers(0, 10**9).map(lambda n: Decimal(n).scaleb(-6)) | st.integers(0, 300).map(
    Decimal
)
percents = st.integers(0, 500).map(Decimal)


@st.composite
def tiers(draw) -> tuple[Tier, ...]:
    edges = sorted(draw(st.sets(st.integers(1, 300), max_size=4)))
    bounds = [*map(Decimal, edges), None]
    return tuple(Tier(up_to, draw(rates), draw(rates)) for up_to in bounds)


per_unit = rates.map(PerUnit)
graduated = tiers().map(Graduated)
volume = tiers().map(Volume)
package = st.builds(Package, quantities.filter(bool), rates)
cost_plus = st.builds(CostPlus, percents, rates) | st.builds(CostPlus, percents, st.none())
monotone = st.one_of(per_unit, graduated, package)
pricings = st.one_of(per_unit, graduated, volume, package, cost_plus)


def price(pricing: Pricing, overage: Decimal, **kwargs) -> Decimal:
    return overage_price(pricing, overage, currency="USD", **kwargs)


@given(pricings)
def test_pricing_reads_back_as_it_was_written(pricing):
    assert parse_pricing(Node(dump_pricing(pricing))) == pricing


@given(pricings, quantities)
def test_no_overage_costs_nothing(pricing, cost):
    assert price(pricing, Decimal(0), cost=cost, used=Decimal(0)) == 0


@given(monotone, quantities, quantities)
def test_more_overage_never_costs_less_except_under_volume(pricing, overage, more):
    assert price(pricing, overage) <= price(pricing, overage + more)


@given(cost_plus, quantities, quantities.filter(bool), quantities)
def test_more_of_the_same_usage_beyond_the_allowance_never_costs_less(pricing, overage, more, cost):
    used = overage + more
    few = price(pricing, overage, cost=cost, used=used)
    assert few <= price(pricing, used, cost=cost, used=used)


@given(cost_plus, quantities.filter(bool), quantities)
def test_cost_plus_never_asks_less_than_the_cost_when_all_is_overage(pricing, used, cost):
    assert price(pricing, used, cost=cost, used=used) >= price(
        CostPlus(Decimal(0), None), used, cost=cost, used=used
    )


@given(pricings, quantities.filter(bool), quantities, rates)
def test_a_cap_is_never_passed_and_else_changes_nothing(pricing, overage, cost, cap):
    free = price(pricing, overage, cost=cost, used=overage)
    capped = price(pricing, overage, cost=cost, used=overage, cap_amount=cap)
    assert capped <= cap
    assert capped == min(free, cap.quantize(Decimal("0.01"), ROUND_DOWN))


@given(tiers(), quantities)
def test_one_tier_is_the_same_under_both_tiered_models(some_tiers, overage):
    single = some_tiers[-1:]
    assert price(Graduated(single), overage) == price(Volume(single), overage)


@given(
    st.lists(st.tuples(st.integers(-(10**7), 10**7), st.sampled_from(["19", "7"])), max_size=12),
    st.sampled_from([("EUR", 2), ("JPY", 0), ("KWD", 3)]),
)
def test_tax_is_within_half_a_unit_per_rate_and_totals_add_up(rows, currency):
    code, digits = currency
    lines = [
        TaxableLine(Decimal(n).scaleb(-4), TaxTreatment(TaxCategory.STANDARD, Decimal(rate)))
        for n, rate in rows
    ]
    document = tax_document(lines, code)
    half = Decimal("0.5").scaleb(-digits)
    for subtotal in document.subtotals:
        assert abs(subtotal.tax - subtotal.net * subtotal.treatment.rate / 100) <= half
    assert document.net == sum(document.line_nets) == sum(s.net for s in document.subtotals)
    assert document.gross == document.net + sum(s.tax for s in document.subtotals)
