"""Imports a plan from a scenario document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from billing.services.plans import import_plan
from billing.strict_json import DocumentError, read_json
from clients.models import Agency


class Command(BaseCommand):
    help = (
        "Imports the plan of a scenario document. The same document again changes nothing; a "
        "changed one becomes the plan's next version."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="JSON: a scenario document or its plan")
        parser.add_argument("--agency", required=True, help="slug of the agency that sells it")
        parser.add_argument("--slug", help="slug of the plan; by default made from its name")

    def handle(self, *args: Any, **options: Any) -> None:
        agency = Agency.objects.filter(slug=options["agency"]).first()
        if agency is None:
            raise CommandError(f"There is no agency {options['agency']!r}.")
        try:
            text = options["file"].read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{options['file']} cannot be read: {error}") from error
        now = timezone.now()
        try:
            version = import_plan(
                agency=agency, document=read_json(text), slug=options["slug"], now=now
            )
        except DocumentError as error:
            raise CommandError(f"{options['file']}: {error}") from error
        what = "imported" if version.published_at == now else "is there already, unchanged"
        self.stdout.write(f"{agency.slug}/{version.plan.slug}@{version.number} {what}")
