"""Reserve and commit over HTTP, on one hot workspace and over a hundred."""

from __future__ import annotations

import datetime as dt
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from django.db import connection, transaction

from billing.services.plans import import_plan
from billing.services.subscriptions import activate
from clients.models import Agency, UsageWindow
from clients.services.keys import create_key
from tests.bench import cast
from tests.bench.closing import PLAN
from tests.bench.figures import Figure, timed
from tests.bench.server import Caller, serving
from tests.bench.traffic import UNIT, Line, midnight

CONNECTIONS: Final = 8
PAIRS: Final = 800
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
    with serving() as port:
        _work(port, lines[:1], CONNECTIONS)
        return [
            _figure(port, lines[:1], pairs, "one hot workspace"),
            _figure(port, lines, pairs, f"{MANY} workspaces"),
        ]


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


def _figure(port: int, lines: list[Line], pairs: int, where: str) -> Figure:
    floor = _floor_seconds(lines, pairs)
    with timed() as watch:
        _work(port, lines, pairs)
    return Figure(f"reserve and commit, {where}", pairs / watch.wall, "pairs/s", pairs / floor)


def _work(port: int, lines: list[Line], pairs: int) -> None:
    def worker(first: int) -> None:
        callers: dict[int, Caller] = {}
        for number in range(first, pairs, CONNECTIONS):
            place = number % len(lines)
            caller = callers.setdefault(place, Caller(port, lines[place].key))
            ask = json.dumps({"unit": UNIT, "quantity": "2"}).encode()
            held = caller.post("/api/v1/reservations", ask, expect=201)
            used = json.dumps({"id": f"call-{held['id']}", "quantity": "1"}).encode()
            caller.post(f"/api/v1/reservations/{held['id']}/commit", used)

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(worker, range(CONNECTIONS)))


def _floor_seconds(lines: list[Line], pairs: int) -> float:
    """Two transactions a pair, each one UPDATE of the balance row, over one connection."""
    ids = [
        pk
        for line in lines
        for pk in UsageWindow.objects.filter(workspace=line.workspace).values_list("pk")[:1]
    ]
    with timed() as watch:
        for number in range(pairs):
            for change in ("+", "-"):
                with transaction.atomic(), connection.cursor() as cursor:
                    cursor.execute(
                        "UPDATE clients_usagewindow "  # noqa: S608 - one of two signs
                        f"SET reserved = reserved {change} 1 WHERE id = %s",
                        ids[number % len(ids)],
                    )
    return watch.wall
