"""Processes of threads that do one thing over and over when they are told, as servers do."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

from tests.bench.figures import Stopwatch
from tests.bench.processors import timed_elsewhere

Act = Callable[[int], None]
"""Does it once more, the how manieth time of all."""


class Crew:
    """``make(argument)`` is called once in each thread, and returns what that thread does."""

    def __init__(
        self, make: Callable[[Any], Act], argument: Any, *, processes: int, threads: int
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes = []
        for _ in range(processes):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, make, argument, threads))
            process.start()
            self._pipes.append(ours)
            self._processes.append(process)
        for pipe in self._pipes:
            pipe.recv()

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for pipe in self._pipes:
            pipe.send(None)
        for process in self._processes:
            process.join(30)

    def measure(self, first: int, times: int) -> Stopwatch:
        """What doing it for the numbers from ``first`` on takes all of them together."""
        with timed_elsewhere() as watch:
            for place, pipe in enumerate(self._pipes):
                pipe.send(range(first + place, first + times, len(self._pipes)))
            for pipe in self._pipes:
                pipe.recv()
        return watch


def _serve(pipe: Connection, make: Callable[[Any], Act], argument: Any, threads: int) -> None:
    with ThreadPoolExecutor(threads) as pool:
        acts = list(pool.map(make, [argument] * threads))
        pipe.send("ready")
        while (numbers := pipe.recv()) is not None:
            shares = [numbers[place::threads] for place in range(threads)]
            list(pool.map(_do, acts, shares))
            pipe.send("done")


def _do(act: Act, numbers: range) -> None:
    for number in numbers:
        act(number)
