"""`manage.py serve` brings the whole portal up on one port, and down again without a trace."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from tests.serving.processes import descendants, lives, wait_for

# Each wait ends as soon as the thing is there; on a busy machine that may be late.
PATIENCE = 900
# What the suite's own settings say, and the embedded default does not.
NOT_EMBEDDED = {"DATABASE_URL", "CELERY_BROKER_URL", "DJANGO_SETTINGS_MODULE", "STRIPE_SECRET_KEY"}
ROOT = Path(__file__).resolve().parent.parent.parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def status(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[tuple[subprocess.Popen, int, Path]]:
    """An empty portal on the embedded default."""
    port, log = free_port(), tmp_path / "log"
    environment = {
        name: value for name, value in os.environ.items() if name not in NOT_EMBEDDED
    } | {"PORT": str(port), "PORTAL_DATA_DIR": str(tmp_path / "state")}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "serve"],
            cwd=ROOT,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    yield process, port, log
    process.kill()
    process.wait()
    sys.stdout.write(log.read_text())  # what all of them said; shown when the test fails


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_it_serves_with_worker_and_scheduler_and_leaves_nobody_behind(portal) -> None:
    process, port, log = portal

    def told(text: str) -> bool:
        return text in log.read_text()

    def tells(text: str) -> bool:
        """Whether `text` is told in time, by a portal that runs."""
        wait_for(lambda: told(text) or process.poll() is not None, seconds=PATIENCE)
        return told(text)

    assert tells("/setup/?token=")
    assert status(port, "/healthz") == 200
    assert status(port, "/readyz") == 200
    assert status(port, "/setup/") == 200
    # The scheduler has sent a task, and the worker has done it.
    assert tells("succeeded")
    family = descendants(process.pid)
    assert told("portal    | Bringing the database up to date")
    assert len(family) >= 5  # web with its two, worker with its one, scheduler

    process.send_signal(signal.SIGTERM)

    assert process.wait(timeout=PATIENCE) == 0
    assert told("portal    | Stopped")
    assert not [pid for pid in family if lives(pid)]
    assert status(port, "/healthz") == 0


def test_a_port_that_is_taken_is_named_before_anything_starts(settings) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        settings.PORT = other.getsockname()[1]

        with pytest.raises(CommandError, match=f"PORT {settings.PORT} cannot be used"):
            call_command("serve")
