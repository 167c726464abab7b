"""Exports a plan version as a document."""

from __future__ import annotations

import json
import re
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.models import PlanVersion
from billing.services.plans import export_plan

_ADDRESS = re.compile(r"(?P<agency>[\w-]+)/(?P<plan>[\w-]+)(?:@(?P<number>[0-9]+))?")


class Command(BaseCommand):
    help = "Writes a plan as the document that import_plan reads, to standard output."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "plan", help="AGENCY/PLAN, or AGENCY/PLAN@VERSION; by default the latest version"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        document = export_plan(find_version(options["plan"]))
        self.stdout.write(json.dumps(document, indent=2, ensure_ascii=False))


def find_version(address: str) -> PlanVersion:
    """The version that AGENCY/PLAN or AGENCY/PLAN@VERSION names. Raises CommandError."""
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise CommandError(f"AGENCY/PLAN or AGENCY/PLAN@VERSION is needed, not {address!r}.")
    versions = PlanVersion.objects.select_related("plan").filter(
        plan__agency__slug=match["agency"], plan__slug=match["plan"]
    )
    if match["number"]:
        versions = versions.filter(number=int(match["number"]))
    else:
        versions = versions.exclude(published_at=None)
    version = versions.order_by("-number").first()
    if version is None:
        raise CommandError(f"There is no plan {address}.")
    return version
