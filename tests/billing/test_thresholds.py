"""When a threshold is reached, and which rule says so."""

from __future__ import annotations

from decimal import Decimal

import pytest

from billing.thresholds import Rule, crossed, rule_for, wrong_with


@pytest.mark.parametrize(
    ("used", "entitled", "expected"),
    [
        ("79.999999", "100", []),
        ("80", "100", [80]),
        ("99.999999", "100", [80]),
        ("100", "100", [80, 100]),
        ("250", "100", [80, 100, 250]),
        ("0.8", "1", [80]),
        ("0", "0", []),
        ("0.000001", "0", [80, 100, 250]),
        ("0", "100", []),
    ],
)
def test_a_threshold_is_crossed_when_it_is_reached(used, entitled, expected):
    found = crossed([250, 80, 100, 80], used=Decimal(used), entitled=Decimal(entitled))

    assert found == expected


EVERYTHING = Rule(id=1, percents=(80, 100))
UNIT = Rule(id=2, percents=(), unit_id=7)
CLIENT = Rule(id=3, percents=(), client_id=5)
CLIENT_AND_UNIT = Rule(id=4, percents=(), client_id=5, unit_id=7)
WORKSPACE = Rule(id=5, percents=(), workspace_id=6)
WORKSPACE_AND_UNIT = Rule(id=6, percents=(), workspace_id=6, unit_id=7)
BY_RANK = [EVERYTHING, UNIT, CLIENT, CLIENT_AND_UNIT, WORKSPACE, WORKSPACE_AND_UNIT]


def watching(rules, unit_id=7):
    return rule_for(rules, client_id=5, workspace_id=6, unit_id=unit_id)


@pytest.mark.parametrize("count", range(1, len(BY_RANK) + 1))
def test_the_most_specific_rule_takes_the_place_of_wider_ones(count):
    assert watching(reversed(BY_RANK[:count])) == BY_RANK[count - 1]


def test_rules_of_others_do_not_fit():
    others = [Rule(9, (), client_id=1), Rule(8, (), workspace_id=1), Rule(7, (), unit_id=1)]

    assert watching(others) is None
    assert watching([*others, EVERYTHING]) == EVERYTHING
    assert watching(BY_RANK, unit_id=8) == WORKSPACE


def test_of_equals_the_latest_counts():
    assert watching([EVERYTHING, Rule(id=11, percents=(50,))]).id == 11


@pytest.mark.parametrize("percents", [[0], [1001], [80, 80], [100, 80], ["80"], [True], [80.5]])
def test_percents_that_are_none(percents):
    assert wrong_with(percents)


@pytest.mark.parametrize("percents", [[], [80], [1, 50, 100, 1000]])
def test_percents_that_are_fine(percents):
    assert wrong_with(percents) is None
