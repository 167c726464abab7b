"""`manage.py ingest FILE --workspace SLUG`: events from a file, through the service of the API."""

from __future__ import annotations

import argparse
import datetime as dt
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from tqdm import tqdm

from clients.event_files import KINDS, HeaderError, Kind, Line, kind_of, read_lines
from clients.models import Workspace
from clients.services.measuring import measure_events
from clients.services.recording import EventsRefused, Recorded, SubmittedEvent, record_events
from clients.submission import Problem

CHUNK: Final = 1_000
SHOWN: Final = 20


class Command(BaseCommand):
    help = "Records the events of a file: JSON lines, or CSV with one column per field."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.epilog = (
            "The whole file is checked first; unless every line is good nothing of it is stored.\n"
            "Then it is stored in parts. Running it again is harmless: events are unique by id.\n\n"
            "Exit status: 0 when all lines (with --skip-bad: all good lines) are stored, else 1."
        )
        parser.add_argument("file", help="Path of the file, or - for standard input.")
        parser.add_argument("--workspace", required=True, metavar="SLUG")
        parser.add_argument("--skip-bad", action="store_true", help="Store the good lines.")
        parser.add_argument("--format", choices=KINDS, help="Else by the file's name or beginning.")

    def handle(self, *, file: str, workspace: str, skip_bad: bool, **options: Any) -> None:
        target = _workspace(workspace)
        with _opened(file) as stream:
            kind = options["format"] or kind_of(file, _beginning(stream))
            ingestion = Ingestion(stream, kind, target, now=timezone.now(), report=self._bad_line)
            total, bad = ingestion.check()
            if bad and not skip_bad:
                raise CommandError(
                    f"{_count(len(bad), 'bad line')} of {total:,}; nothing was stored. "
                    "Correct the file, or store the good lines with --skip-bad."
                )
            recorded = ingestion.store(bad)
        self._summary(recorded, skipped=len(bad), workspace=target)

    def _bad_line(self, number: int, problems: list[Problem], shown_before: int) -> None:
        with tqdm.external_write_mode():
            if shown_before < SHOWN:
                for field, message in problems:
                    where = f"{field}: " if field else ""
                    self.stderr.write(f"line {number}: {where}{message}")
            elif shown_before == SHOWN:
                self.stderr.write("Further bad lines are only counted.")

    def _summary(self, recorded: Recorded, *, skipped: int, workspace: Workspace) -> None:
        self.stdout.write(
            f"{workspace}: {_count(recorded.accepted, 'event')} accepted, "
            f"{_count(recorded.duplicates, 'duplicate')}, "
            f"{_count(len(recorded.conflicts), 'conflict')}, "
            f"{_count(skipped, 'bad line')} skipped."
        )
        if recorded.conflicts:
            named = ", ".join(recorded.conflicts[:SHOWN])
            more = len(recorded.conflicts) - SHOWN
            rest = f" and {more:,} more" if more > 0 else ""
            self.stdout.write(f"Stored before with another body, which stands: {named}{rest}.")


class Ingestion:
    """Two passes over a file: one that checks all of it, one that stores it in parts."""

    def __init__(
        self, stream: IO[bytes], kind: Kind, workspace: Workspace, *, now: dt.datetime, report: Any
    ) -> None:
        self._stream = stream
        self._kind = kind
        self._workspace = workspace
        self._now = now
        self._report = report
        self._reported = 0

    def check(self) -> tuple[int, set[int]]:
        """Read, measure and price everything, writing nothing: lines seen, numbers of bad ones.

        Raises CommandError for a CSV whose header cannot be read.
        """
        total, bad = 0, set[int]()
        for lines in self._chunks("Checking"):
            total += len(lines)
            for number, problems in sorted(self._problems(lines).items()):
                bad.add(number)
                self._report(number, problems, self._reported)
                self._reported += 1
        return total, bad

    def store(self, skipped: set[int]) -> Recorded:
        """Record the lines that are not ``skipped``. Raises CommandError if one is refused now."""
        accepted = duplicates = 0
        conflicts: list[str] = []
        for lines in self._chunks("Storing"):
            good = [line for line in lines if line.number not in skipped]
            try:
                recorded = record_events(
                    workspace=self._workspace, events=_events(good), now=self._now
                )
            except EventsRefused as refused:
                index, field, message = refused.errors[0]
                raise CommandError(
                    f"line {good[index].number}: {field}: {message} It was good when the file was "
                    f"checked. {_count(accepted, 'event')} before it stored; running this "
                    "again is harmless."
                ) from None
            accepted += recorded.accepted
            duplicates += recorded.duplicates
            conflicts += recorded.conflicts
        return Recorded(accepted, duplicates, list(dict.fromkeys(conflicts)))

    def _problems(self, lines: list[Line]) -> dict[int, list[Problem]]:
        problems = {line.number: [line.problem] for line in lines if line.problem is not None}
        readable = [line for line in lines if line.event is not None]
        try:
            measure_events(workspace=self._workspace, events=_events(readable), now=self._now)
        except EventsRefused as refused:
            for index, field, message in refused.errors:
                problems.setdefault(readable[index].number, []).append((field, message))
        return problems

    def _chunks(self, title: str) -> Iterator[list[Line]]:
        """The file's lines in parts, with a progress bar on a terminal."""
        size = self._stream.seek(0, 2)
        self._stream.seek(0)
        with tqdm(total=size, desc=title, unit="B", unit_scale=True, disable=None) as bar:
            lines = read_lines(self._stream, self._kind)
            try:
                while chunk := list(islice(lines, CHUNK)):
                    yield chunk
                    bar.update(self._stream.tell() - bar.n)
            except HeaderError as error:
                raise CommandError(f"line 1: {error}") from None


def _events(lines: list[Line]) -> list[SubmittedEvent]:
    return [line.event for line in lines if line.event is not None]


def _workspace(slug: str) -> Workspace:
    try:
        return Workspace.objects.select_related("client", "agency").get(slug=slug)
    except Workspace.DoesNotExist:
        raise CommandError(f"There is no workspace “{slug}”.") from None


@contextmanager
def _opened(name: str) -> Iterator[IO[bytes]]:
    """The file, or a copy of standard input: it is read twice."""
    if name == "-":
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy)
            yield copy
        return
    try:
        stream = Path(name).open("rb")  # noqa: SIM115 - opened apart, so that only that is caught
    except OSError as error:
        raise CommandError(f"{name}: {error.strerror}.") from None
    with stream:
        yield stream


def _beginning(stream: IO[bytes]) -> bytes:
    stream.seek(0)
    return stream.read(4096)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
