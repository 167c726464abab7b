"""One program that is kept running: how it is started, read, ended, and when it comes back."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from agencyportal.serving.programs import Program

TETHER = Path(__file__).with_name("tether.py")

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
STEADY_AFTER = 60.0
"""Seconds. A program that ran this long is taken to be well, and the pauses begin anew."""


class Child:
    """A program in a process group of its own, so that a terminal's Ctrl-C reaches only us."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.restart_at: float | None = 0.0
        self._pause = FIRST_PAUSE
        self._started_at = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._unfinished = b""
        self.fell_silent = False
        """Whether the program closed its output: there is nothing more to wait for."""

    @property
    def output(self) -> IO[bytes]:
        if self._process is None or self._process.stdout is None:
            raise RuntimeError(f"{self.program.name} was not started yet.")
        return self._process.stdout

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_status(self) -> int | None:
        return self._process.returncode if self._process else None

    def start(self, *, now: float) -> None:
        """Start the program; `now` and all other times here are of one monotonic clock."""
        self._started_at = now
        self.restart_at = None
        self._unfinished = b""
        self.fell_silent = False
        self._process = subprocess.Popen(  # noqa: S603 - the portal's own programs
            [sys.executable, str(TETHER), str(os.getpid()), *self.program.command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        os.set_blocking(self.output.fileno(), False)

    def plan_restart(self, *, now: float) -> float:
        """Note that the program ended. Returns the seconds until it is started again."""
        if now - self._started_at >= STEADY_AFTER:
            self._pause = FIRST_PAUSE
        pause, self._pause = self._pause, min(self._pause * 2, LONGEST_PAUSE)
        self.restart_at = now + pause
        return pause

    def lines(self) -> Iterator[str]:
        """Whole lines that the program has written since the last call."""
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self.output.fileno(), 65536):
                *whole, self._unfinished = (self._unfinished + chunk).split(b"\n")
                for line in whole:
                    yield line.decode(errors="replace").rstrip()
            self.fell_silent = True

    def last_words(self) -> Iterator[str]:
        """What is left to be read of a program that ended, a last line without an end included."""
        yield from self.lines()
        if self._unfinished:
            yield self._unfinished.decode(errors="replace").rstrip()
            self._unfinished = b""

    def ask_to_end(self) -> None:
        """Ask the program to finish what it is at and end."""
        if self._process and self.running:
            self._process.terminate()

    def sweep(self) -> None:
        """End whatever is left of the program's process group, at once."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        self.output.close()
