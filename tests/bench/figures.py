"""Figures: what was measured, its floor, and the ratio of the two."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from django.db import connection

from agencyportal.core.terminal import text_table

KIB_PER_MIB = 1024


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of a bench's table. ``target`` says in words what is wanted of it."""

    name: str
    value: float
    unit: str
    floor: float | None = None
    target: str = ""

    @property
    def ratio(self) -> float | None:
        """The figure as a multiple of its floor: below 1 for throughput, above 1 for time."""
        return self.value / self.floor if self.floor else None

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


@dataclass(slots=True)
class Stopwatch:
    """Seconds by the clock, and of this process's processor time."""

    wall: float = 0.0
    cpu: float = 0.0

    def add(self, other: Stopwatch) -> None:
        self.wall += other.wall
        self.cpu += other.cpu


@contextmanager
def timed() -> Iterator[Stopwatch]:
    """Measures the block; the watch is set when the block ends."""
    watch = Stopwatch()
    wall, cpu = time.perf_counter(), time.process_time()
    yield watch
    watch.wall = time.perf_counter() - wall
    watch.cpu = time.process_time() - cpu


def processor_time() -> float:
    """Processor seconds so far of this process and, where it runs on this machine, of our
    connection's process in PostgreSQL."""
    mine = time.process_time()
    if connection.vendor != "postgresql":
        return mine
    connection.ensure_connection()
    status = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat")
    try:
        return mine + int(status.read_text().split()[0]) / 1e9
    except OSError:
        return mine


def peak_mib() -> float:
    """The most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_PER_MIB


def percentile(values: Iterable[float], share: float) -> float:
    """The value that ``share`` of all are not above: 0.5 is the median."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def table(figures: Iterable[Figure]) -> str:
    rows = [
        (
            figure.name,
            _number(figure.value),
            figure.unit,
            "" if figure.floor is None else _number(figure.floor),
            "" if figure.ratio is None else f"{figure.ratio:.2f}",
            figure.target,
        )
        for figure in figures
    ]
    headers = ("figure", "measured", "unit", "floor", "ratio", "target")
    return text_table(headers, rows, right="<><>>")


def _number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"
