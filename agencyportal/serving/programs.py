"""The three programs that make a portal on one machine."""

from __future__ import annotations

import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Program:
    name: str
    command: tuple[str, ...]


def portal_programs(*, host: str, port: int) -> tuple[Program, ...]:
    """Web on `host` and `port`, one worker, one scheduler: each the production one, but small."""
    # Whoever runs the whole portal as root need not be told so by one part of it.
    unwarned = ("-W", "ignore:You're running the worker with superuser")
    celery = (sys.executable, *unwarned, "-m", "celery", "--quiet", "--app", "agencyportal")
    return (
        Program(
            "web",
            (
                *(sys.executable, "-m", "gunicorn", "agencyportal.wsgi"),
                *("--bind", f"{host}:{port}"),
                *("--workers", "2", "--threads", "4"),
                # Loaded once for both, which halves the time until the first page.
                "--preload",
                *("--log-level", "warning"),
                # It would be one for all portals of this person on this machine.
                "--no-control-socket",
            ),
        ),
        Program(
            "worker",
            (
                *(*celery, "worker", "--concurrency", "1", "--loglevel", "INFO"),
                # There is nobody else to talk to.
                *("--without-gossip", "--without-mingle", "--without-heartbeat"),
            ),
        ),
        Program("scheduler", (*celery, "beat", "--pidfile=", "--loglevel", "WARNING")),
    )
