"""Which benches there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Bench:
    """``module`` has a ``run(scale) -> list[Figure]``; it is imported once Django is set up."""

    module: str
    about: str


BENCHES: Final = {
    "ingestion": Bench(
        "tests.bench.ingestion", "batches of events over HTTP, by the clock and by processor time"
    ),
    "latency": Bench("tests.bench.latency", "one event a call: p50, p95, p99"),
    "reservations": Bench("tests.bench.reservations", "reserve and commit, hot and spread"),
    "growth": Bench("tests.bench.growth", "at a million events beside ten thousand (--scale 10)"),
    "closing": Bench(
        "tests.bench.closing", "close, draft and issue a month of 10,000 subscriptions"
    ),
    "documents": Bench(
        "tests.bench.documents", "a page beside bare WeasyPrint, 500 lines, 1,000 by two processes"
    ),
}
