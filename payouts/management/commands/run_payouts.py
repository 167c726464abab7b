"""`manage.py run_payouts`: post earnings, make up payouts, render and send their statements."""

from __future__ import annotations

import datetime as dt
from contextlib import nullcontext
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone
from tqdm import tqdm

from agencyportal.core.money import format_money
from agencyportal.core.terminal import instant, text_table
from billing.services.mailing import send_due_mail
from billing.services.rendering import due_documents
from payouts.models import Payout, StatementDocument
from payouts.services.earnings import EarningsNotPostedError, post_due_earnings
from payouts.services.payouts import PayoutsNotBuiltError, build_payouts
from payouts.services.rendering import render_due_statements

HEADERS = ("Agency", "Month", "Number", "Opening", "Revenue", "Routed cost", "Platform fee")
TOTALS = ("Adjustments", "Paid out", "Carried", "State")


class Command(BaseCommand):
    help = (
        "Post the earnings of payments received and periods closed, make up the payout of every "
        "agency whose payout day has come, render the statements and send them. Safe to repeat."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--as-of",
            type=instant,
            metavar="ISO",
            help="act as at this instant, such as 2026-03-01T05:00:00Z; by default now",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would be made up; change nothing"
        )

    def handle(self, *args: Any, as_of: dt.datetime | None, dry_run: bool, **options: Any) -> None:
        clock = timezone.now()
        now = as_of or clock
        with transaction.atomic() if dry_run else nullcontext():
            posted, built, failures = _make_up(now)
            self._report(posted, built, dry_run=dry_run)
            if dry_run:
                transaction.set_rollback(True)
        if not dry_run:
            # Never earlier than the clock: what a worker has just claimed must not look stale.
            self._deliver(max(now, clock))
        if failures:
            raise CommandError("Not everything could be done:\n" + "\n".join(failures))

    def _report(self, posted: int, built: list[Payout], *, dry_run: bool) -> None:
        would = "would be " if dry_run else ""
        self.stdout.write(f"{posted} earnings {would}posted, {len(built)} payouts {would}made up.")
        if built:
            table = text_table((*HEADERS, *TOTALS), map(_row, built), right="<<<>>>>>>><")
            self.stdout.write(f"\n{table}\n")

    def _deliver(self, now: dt.datetime) -> None:
        """Render statement by statement, then send what can go. No transaction is open."""
        due = due_documents(StatementDocument, now=now).count()
        made = 0
        # disable=None: a bar on a terminal, nothing in a log
        for _ in tqdm(range(due), desc="Statements", unit="PDF", disable=None, leave=False):
            made += render_due_statements(now=now, limit=1)
        sent = send_due_mail(now=now)
        self.stdout.write(f"{made} statements rendered, {sent} messages sent.")
        if made < due:
            self.stderr.write(
                f"{due - made} statements could not be rendered; each one's row says why "
                "(payouts.StatementDocument, field error), and it is tried again."
            )


def _make_up(now: dt.datetime) -> tuple[int, list[Payout], list[str]]:
    """What was posted and built, and what failed on the way; a failure stops nothing else."""
    failures: list[str] = []
    try:
        posted = post_due_earnings(now=now)
    except EarningsNotPostedError as error:
        posted = error.posted
        failures += error.failures
    try:
        built = build_payouts(now=now)
    except PayoutsNotBuiltError as error:
        built = error.built
        failures += error.failures
    return posted, built, failures


def _row(payout: Payout) -> list[str]:
    amounts = (
        payout.opening,
        payout.revenue,
        -payout.routed_cost,
        -payout.platform_fee,
        payout.adjustments,
        payout.amount,
        payout.closing,
    )
    return [
        payout.agency.slug,
        f"{payout.month:%Y-%m}",
        payout.number,
        *(format_money(amount, payout.currency) for amount in amounts),
        payout.get_state_display(),
    ]
