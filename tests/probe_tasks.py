"""A task for a worker of its own, started by `test_jobs`."""

from __future__ import annotations

import os
from pathlib import Path

from celery import shared_task


@shared_task
def write_line(path: str, number: int) -> None:
    """Append the number and the process that ran the task, in one write."""
    with Path(path).open("a") as file:
        file.write(f"{number} {os.getpid()}\n")
