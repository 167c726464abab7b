"""`manage.py price_usage`: price what was recorded without a cost, now that it has a price."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from tqdm import tqdm

from agencyportal.core.money import plain
from clients.models import Agency, Workspace
from clients.services.price_again import Outcome, flagged_events, look_again, price_again


class Command(BaseCommand):
    help = (
        "Prices usage that was recorded without a cost, by the price and the exchange rate that "
        "were in force when it happened. Each event once; it may be stopped and run again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--agency", metavar="SLUG", help="of one agency; by default all")
        parser.add_argument("--workspace", metavar="SLUG", help="of one workspace")
        parser.add_argument("--dry-run", action="store_true", help="say what it would come to")

    def handle(
        self, *, agency: str | None, workspace: str | None, dry_run: bool, **options: Any
    ) -> None:
        workspaces = _workspaces(agency, workspace)
        waiting = flagged_events().filter(workspace__in=workspaces).count()
        if dry_run:
            found = look_again(workspaces=workspaces)
        else:
            # disable=None: a bar on a terminal, nothing in a log
            with tqdm(total=waiting, desc="Pricing", unit=" events", disable=None) as bar:
                found = price_again(workspaces=workspaces, now=timezone.now(), progress=bar.update)
        self.stdout.write(_said(found, dry_run=dry_run))
        for name, count in found.left.most_common():
            self.stdout.write(f"  without a price or a rate: {name} ({count:,})")


def _said(found: Outcome, *, dry_run: bool) -> str:
    costs = ", ".join(f"{plain(cost)} {code}" for code, cost in sorted(found.cost.items()))
    what = "Events that can be priced" if dry_run else "Events priced"
    return f"{what}: {found.priced:,}{f' ({costs})' if costs else ''}"


def _workspaces(agency: str | None, workspace: str | None) -> Any:
    rows = Workspace.objects.select_related("client").order_by("pk")
    if agency is not None:
        if not Agency.objects.filter(slug=agency).exists():
            raise CommandError(f"There is no agency {agency!r}.")
        rows = rows.filter(agency__slug=agency)
    if workspace is not None:
        rows = rows.filter(slug=workspace)
        if not rows:
            raise CommandError(f"There is no workspace {workspace!r} there.")
    return rows
