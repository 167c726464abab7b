"""Keeps several programs running together until it is told to stop; then all of them end.

One thread, no shared state: a loop that waits for output, looks who has ended, and starts again
who has waited long enough.
"""

from __future__ import annotations

import contextlib
import selectors
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

from agencyportal.serving.child import Child
from agencyportal.serving.programs import Program

TICK_SECONDS = 0.3
GRACE_SECONDS = 20.0
"""How long a program may take to finish what it is at, once asked to end."""

Say = Callable[[str, str], None]


class Supervisor:
    """Runs `programs`. What they write, and what happens to them, goes to `say(name, line)`.

    `ready` is asked until it first says yes; then `on_ready` is called, once.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        *,
        say: Say,
        ready: Callable[[], bool],
        on_ready: Callable[[], None],
        grace: float = GRACE_SECONDS,
    ) -> None:
        self._children = [Child(program) for program in programs]
        self._say = say
        self._ready = ready
        self._on_ready: Callable[[], None] | None = on_ready
        self._grace = grace
        self._interrupts = 0
        self._selector = selectors.DefaultSelector()

    def run(self) -> None:
        """Run until SIGINT or SIGTERM, which ends all; a second one ends them at once."""
        with self._listening_to_signals():
            try:
                while not self._interrupts:
                    self._start_who_is_due()
                    self._read(TICK_SECONDS)
                    self._notice_who_ended()
                    self._announce()
            finally:
                self._end_all()

    @contextlib.contextmanager
    def _listening_to_signals(self) -> Iterator[None]:
        def interrupt(_signal: int, _frame: FrameType | None) -> None:
            self._interrupts += 1

        before = {
            number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _start_who_is_due(self) -> None:
        now = time.monotonic()
        for child in self._children:
            if child.restart_at is not None and child.restart_at <= now:
                child.start(now=now)
                self._selector.register(child.output, selectors.EVENT_READ, child)

    def _read(self, timeout: float) -> None:
        if not self._selector.get_map():
            time.sleep(timeout)
        for key, _events in self._selector.select(timeout):
            self._tell(key.data, key.data.lines())
            if key.data.fell_silent:
                self._selector.unregister(key.fileobj)

    def _notice_who_ended(self) -> None:
        for child in self._children:
            if child.restart_at is None and not child.running:
                self._part_with(child)
                pause = child.plan_restart(now=time.monotonic())
                self._say(
                    child.program.name,
                    f"ended with status {child.exit_status}; starts again in {pause:g} s",
                )

    def _announce(self) -> None:
        if self._on_ready and self._ready():
            self._on_ready()
            self._on_ready = None

    def _end_all(self) -> None:
        for child in self._children:
            child.ask_to_end()
        deadline = time.monotonic() + self._grace
        while (
            any(child.running for child in self._children)
            and time.monotonic() < deadline
            and self._interrupts < 2
        ):
            self._read(TICK_SECONDS)
        for child in self._children:
            if child.running:
                self._say(child.program.name, "did not end in time and is stopped")
            if child.restart_at is None:
                self._part_with(child)
        self._selector.close()

    def _part_with(self, child: Child) -> None:
        """Leave nothing behind of a program that ended: no process, no words unread."""
        child.sweep()
        if not child.fell_silent:
            self._selector.unregister(child.output)
        self._tell(child, child.last_words())
        child.close()

    def _tell(self, child: Child, lines: Iterator[str]) -> None:
        for line in lines:
            self._say(child.program.name, line)
