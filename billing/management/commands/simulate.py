"""`manage.py simulate SCENARIO.json`: what a package would cost, without touching the database."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.scenario import DocumentError, load_scenarios
from billing.simulation import simulate
from billing.simulation_table import simulation_table


class Command(BaseCommand):
    help = "Price a scenario document (or a list of them) without touching the database."
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("scenario", metavar="SCENARIO.json", help="a file, or - for stdin")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        source: str = options["scenario"]
        try:
            file = load_scenarios(_text_of(source))
        except DocumentError as exc:
            raise CommandError(f"{source}: {exc}", returncode=1) from exc
        results = [(scenario, simulate(scenario)) for scenario in file.scenarios]
        if options["json"]:
            documents = [result.as_json() for _, result in results]
            self.stdout.write(json.dumps(documents if file.is_list else documents[0], indent=2))
            return
        tables = [simulation_table(scenario, result) for scenario, result in results]
        self.stdout.write("\n\n".join(tables))


def _text_of(source: str) -> str:
    try:
        if source == "-":
            return sys.stdin.read()
        return Path(source).read_text(encoding="utf-8-sig")
    except OSError as exc:
        raise CommandError(
            f"{source}: cannot be read: {exc.strerror or exc}", returncode=2
        ) from exc
    except UnicodeDecodeError as exc:
        raise CommandError(f"{source}: not UTF-8 text: {exc}", returncode=1) from exc
