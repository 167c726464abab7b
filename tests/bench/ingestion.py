"""Batches over HTTP, everything included, beside the database writing the same rows alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Final

from django.db import connection
from tqdm import tqdm

from clients.models import UsageEvent
from tests.bench.event_floor import Floor
from tests.bench.figures import Figure, Stopwatch
from tests.bench.processors import timed_elsewhere
from tests.bench.server import Caller, serving
from tests.bench.traffic import Line, body, lines

CONNECTIONS: Final = 4
ROUNDS: Final = 6
SIZES: Final = {1_000: 24, 100: 120}
"""Events a batch, and batches a round."""

TARGETS: Final = {1_000: "0.6 of the floor", 100: "0.45 of the floor"}


def run(scale: float) -> list[Figure]:
    callers = lines(CONNECTIONS)
    figures = []
    with serving() as port:
        _warm_up(port, callers)
        for size, batches in SIZES.items():
            count = max(CONNECTIONS, round(batches * scale))
            figures += _measure(port, callers, size, count)
    return figures


def _warm_up(port: int, callers: list[Line]) -> None:
    for name in ("first", "second", "third"):
        for number, caller in enumerate(callers):
            Caller(port, caller.key).post("/api/v1/events", body(f"{name}-{number}", 0, 50))


def _measure(port: int, callers: list[Line], size: int, batches: int) -> list[Figure]:
    """Rounds over HTTP and rounds of the floor by turns, so that both have the same machine.

    By the clock, and by processor time, of servers and database beside the writers' and the
    database's: other work on the machine hardly matters to that."""
    spent, floor_spent = Stopwatch(), Stopwatch()
    with Floor(size) as floor:
        for turn in tqdm(range(ROUNDS), desc=f"Batches of {size:,}", leave=False, disable=None):
            floor_spent.add(floor.measure(turn, batches))
            spent.add(_spent(port, callers, f"{size}-{turn}", size, batches))
    events = ROUNDS * batches * size
    _require_stored(size, events)
    name = f"batches of {size:,} over HTTP, {CONNECTIONS} connections"
    return [
        Figure(name, events / spent.wall, "events/s", events / floor_spent.wall, TARGETS[size]),
        Figure(
            f"{name}, by processor time",
            events / spent.cpu,
            "events/s CPU",
            events / floor_spent.cpu,
            TARGETS[size],
        ),
    ]


def _spent(port: int, callers: list[Line], name: str, size: int, batches: int) -> Stopwatch:
    """What it takes to send so many batches over all connections at once."""
    work = [
        [body(f"http-{name}", n * size, size) for n in range(start, batches, len(callers))]
        for start in range(len(callers))
    ]

    def send(line: Line, bodies: list[bytes]) -> None:
        caller = Caller(port, line.key)
        for one in bodies:
            caller.post("/api/v1/events", one)

    with ThreadPoolExecutor(len(callers)) as pool, timed_elsewhere() as watch:
        list(pool.map(send, callers, work))
    return watch


def _require_stored(size: int, events: int) -> None:
    stored = UsageEvent.objects.filter(external_id__startswith=f"http-{size}-").count()
    floor = UsageEvent.objects.filter(external_id__startswith=f"floor-{size}-").count()
    if (stored, floor) != (events, events):
        raise RuntimeError(f"{stored} and {floor} events were stored, not {events}.")
    connection.close()
