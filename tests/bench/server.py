"""The portal under gunicorn, as it runs in production, and connections to it."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

PROCESSES: Final = 2
THREADS: Final = 4
START_SECONDS: Final = 60


@contextmanager
def serving() -> Iterator[int]:
    """Gunicorn with two processes of threads, in this process's environment; yields its port."""
    port = _free_port()
    command = [sys.executable, "-m", "gunicorn", "agencyportal.wsgi"]
    command += ["--bind", f"127.0.0.1:{port}", "--workers", str(PROCESSES)]
    command += ["--threads", str(THREADS), "--worker-class", "gthread", "--preload"]
    command += ["--keep-alive", "30", "--log-level", "warning"]
    process = subprocess.Popen(command, stdout=sys.stderr)
    try:
        _wait_until_ready(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"gunicorn ended with {process.returncode}.")
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"gunicorn did not answer within {START_SECONDS} seconds.")


class Caller:
    """One connection that stays open, with the key of a workspace, or with others' as well."""

    def __init__(self, port: int, key: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def post(self, path: str, body: bytes, *, expect: int = 200, key: str = "") -> Any:
        """The answer; with another ``key`` for once. Raises RuntimeError for any other status: a
        bench of refusals is quick."""
        headers = self._headers | ({"Authorization": f"Bearer {key}"} if key else {})
        self._connection.request("POST", path, body, headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status != expect:
            raise RuntimeError(f"{path} answered {answer.status}: {text[:500]!r}")
        return json.loads(text)
