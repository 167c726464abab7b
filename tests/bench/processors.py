"""Processor time of others: of the processes that this one started, and of the database's."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from django.db import connection

from tests.bench.figures import Stopwatch

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PARENT, _USER, _SYSTEM = 1, 11, 12
"""Places in /proc/PID/stat after the name."""


@contextmanager
def timed_elsewhere() -> Iterator[Stopwatch]:
    """As `timed`, with the processor time of all processes beneath this one and of the database's,
    where it is PostgreSQL on this machine. To a hundredth of a second a process."""
    watch = Stopwatch()
    before, wall = _ticks(), time.perf_counter()
    yield watch
    watch.wall = time.perf_counter() - wall
    # One by one: connections that a server replaces end, and take what they had with them.
    spent = (ticks - before.get(pid, 0) for pid, ticks in _ticks().items())
    watch.cpu = sum(spent) / _TICKS


def _ticks() -> dict[int, int]:
    """By process, what it has taken so far."""
    stats = {int(path.name): _stat(path) for path in Path("/proc").glob("[0-9]*")}
    wanted = _beneath(os.getpid(), stats) | _backends()
    found = {pid: stats[pid] for pid in wanted if stats.get(pid)}
    return {pid: int(stat[_USER]) + int(stat[_SYSTEM]) for pid, stat in found.items()}


def _stat(path: Path) -> list[str]:
    try:
        return (path / "stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has ended meanwhile
        return []


def _beneath(pid: int, stats: dict[int, list[str]]) -> set[int]:
    children = {child for child, stat in stats.items() if stat and int(stat[_PARENT]) == pid}
    return children.union(*(_beneath(child, stats) for child in children))


def _backends() -> set[int]:
    if connection.vendor != "postgresql":
        return set()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
        return {pid for (pid,) in cursor.fetchall()}
