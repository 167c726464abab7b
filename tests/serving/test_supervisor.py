"""Programs run together: one that dies comes back, and all end with whoever started them."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agencyportal.serving.child import FIRST_PAUSE, LONGEST_PAUSE, STEADY_AFTER, Child
from agencyportal.serving.programs import Program, portal_programs
from tests.serving.processes import descendants, lives, wait_for

ROOT = Path(__file__).resolve().parent.parent.parent
linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

# A program with a child of its own, as every one of the real ones has.
FAMILY = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
print("ready", flush=True)
time.sleep(120)
"""
STUBBORN = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + FAMILY
FAILING = "import sys; print('no luck'); sys.exit(3)"

SUPERVISE = """
import sys
from agencyportal.serving.programs import Program
from agencyportal.serving.supervisor import Supervisor

sources = dict(argument.split("=", 1) for argument in sys.argv[1:])
Supervisor(
    [Program(name, (sys.executable, "-c", source)) for name, source in sources.items()],
    say=lambda name, line: print(f"{name}|{line}", flush=True),
    ready=lambda: True,
    on_ready=lambda: print("up", flush=True),
    grace=2,
).run()
print("down", flush=True)
"""


class Running:
    """A supervisor in a process of its own, and what it said so far."""

    def __init__(self, log: Path, **sources: str) -> None:
        self.log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SUPERVISE, *(f"{n}={s}" for n, s in sources.items())],
                cwd=ROOT,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def said(self, line: str, times: int = 1) -> bool:
        return self.log.read_text().splitlines().count(line) >= times

    def waits_for(self, line: str, times: int = 1) -> None:
        assert wait_for(lambda: self.said(line, times), seconds=30), self.log.read_text()


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def start(**sources: str) -> Running:
        started.append(Running(tmp_path / "log", **sources))
        return started[-1]

    yield start
    for running in started:
        running.process.kill()
        running.process.wait()


@linux
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everybody(supervise, number: signal.Signals) -> None:
    running = supervise(one=FAMILY, two=FAMILY)
    running.waits_for("one|ready")
    running.waits_for("two|ready")
    family = descendants(running.process.pid)
    assert len(family) == 4

    running.process.send_signal(number)

    assert running.process.wait(timeout=30) == 0
    assert running.said("down")
    assert not [pid for pid in family if lives(pid)]


@linux
def test_who_does_not_end_in_time_is_ended(supervise) -> None:
    running = supervise(mule=STUBBORN)
    running.waits_for("mule|ready")
    family = descendants(running.process.pid)

    running.process.terminate()

    assert running.process.wait(timeout=30) == 0
    assert running.said("mule|did not end in time and is stopped")
    assert not [pid for pid in family if lives(pid)]


@linux
def test_nobody_outlives_a_supervisor_that_was_killed(supervise) -> None:
    running = supervise(one="import time; print('ready', flush=True); time.sleep(120)")
    running.waits_for("one|ready")
    family = descendants(running.process.pid)
    assert family

    running.process.kill()
    running.process.wait()

    assert wait_for(lambda: not any(map(lives, family)), seconds=20)


def test_a_program_that_dies_is_said_and_comes_back_later_each_time(supervise) -> None:
    running = supervise(one=FAILING, two=FAMILY)

    running.waits_for("one|no luck", times=2)
    running.waits_for("one|ended with status 3; starts again in 1 s")
    running.waits_for("one|ended with status 3; starts again in 2 s")
    assert running.said("two|ready")
    assert not running.said("two|ready", times=2)


def test_pauses_grow_to_a_limit_and_begin_anew_after_a_steady_time() -> None:
    child = Child(Program("one", (sys.executable, "-c", "pass")))
    child.start(now=0)
    pauses = [child.plan_restart(now=1) for _ in range(7)]
    after_long = child.plan_restart(now=STEADY_AFTER)
    child.sweep()
    child.close()

    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    assert (pauses[0], pauses[-1], after_long) == (FIRST_PAUSE, LONGEST_PAUSE, FIRST_PAUSE)


def test_web_listens_where_it_is_told() -> None:
    web, worker, scheduler = portal_programs(host="127.0.0.1", port=8123)

    assert "127.0.0.1:8123" in web.command
    assert "worker" in worker.command
    assert "beat" in scheduler.command
