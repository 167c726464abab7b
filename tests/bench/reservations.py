"""Reserve and commit, on one hot workspace and over a hundred: over HTTP, and by services alone."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from django.db import connection

from billing.models import Reservation
from billing.services.plans import import_plan
from billing.services.subscriptions import activate
from clients.models import Agency
from clients.services.keys import create_key
from tests.bench import cast, pair_floor, service_pairs
from tests.bench.closing import PLAN
from tests.bench.crew import Crew
from tests.bench.figures import Figure, Stopwatch
from tests.bench.processors import timed_elsewhere
from tests.bench.server import PROCESSES, THREADS, Caller, serving
from tests.bench.traffic import UNIT, Line, midnight

CONNECTIONS: Final = PROCESSES * THREADS
ROUNDS: Final = 4
PAIRS: Final = 400
"""A round."""

MANY: Final = 100

_ALLOWANCE: Final[dict[str, Any]] = {
    "unit": UNIT,
    "included": "100000000",
    "overage": {"policy": "block"},
}


def run(scale: float) -> list[Figure]:
    pairs = max(CONNECTIONS, round(PAIRS * scale))
    agency = cast.agency()
    cast.unit(agency, UNIT)
    lines = _capped(agency, MANY)
    figures = []
    with serving() as port:
        _over_http(port, lines, len(lines))  # each has a pair, and the server has met its key
        for where, of in (("one hot workspace", lines[:1]), (f"{MANY} workspaces", lines)):
            figures += _measure(port, of, pairs, where)
    if Reservation.objects.open().exists():
        raise RuntimeError("Some reservations were not committed.")
    return figures


def _capped(agency: Agency, count: int) -> list[Line]:
    """Workspaces whose package blocks past its allowance, so that every reservation is checked."""
    start = midnight() - dt.timedelta(days=3)
    plan = PLAN | {"allowances": [_ALLOWANCE]}
    version = import_plan(agency=agency, document=plan, now=start)
    made = []
    for number in range(count):
        workspace = cast.workspace(agency, number)
        activate(workspace=workspace, plan_version=version, start=start, now=start)
        _, key = create_key(workspace=workspace, name="bench", scopes=["reserve"], now=start)
        made.append(Line(workspace, key))
    return made


def _measure(port: int, lines: list[Line], pairs: int, where: str) -> list[Figure]:
    """Rounds of each way and of the floor by turns, so that all have the same machine."""
    ids = [line.workspace.pk for line in lines]
    # One writer at a time is what SQLite has.
    writers = PROCESSES if connection.vendor == "postgresql" else 1
    many = {"processes": writers, "threads": THREADS if writers > 1 else 1}
    crew = {"processes": PROCESSES, "threads": THREADS}
    with (
        Crew(pair_floor.make_pair, pair_floor.sample(ids), **many) as floor,
        Crew(service_pairs.make_pair, ids, **crew) as services,
    ):
        ways: dict[str, Callable[[int], Stopwatch]] = {
            "the floor": lambda first: floor.measure(first, pairs),
            "by services alone": lambda first: services.measure(first, pairs),
            "over HTTP": lambda _first: _over_http(port, lines, pairs),
        }
        spent = {way: Stopwatch() for way in ways}
        for measure in ways.values():
            measure(0)  # every connection has prepared its statements
        for turn in range(ROUNDS):
            for way, measure in ways.items():
                spent[way].add(measure(turn * pairs))
    total, least = ROUNDS * pairs, spent.pop("the floor")
    figures = []
    for way, watch in spent.items():
        name = f"reserve and commit, {where}, {way}"
        figures += [
            Figure(name, total / watch.wall, "pairs/s", total / least.wall),
            Figure(
                "by processor time",
                1000 * watch.cpu / total,
                "ms CPU a pair",
                1000 * least.cpu / total,
            ),
        ]
    return figures


def _over_http(port: int, lines: list[Line], pairs: int) -> Stopwatch:
    def worker(first: int) -> None:
        caller = Caller(port, lines[0].key)
        for number in range(first, pairs, CONNECTIONS):
            key = lines[number % len(lines)].key
            ask = json.dumps({"unit": UNIT, "quantity": "2"}).encode()
            held = caller.post("/api/v1/reservations", ask, expect=201, key=key)
            used = json.dumps({"id": f"call-{held['id']}", "quantity": "1"}).encode()
            caller.post(f"/api/v1/reservations/{held['id']}/commit", used, key=key)

    with ThreadPoolExecutor(CONNECTIONS) as pool, timed_elsewhere() as watch:
        list(pool.map(worker, range(CONNECTIONS)))
    return watch
