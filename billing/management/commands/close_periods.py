"""`manage.py close_periods`: close what is due, and issue, render and send its invoices."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from agencyportal.core.money import format_money
from agencyportal.core.terminal import instant, progress_bar, text_table
from billing.models import Invoice
from billing.services.billing_run import run_billing
from billing.services.rehearsal import rehearse

HEADERS = ("Invoice", "Client", "Bills", "Net", "Tax", "Total", "Due on")


class Command(BaseCommand):
    help = (
        "Close every billing period whose end and grace have passed, draft and issue the invoices "
        "that are due, render their PDFs and send them. Safe to repeat and to run beside the "
        "schedule. Exits with 1 when something is left that needs attention."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--as-of",
            type=instant,
            metavar="ISO",
            help="act as at this instant (2026-03-02T05:00:00Z, or a day: its start in UTC); by "
            "default now. One that has not come yet is allowed, for rehearsals and demonstrations: "
            "what is issued then carries that date for good",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would be done; change nothing"
        )

    def handle(self, *args: Any, as_of: dt.datetime | None, dry_run: bool, **options: Any) -> None:
        now = timezone.now()
        moment = as_of or now
        if moment > now and not dry_run:
            self.stderr.write(f"{moment:%Y-%m-%d %H:%M} UTC has not come; acting as if it had.")
        problems = self._rehearse(moment) if dry_run else self._run(moment, now)
        if problems:
            lines = "\n".join(f"  {problem}" for problem in problems)
            raise CommandError(f"{_count(len(problems), 'problem')} left:\n{lines}")

    def _run(self, as_of: dt.datetime, now: dt.datetime) -> list[str]:
        run = run_billing(as_of=as_of, now=now, meter=progress_bar)
        self._report(
            [
                ("Periods closed", run.periods),
                ("Invoices issued", len(run.invoices)),
                ("PDFs rendered", run.documents),
                ("Messages sent", run.messages),
            ],
            run.invoices,
        )
        return run.problems

    def _rehearse(self, as_of: dt.datetime) -> list[str]:
        with progress_bar("Rehearsing clients") as progress:
            rehearsal = rehearse(now=as_of, progress=progress)
        for invoice in rehearsal.invoices:
            invoice.number = "(not issued)"
        self._report(
            [
                ("Periods to close", rehearsal.periods),
                ("Invoices to issue", len(rehearsal.invoices)),
            ],
            rehearsal.invoices,
        )
        self.stdout.write("Nothing was changed.")
        return rehearsal.problems

    def _report(self, counts: Sequence[tuple[str, int]], invoices: Sequence[Invoice]) -> None:
        for name, count in counts:
            self.stdout.write(f"{name:<18}{count:>6}")
        if invoices:
            self.stdout.write(f"\n{text_table(HEADERS, map(_row, invoices), right='<<<>>>')}\n")


def _row(invoice: Invoice) -> tuple[str, ...]:
    return (
        str(invoice.number),
        invoice.client.name,
        f"{invoice.bill_at:%Y-%m-%d %H:%M}",
        *(format_money(a, invoice.currency) for a in (invoice.net, invoice.tax, invoice.total)),
        str(invoice.due_date or "paid"),
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
