"""`manage.py serve`: web, worker and scheduler on one machine, until interrupted."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from agencyportal.core.migrating import bring_up_to_date
from agencyportal.core.terminal import progress_bar
from agencyportal.entrance import first_run
from agencyportal.serving.programs import portal_programs
from agencyportal.serving.supervisor import Supervisor

LOOPBACK = "127.0.0.1"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - only where ALLOWED_HOSTS names more than this machine


class Command(BaseCommand):
    help = (
        "Brings the database up to date, then runs web, worker and scheduler together on PORT "
        "until interrupted. For one machine; larger deployments run each by itself."
    )
    # What `manage.py demo` wants said once the portal answers: lines of text.
    stealth_options = ("greeting",)

    def handle(self, *args: Any, **options: Any) -> None:
        port = settings.PORT
        host = LOOPBACK if settings.ENVIRONMENT.embedded else EVERYWHERE
        refuse_taken_port(host, port)
        self._print("portal", "Bringing the database up to date")
        with progress_bar("Database") as progress:
            bring_up_to_date(progress=progress)
        self._print("portal", f"Starting web, worker and scheduler on port {port}")
        Supervisor(
            portal_programs(host=host, port=port),
            say=self._print,
            ready=lambda: answers(port),
            on_ready=lambda: self._greet(options.get("greeting") or ()),
        ).run()
        self._print("portal", "Stopped")

    def _print(self, name: str, line: str) -> None:
        self.stdout.write(f"{name:<9} | {line}")
        self.stdout.flush()

    def _greet(self, greeting: Sequence[str]) -> None:
        lines = ["", f"Agency Portal is at {settings.PORTAL_BASE_URL}", *greeting]
        if first_run.is_due():
            lines += ["Nobody can sign in yet. Begin here:", f"  {first_run.address()}"]
        lines += [f"State lies in {settings.PORTAL_DATA_DIR}. Ctrl-C stops everything.", ""]
        self.stdout.write("\n".join(lines))
        self.stdout.flush()


def refuse_taken_port(host: str, port: int) -> None:
    """Raise CommandError where another program listens: ours would try again and again."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(
                f"PORT {port} cannot be used: {error.strerror}. "
                f"Stop what listens there, or name another, as in PORT={port + 1}."
            ) from error


def answers(port: int) -> bool:
    """Whether the web program answers on this machine."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
