"""One event a call, one after the other, beside one row inserted and committed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Final

from tests.bench.event_floor import one_row_writer
from tests.bench.figures import Figure, percentile
from tests.bench.server import Caller, serving
from tests.bench.traffic import event, lines, midnight

CALLS: Final = 500
SHARES: Final = {"p50": 0.50, "p95": 0.95, "p99": 0.99}


def run(scale: float) -> list[Figure]:
    calls = max(20, round(CALLS * scale))
    (line,) = lines(1)
    newest = midnight()
    with serving() as port:
        caller = Caller(port, line.key)

        def send(number: int) -> None:
            body = json.dumps(event("single", number, newest)).encode()
            caller.post("/api/v1/events", body)

        _milliseconds(send, 20)  # both processes have met the key, the price list and the database
        floor = _milliseconds(one_row_writer(), calls)
        taken = _milliseconds(lambda number: send(100 + number), calls)
    return [
        Figure(f"one event, {name}", percentile(taken, share), "ms", percentile(floor, share))
        for name, share in SHARES.items()
    ]


def _milliseconds(act: Callable[[int], None], times: int) -> list[float]:
    taken = []
    for number in range(times):
        started = time.perf_counter()
        act(number)
        taken.append(1000 * (time.perf_counter() - started))
    return taken
