"""`manage.py simulate`: what a package would cost, and which of several would be cheapest.

A scenario document is priced without touching the database. A workspace's history is read from
it, and nothing is written either way.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from billing.comparison import Candidate, Comparison, compare
from billing.comparison_table import comparison_json, comparison_table
from billing.plan_documents import PlanDocument, parse_plan
from billing.refusals import RefusedError
from billing.scenario import DocumentError, ScenarioDocument, load_scenarios
from billing.simulation import simulate
from billing.simulation_table import simulation_table
from billing.strict_json import read_json

PERIODS = 3


class Command(BaseCommand):
    help = (
        "Price a scenario document (or a list of them) without touching the database; with "
        "--compare, under other plans beside its own. With --workspace, price what a workspace "
        "did in its latest periods under its own and other plans."
    )
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "scenario", metavar="SCENARIO.json", nargs="?", help="a file, or - for stdin"
        )
        parser.add_argument("--workspace", metavar="SLUG", help="its history instead of a file")
        parser.add_argument(
            "--periods",
            type=int,
            default=PERIODS,
            help=f"how many of the workspace's latest whole periods (by default {PERIODS})",
        )
        parser.add_argument(
            "--compare",
            metavar="PLAN",
            nargs="*",
            help="plan documents (files) to compare with; with --workspace also slugs of the "
            "agency's plans, by default all that have the units it used",
        )
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        if bool(options["scenario"]) == bool(options["workspace"]):
            raise CommandError("Name a scenario's file, or --workspace with a workspace's slug.")
        if options["workspace"]:
            self._print(_of_workspace(options), as_json=options["json"])
        elif options["compare"] is not None:
            self._print(_of_scenario(options["scenario"], options["compare"]), options["json"])
        else:
            self._simulate(options["scenario"], as_json=options["json"])

    def _simulate(self, source: str, *, as_json: bool) -> None:
        scenarios, is_list = _scenarios(source)
        results = [(scenario, simulate(scenario)) for scenario in scenarios]
        if as_json:
            documents = [result.as_json() for _, result in results]
            self.stdout.write(json.dumps(documents if is_list else documents[0], indent=2))
            return
        tables = [simulation_table(scenario, result) for scenario, result in results]
        self.stdout.write("\n\n".join(tables))

    def _print(self, comparison: Comparison, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(comparison_json(comparison), indent=2))
        else:
            self.stdout.write(comparison_table(comparison))


def _of_scenario(source: str, plans: list[str]) -> Comparison:
    scenarios, _ = _scenarios(source)
    if len(scenarios) != 1:
        raise CommandError(f"{source}: one scenario is compared at a time, here are several.")
    if not plans:
        raise CommandError("Name at least one plan's file after --compare.")
    own = Candidate(scenarios[0].plan.name, scenarios[0].plan)
    return _compared(scenarios[0], [own, *(_from_file(path) for path in plans)])


def _of_workspace(options: dict[str, Any]) -> Comparison:
    # Read here: a scenario alone needs no database, and no models either.
    from billing.selectors.history import candidate, history_of, latest_published
    from clients.models import Workspace

    slug, asked = options["workspace"], options["compare"] or []
    workspace = Workspace.objects.select_related("client", "agency").filter(slug=slug).first()
    if workspace is None:
        raise CommandError(f"There is no workspace {slug!r}.")
    if options["periods"] < 1:
        raise CommandError("--periods must be at least 1.")
    files = [name for name in asked if Path(name).suffix == ".json"]
    slugs = [name for name in asked if name not in files]
    try:
        history, rows = history_of(
            workspace=workspace, periods=options["periods"], now=timezone.now()
        )
        used = {usage.unit for usage in history.usage}
        wanted = slugs or not files
        stored = latest_published(workspace=workspace, slugs=slugs, units=used) if wanted else {}
        own = rows[-1].plan_version
        candidates = [candidate(own, rows[-1], name=f"{own.plan.slug} (now)")]
        candidates += [
            candidate(version, rows[-1], name=name)
            for name, version in stored.items()
            if version.pk != own.pk
        ]
    except RefusedError as refusal:
        raise CommandError(str(refusal)) from refusal
    return _compared(history, [*candidates, *(_from_file(path) for path in files)])


def _compared(scenario: ScenarioDocument, candidates: list[Candidate]) -> Comparison:
    try:
        return compare(scenario, candidates)
    except ValueError as error:
        raise CommandError(str(error)) from error


def _from_file(path: str) -> Candidate:
    """A plan from its document, which may be a whole scenario's."""
    try:
        document = read_json(_text_of(path))
        plan: PlanDocument = parse_plan(
            document["plan"] if isinstance(document, dict) and "plan" in document else document
        )
    except DocumentError as error:
        raise CommandError(f"{path}: {error}", returncode=1) from error
    return Candidate(plan.name, plan)


def _scenarios(source: str) -> tuple[tuple[ScenarioDocument, ...], bool]:
    try:
        file = load_scenarios(_text_of(source))
    except DocumentError as exc:
        raise CommandError(f"{source}: {exc}", returncode=1) from exc
    return file.scenarios, file.is_list


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
