"""Whoever buys what from whom: the decision is one that EN 16931 allows, and follows its order."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from billing.tax import TaxCategory, TaxTreatment
from billing.tax_rules import DatedExemption, DatedRate, TaxParty, decide, is_reversed

IDS = {
    "AT": "ATU13585627",
    "DE": "DE136695976",
    "FR": "FR40303265045",
    "IE": "IE6388047V",
    "US": "12-3456789",
    "CH": "CHE-123.456.788 MWST",
    "": "",
}
DAY = dt.date(2026, 3, 10)

countries = st.sampled_from(sorted(IDS))
days = st.dates(dt.date(2026, 1, 1), dt.date(2026, 6, 1))


@st.composite
def parties(draw: st.DrawFn) -> TaxParty:
    country = draw(countries)
    return TaxParty(country, draw(st.sampled_from(("", "123", IDS[country]))))


@st.composite
def rates(draw: st.DrawFn) -> DatedRate:
    category = draw(st.sampled_from(TaxCategory))
    percent = draw(st.sampled_from((Decimal(7), Decimal("8.25"), Decimal(19))))
    is_taxed = category is TaxCategory.STANDARD
    return DatedRate(draw(countries), draw(days), category, percent if is_taxed else Decimal(0))


@st.composite
def exemptions(draw: st.DrawFn) -> DatedExemption:
    begins = draw(days)
    until = draw(st.none() | st.dates(begins, dt.date(2026, 12, 31)))
    return DatedExemption(begins, until, draw(st.booleans()), "By certificate.")


@given(parties(), parties(), st.lists(rates()), st.lists(exemptions(), max_size=3))
def test_what_is_decided_can_be_printed_and_follows_the_order(seller, buyer, known, exempt):
    made = decide(seller=seller, buyer=buyer, rates=known, exemptions=exempt, on=DAY)
    has_reason = made.category.value in ("E", "AE", "O")
    TaxTreatment(made.category, made.percent, "Why." if has_reason else "", made.reason_code)
    begun = [row for row in exempt if row.effective_from <= DAY]
    latest = max(begun, key=lambda row: row.effective_from, default=None)
    in_force = [rate for rate in known if rate.effective_from <= DAY]
    if latest is not None and latest.holds(DAY):
        assert (made.category, made.reason) == (TaxCategory.EXEMPT, "By certificate.")
    elif is_reversed(seller, buyer):
        assert made.category is not TaxCategory.STANDARD
    elif not in_force:
        assert made.category is TaxCategory.OUTSIDE_SCOPE
    elif made.category is TaxCategory.STANDARD:
        assert made.percent in {rate.percent for rate in in_force}


@given(parties(), parties())
def test_tax_is_reversed_only_between_two_countries_of_the_eu_with_both_ids(seller, buyer):
    if is_reversed(seller, buyer):
        assert seller.country != buyer.country
        for party in (seller, buyer):
            assert party.country in ("AT", "DE", "FR", "IE")
            assert party.tax_id == IDS[party.country]


@given(parties(), parties(), st.lists(rates()), st.lists(exemptions(), max_size=3))
def test_rows_of_days_to_come_change_nothing(seller, buyer, known, exempt):
    def made(rates, exemptions):
        return decide(seller=seller, buyer=buyer, rates=rates, exemptions=exemptions, on=DAY)

    now = [rate for rate in known if rate.effective_from <= DAY]
    held = [row for row in exempt if row.effective_from <= DAY]
    assert made(known, exempt) == made(now, held)
