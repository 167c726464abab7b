"""``manage.py demo``: the sample agencies' three months, and a real trace among them."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from agencyportal.core.migrating import bring_up_to_date
from agencyportal.demo.cast import AGENCIES, OPERATOR
from agencyportal.demo.report import story_lines
from agencyportal.demo.trace import Trace, TraceError, read_trace

Progress = Callable[[int, int], None]


class Command(BaseCommand):
    help = (
        "Makes the sample agencies northwind and harbor: their people, clients and packages, three "
        "months of usage, invoices, payments and payouts, and the month in progress; then serves "
        "the portal until interrupted. Run again, or after an interruption, it adds only what is "
        "missing. With --trace, a CSV of model calls (TIMESTAMP,ContextTokens,GeneratedTokens) "
        "becomes the finished month of a client's pilot: recorded, closed, invoiced, paid, and "
        "paid out to the agency."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--no-serve", action="store_true", help="Make the data and stop.")
        parser.add_argument("--trace", type=Path, metavar="FILE", help="The CSV to replay.")

    def handle(self, *args: Any, **options: Any) -> None:
        # Heavy imports (WeasyPrint and its fonts) wait until the arguments are known to be good.
        trace = _read(options["trace"]) if options["trace"] else None
        from agencyportal.demo.delivery import deliver
        from agencyportal.demo.replay import story_of
        from agencyportal.demo.telling import tell

        with _meter("Database") as progress:
            bring_up_to_date(progress=progress)
        with _meter("Sample data") as progress:
            try:
                stage = tell(now=timezone.now(), trace=trace, progress=progress)
            except TraceError as error:
                raise CommandError(f"{options['trace']}: {error}") from error
        sign_ins = list(_sign_ins(stage.keys))
        if not options["no_serve"]:
            # Documents and mail are the worker's.
            call_command("serve", greeting=sign_ins)
            return
        with _meter("Documents") as progress:
            deliver(now=timezone.now(), progress=progress)
        lines = [*story_lines(story_of(trace), trace), *sign_ins] if trace else sign_ins
        self.stdout.write("\n".join(lines))


def _sign_ins(keys: dict[str, str]) -> Iterator[str]:
    yield "\nPeople (password: DEMO_PASSWORD, by default demo-portal)"
    yield f"  {OPERATOR.email:<32} operator of the platform"
    for agency in AGENCIES:
        for person in agency.people:
            yield f"  {person.email:<32} {person.role} of {agency.slug}"
        for client in agency.clients:
            for person in client.people:
                yield f"  {person.email:<32} {person.role} of client {client.slug}"
    if keys:
        yield "\nWorkspace keys (shown this once)"
        for slug, key in sorted(keys.items()):
            yield f"  {slug:<32} {key}"


def _read(path: Path) -> Trace:
    try:
        return read_trace(path.read_bytes())
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}.") from error
    except TraceError as error:
        raise CommandError(f"{path}: {error}") from error


@contextmanager
def _meter(name: str) -> Iterator[Progress]:
    with tqdm(desc=name, unit=" steps", disable=not sys.stderr.isatty()) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield progress
