"""When a threshold is reached, and which rule says so."""

from __future__ import annotations

from decimal import Decimal

import pytest

from billing.thresholds import Kind, Reading, Rule, crossed, read_levels, rule_for, watches


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
    reading = Reading(Kind.PERCENT, Decimal(used), Decimal(entitled))
    found = crossed([Decimal(level) for level in (250, 80, 100, 80)], reading)

    assert found == expected


def rule(pk: int, kind: Kind = Kind.PERCENT, levels=(80, 100), **scope) -> Rule:
    return Rule(id=pk, kind=kind, levels=tuple(map(Decimal, levels)), **scope)


@pytest.mark.parametrize(
    ("kind", "measured", "against", "levels", "expected"),
    [
        (Kind.UNITS, "4999.999999", None, [5000, 8000], []),
        (Kind.UNITS, "5000", None, [5000, 8000], [5000]),
        (Kind.MONEY, "500", None, [250, 500, 501], [250, 500]),
        (Kind.MONEY, "0", None, [250], []),
        (Kind.FORECAST, "2.999999", None, [0, 3], [0]),
        (Kind.FORECAST, "0", None, [0, 3], [0]),
        (Kind.SPIKE, "299.999999", "100", [200, 300], [200]),
        (Kind.SPIKE, "300", "100", [200, 300], [200, 300]),
        (Kind.SPIKE, "1", "0", [200, 300], [200, 300]),
        (Kind.OVERAGE, "1", None, [2], []),
        (Kind.OVERAGE, "3", None, [2, 3], [2, 3]),
        (Kind.MARGIN, "0", None, [0], []),
        (Kind.MARGIN, "0.000001", None, [0, 5], [0]),
        (Kind.MARGIN, "5", None, [0, 5], [0, 5]),
    ],
)
def test_each_kind_compares_its_own_way(kind, measured, against, levels, expected):
    reading = Reading(kind, Decimal(measured), None if against is None else Decimal(against))

    assert crossed([Decimal(level) for level in levels], reading) == expected


EVERYTHING = rule(1)
UNIT = rule(2, unit_id=7)
CLIENT = rule(3, client_id=5)
CLIENT_AND_UNIT = rule(4, client_id=5, unit_id=7)
WORKSPACE = rule(5, workspace_id=6)
WORKSPACE_AND_UNIT = rule(6, workspace_id=6, unit_id=7)
BY_RANK = [EVERYTHING, UNIT, CLIENT, CLIENT_AND_UNIT, WORKSPACE, WORKSPACE_AND_UNIT]


def watching(rules, unit_id=7, kind=Kind.PERCENT):
    return rule_for(rules, kind=kind, client_id=5, workspace_id=6, unit_id=unit_id)


@pytest.mark.parametrize("count", range(1, len(BY_RANK) + 1))
def test_the_most_specific_rule_takes_the_place_of_wider_ones(count):
    assert watching(reversed(BY_RANK[:count])) == BY_RANK[count - 1]


def test_rules_of_others_do_not_fit():
    others = [rule(9, client_id=1), rule(8, workspace_id=1), rule(7, unit_id=1)]

    assert watching(others) is None
    assert watching([*others, EVERYTHING]) == EVERYTHING
    assert watching(BY_RANK, unit_id=8) == WORKSPACE


def test_of_equals_the_latest_counts():
    assert watching([EVERYTHING, rule(11)]).id == 11


def test_kinds_do_not_take_each_others_place():
    spike = rule(12, Kind.SPIKE, [300], workspace_id=6)

    assert watching([EVERYTHING, spike]) == EVERYTHING
    assert watching([EVERYTHING, spike], kind=Kind.SPIKE) == spike


def test_money_is_watched_of_a_workspace_and_beside_it_of_a_unit():
    whole, one = rule(13, Kind.MONEY, [500]), rule(14, Kind.MONEY, [100], unit_id=7)

    assert watching([whole, one], unit_id=None, kind=Kind.MONEY) == whole
    assert watching([whole, one], unit_id=7, kind=Kind.MONEY) == one
    assert watching([whole, one], unit_id=8, kind=Kind.MONEY) is None


BOTH, CLIENT_ALONE, AGENCY_ALONE, NOBODY = (True, True), (True, False), (False, True), (False,) * 2
OWN = rule(20, levels=[50], client_id=5, is_clients=True)


@pytest.mark.parametrize(
    ("own", "told", "expected"),
    [
        (False, BOTH, [(1, True, True)]),
        (False, NOBODY, [(1, False, False)]),
        (True, BOTH, [(1, False, True), (20, True, False)]),
        (True, AGENCY_ALONE, [(1, False, True), (20, True, False)]),
        (True, CLIENT_ALONE, [(20, True, False)]),
        (True, NOBODY, [(1, False, False), (20, True, False)]),
    ],
)
def test_a_clients_own_rule_alone_tells_the_client(own, told, expected):
    found = watches(
        [EVERYTHING, *([OWN] if own else [])],
        kind=Kind.PERCENT,
        client_id=5,
        workspace_id=6,
        unit_id=7,
        tells={1: told, 20: BOTH},
    )

    assert [(watch.rule.id, watch.tells_client, watch.tells_agency) for watch in found] == expected


def test_a_client_is_never_told_of_margin():
    rules = [rule(1, Kind.MARGIN, [0]), rule(2, Kind.MARGIN, [0], client_id=5, is_clients=True)]
    found = watches(
        rules,
        kind=Kind.MARGIN,
        client_id=5,
        workspace_id=6,
        unit_id=7,
        tells={1: BOTH, 2: CLIENT_ALONE},
    )

    assert [(watch.rule.id, watch.tells_client, watch.tells_agency) for watch in found] == [
        (1, False, True)
    ]


@pytest.mark.parametrize(
    ("kind", "levels"),
    [
        (Kind.PERCENT, [0]),
        (Kind.PERCENT, [1001]),
        (Kind.PERCENT, [80, 80]),
        (Kind.PERCENT, [100, 80]),
        (Kind.PERCENT, ["eighty"]),
        (Kind.PERCENT, [True]),
        (Kind.PERCENT, ["80.5"]),
        (Kind.PERCENT, [80.5]),
        (Kind.PERCENT, ["NaN"]),
        (Kind.UNITS, [0]),
        (Kind.UNITS, ["0.0000001"]),
        (Kind.MONEY, ["-5"]),
        (Kind.SPIKE, [100]),
        (Kind.FORECAST, ["1.5"]),
        (Kind.OVERAGE, [0]),
        (Kind.MARGIN, [101]),
        (Kind.PERCENT, list(range(1, 22))),
    ],
)
def test_levels_that_are_none(kind, levels):
    with pytest.raises(ValueError, match=r"."):
        read_levels(kind, levels)


@pytest.mark.parametrize(
    ("kind", "levels"),
    [
        (Kind.PERCENT, []),
        (Kind.PERCENT, [80]),
        (Kind.PERCENT, ["1", "50", 100, Decimal(1000)]),
        (Kind.UNITS, ["0.5", "5000"]),
        (Kind.MONEY, ["0.01", "250.5"]),
        (Kind.FORECAST, [0, 3]),
        (Kind.SPIKE, [101, 300]),
        (Kind.OVERAGE, [2]),
        (Kind.MARGIN, ["0", "2.5"]),
    ],
)
def test_levels_that_are_fine(kind, levels):
    assert read_levels(kind, levels) == [Decimal(level) for level in levels]
