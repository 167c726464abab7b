"""`manage.py upgrade_subscriptions`: move subscriptions to another version of their plan."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from agencyportal.core.money import format_money
from agencyportal.core.terminal import progress_bar, text_table
from billing.models import PlanVersion, Subscription
from billing.refusals import RefusedError
from billing.services.plan_changes import When
from billing.services.upgrades import begin_upgrade, preview_upgrade, upgradable, work_on

from .export_plan import find_version


class Command(BaseCommand):
    help = (
        "Move the subscriptions of earlier versions of a plan to one version, all of them or those "
        "of some workspaces. Interrupted and run again, it goes on with what is left. Exits with 1 "
        "when one could not be moved."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "plan", help="AGENCY/PLAN, or AGENCY/PLAN@VERSION; by default to the latest version"
        )
        parser.add_argument(
            "--workspace", action="append", metavar="SLUG", help="only this one; may be repeated"
        )
        parser.add_argument(
            "--when",
            choices=("now", "period-end"),
            default="period-end",
            help="today, prorated, or where the period of each ends (the default)",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="say what it would come to; change nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        version = find_version(options["plan"])
        when: When = "now" if options["when"] == "now" else "period_end"
        chosen = self._chosen(version, options["workspace"])
        if not chosen:
            self.stdout.write(f"Nobody is on an earlier version of {version.plan}.")
        elif options["dry_run"]:
            self._preview(version, chosen, when)
        else:
            self._move(version, chosen, when)

    def _chosen(self, version: PlanVersion, slugs: list[str] | None) -> list[Subscription]:
        found = upgradable(version, now=timezone.now())
        if slugs is None:
            return list(found)
        chosen = list(found.filter(workspace__slug__in=slugs))
        missing = set(slugs) - {row.workspace.slug for row in chosen}
        if missing:
            raise CommandError(
                f"On no earlier version of {version.plan}: {', '.join(sorted(missing))}."
            )
        return chosen

    def _preview(self, version: PlanVersion, chosen: list[Subscription], when: When) -> None:
        rows = []
        previews = preview_upgrade(
            version=version, subscriptions=chosen, when=when, now=timezone.now()
        )
        for each in previews:
            subscription = each.subscription
            rows.append(
                (
                    subscription.workspace.slug,
                    f"v{subscription.plan_version.number}",
                    format_money(each.total, version.plan.currency) if each.change else "",
                    each.refusal,
                )
            )
        self.stdout.write(text_table(("Workspace", "From", "Comes to", "Refused"), rows))
        self.stdout.write("\nNothing was changed.")

    def _move(self, version: PlanVersion, chosen: list[Subscription], when: When) -> None:
        now = timezone.now()
        try:
            upgrade = begin_upgrade(
                version=version,
                when=when,
                now=now,
                key=f"command:{uuid.uuid4().hex}",
                subscription_ids={row.pk for row in chosen},
            )
        except RefusedError as refused:
            raise CommandError(str(refused)) from None
        with progress_bar("Moving subscriptions") as progress:
            work_on(upgrade=upgrade, now=now, progress=progress)
        left = upgrade.items.exclude(state="moved").select_related("subscription__workspace")
        lines = [f"  {item.subscription.workspace.slug}: {item.words}" for item in left]
        self.stdout.write(f"{len(chosen) - len(lines)} of {len(chosen)} moved to {version}.")
        if lines:
            raise CommandError("Left as they are:\n" + "\n".join(lines))
