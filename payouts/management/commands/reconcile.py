"""`manage.py reconcile`: prove the books from raw events and stored rules, or name what differs."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from agencyportal.core.terminal import text_table
from clients.models import Agency
from payouts.reconcile.books import reconcile
from payouts.reconcile.findings import Checked, Difference
from payouts.reconcile.scope import Scope, standing_still

HEADERS = ("Subject", "Rows", "Open", "Result")


class Command(BaseCommand):
    help = (
        "Recompute everything from raw events and stored rules. Exit 0 with a table of what was "
        "proved, or 1 with every difference, naming the row. Reads only."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--agency", metavar="SLUG", help="one agency's books; by default all")

    def handle(self, *args: Any, agency: str | None, **options: Any) -> None:
        scope = Scope(_agency(agency))
        rows: dict[str, list[int]] = {}
        # disable=None: a bar on a terminal, nothing in a log
        with standing_still(), tqdm(desc="Reconciling", unit=" rows", disable=None) as bar:
            for finding in reconcile(scope, progress=bar.set_postfix_str):
                counts = rows.setdefault(finding.subject, [0, 0, 0])
                if isinstance(finding, Checked):
                    counts[0] += finding.rows
                    counts[1] += finding.open
                    bar.update(finding.rows)
                else:
                    counts[2] += 1
                    self._say(finding)
        self.stdout.write(_table(rows))
        found = sum(counts[2] for counts in rows.values())
        if found:
            raise CommandError(f"{found} differences.", returncode=1)

    def _say(self, difference: Difference) -> None:
        with tqdm.external_write_mode(file=sys.stderr):
            self.stdout.write(str(difference))


def _agency(slug: str | None) -> Agency | None:
    if slug is None:
        return None
    agency = Agency.objects.filter(slug=slug).first()
    if agency is None:
        known = ", ".join(Agency.objects.values_list("slug", flat=True)) or "none yet"
        raise CommandError(f"There is no agency {slug!r}; there are {known}.", returncode=2)
    return agency


def _table(rows: dict[str, list[int]]) -> str:
    return text_table(
        HEADERS,
        (
            (
                subject,
                f"{checked:,}",
                f"{still_open:,}" if still_open else "",
                f"{differences:,} differences" if differences else "proved",
            )
            for subject, (checked, still_open, differences) in rows.items()
        ),
        right="<>>",
    )
