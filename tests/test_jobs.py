"""Jobs: the schedule is in code, a worker runs what is sent, each message is taken once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty

import pytest
from django.conf import settings as django_settings
from kombu import Connection, Queue
from pytest_django import Settings

from agencyportal.celery import app
from agencyportal.core.tasks import tidy_embedded_broker
from agencyportal.schedule import SCHEDULE
from tests.probe_tasks import write_line

ROOT = Path(__file__).resolve().parent.parent


def until(condition: Callable[[], bool], *, seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


@pytest.mark.django_db  # dj-stripe checks its endpoints when tasks are looked for
@pytest.mark.parametrize("name", sorted(SCHEDULE))
def test_what_is_scheduled_exists(name: str) -> None:
    app.loader.import_default_modules()

    assert SCHEDULE[name]["task"] in app.tasks


def test_the_scheduler_keeps_no_file_that_a_second_one_would_corrupt() -> None:
    assert app.conf.beat_schedule == SCHEDULE
    assert app.conf.beat_scheduler == "celery.beat:Scheduler"


@pytest.fixture
def not_eager() -> Iterator[None]:
    """Tasks go to the broker, as they do outside the suite."""
    app.conf.task_always_eager = False
    yield
    app.conf.task_always_eager = True


def test_two_workers_run_each_task_once_over_the_configured_broker(
    not_eager: None, tmp_path: Path
) -> None:
    """On the embedded broker, or on the one that CELERY_BROKER_URL names."""
    queue = f"tests-{uuid.uuid4().hex}"
    lines = tmp_path / "lines.txt"
    lines.touch()

    workers = [start_worker(queue, tmp_path / f"worker-{number}.log") for number in (1, 2)]
    try:
        for number in range(20):
            write_line.apply_async((str(lines), number), queue=queue)
        done = until(lambda: len(lines.read_text().splitlines()) >= 20, seconds=60)
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait(timeout=30)
        with app.connection_for_write() as connection:
            Queue(queue)(connection).delete()

    assert done, "".join(path.read_text() for path in tmp_path.glob("*.log"))
    assert sorted(int(line.split()[0]) for line in lines.read_text().splitlines()) == list(
        range(20)
    )


def start_worker(queue: str, log: Path) -> subprocess.Popen[bytes]:
    """A worker of its own process, with the environment that this process has."""
    command = (
        *(sys.executable, "-m", "celery", "--app", "agencyportal", "worker"),
        *("--include", "tests.probe_tasks", "--queues", queue, "--hostname", f"{log.stem}@%h"),
        *("--pool", "solo", "--loglevel", "INFO", "--without-mingle", "--without-gossip"),
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "agencyportal.settings"}
    with log.open("wb") as output:
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )


def test_each_message_of_the_embedded_broker_is_taken_once(tmp_path: Path) -> None:
    """Several workers on one folder: a rename decides who has the message."""
    for folder in ("queue", "processed", "control"):
        (tmp_path / folder).mkdir()
    options = {
        "data_folder_in": str(tmp_path / "queue"),
        "data_folder_out": str(tmp_path / "queue"),
        "store_processed": True,
        "processed_folder": str(tmp_path / "processed"),
        "control_folder": str(tmp_path / "control"),
    }

    def take_all(_: int) -> list[int]:
        with Connection("filesystem://localhost", transport_options=options) as connection:
            inbox = connection.SimpleQueue("portal")
            taken: list[int] = []
            while True:
                try:
                    message = inbox.get(block=False)
                except Empty:
                    return taken
                taken.append(message.payload)
                message.ack()

    with Connection("filesystem://localhost", transport_options=options) as connection:
        outbox = connection.SimpleQueue("portal")
        for number in range(120):
            outbox.put(number)
    with ThreadPoolExecutor(max_workers=4) as pool:
        taken = [number for part in pool.map(take_all, range(4)) for number in part]

    assert sorted(taken) == list(range(120))


def test_tidying_deletes_messages_taken_long_ago_and_nothing_else(
    settings: Settings, tmp_path: Path
) -> None:
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"processed_folder": str(tmp_path)}
    old, new, other = tmp_path / "old.msg", tmp_path / "new.msg", tmp_path / "notes.txt"
    for path in (old, new, other):
        path.touch()
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(old, (two_days_ago, two_days_ago))
    os.utime(other, (two_days_ago, two_days_ago))

    tidy_embedded_broker()

    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.msg", "notes.txt"]


def test_tidying_leaves_other_brokers_alone(settings: Settings) -> None:
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {}

    tidy_embedded_broker()


def test_the_embedded_brokers_folders_are_on_one_file_system() -> None:
    """Claiming by renaming is atomic only there."""
    options = django_settings.CELERY_BROKER_TRANSPORT_OPTIONS
    if not options:
        pytest.skip("another broker is configured")

    folders = [options[name] for name in ("data_folder_in", "data_folder_out", "processed_folder")]
    assert len({Path(folder).stat().st_dev for folder in folders}) == 1
    assert options["store_processed"] is True
