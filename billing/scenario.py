"""The scenario document (ENGINE 14): a plan, and what happens under it.

Reading is strict, see `strict_json`: every refusal is a DocumentError that names the place. The
plan alone is read and written by `plan_documents`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal, get_args

from agencyportal.core.periods import quarter_floor

from .discounts import Agreed, read_discount
from .plan_documents import (
    PlanDocument,
    TopUpDocument,
    dump_plan,
    items_of,
    known_names,
    parse_plan,
    read_plan,
    read_trial_days,
    refuse_repeats,
)
from .rating import QUANTITY_PLACES, CostPlus
from .scenario_changes import (
    ChangeDocument,
    PauseDocument,
    Stretch,
    read_changes,
    read_pauses,
    stretches,
)
from .strict_json import DocumentError, Node, read_json
from .trials import trial_end
from .waterfall import DEFAULT_PRIORITY, GrantKind

__all__ = [
    "DocumentError",
    "GrantDocument",
    "PlanDocument",
    "PurchaseDocument",
    "ScenarioDocument",
    "ScenarioFile",
    "UsageDocument",
    "dump_plan",
    "load_scenarios",
    "parse_plan",
    "parse_scenario",
]

Starts = Literal["now", "next_period"]
"""When a top-up can be used from."""
STARTS: Final[tuple[Starts, ...]] = get_args(Starts)
COST_PLACES: Final = 9
MAX_PRIORITY: Final = 32767
SCENARIO_GRANTS: Final = (GrantKind.ADJUSTMENT, GrantKind.PROMOTIONAL, GrantKind.TOP_UP)


@dataclass(frozen=True, slots=True)
class PurchaseDocument:
    """A top-up that the client buys at an instant, to use at once or from the next period on."""

    top_up: TopUpDocument
    at: datetime
    starts: Starts = "now"


@dataclass(frozen=True, slots=True)
class GrantDocument:
    """Credit given outside the plan."""

    id: str
    unit: str
    kind: GrantKind
    quantity: Decimal
    effective_at: datetime
    expires_at: datetime | None
    priority: int


@dataclass(frozen=True, slots=True)
class UsageDocument:
    """Usage of one unit at an instant; ``cost`` is in the plan's currency."""

    unit: str
    time: datetime
    quantity: Decimal
    cost: Decimal | None


Answer = Literal["approved", "refused"]
ANSWERS: Final[tuple[Answer, ...]] = get_args(Answer)


@dataclass(frozen=True, slots=True)
class AnswerDocument:
    """What the client answers, when it is asked whether a unit goes on past its credit."""

    unit: str
    at: datetime
    answer: Answer


@dataclass(frozen=True, slots=True)
class ScenarioDocument:
    """A plan and what happens under it from ``start`` on, looked at up to ``until``."""

    plan: PlanDocument
    start: datetime
    end: datetime | None
    until: datetime
    purchases: tuple[PurchaseDocument, ...] = ()
    grants: tuple[GrantDocument, ...] = ()
    usage: tuple[UsageDocument, ...] = ()
    discounts: tuple[Agreed, ...] = ()
    answers: tuple[AnswerDocument, ...] = ()
    trial_days: int | None = None
    """What it begins with; None: what the plan says, 0: no trial."""
    changes: tuple[ChangeDocument, ...] = ()
    pauses: tuple[PauseDocument, ...] = ()

    @property
    def units(self) -> tuple[str, ...]:
        """The units of its plans."""
        plans = (self.plan, *(change.plan for change in self.changes))
        return tuple(dict.fromkeys(unit for plan in plans for unit in plan.units))

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """The parts of its time, each on one plan. Raises DocumentError for a change or a pause
        that cannot be."""
        return stretches(
            self.plan,
            start=self.start,
            end=self.end,
            trial_until=self.trial_until,
            changes=self.changes,
            pauses=self.pauses,
        )

    @property
    def trial_until(self) -> datetime | None:
        """Where its trial ends, if it has one."""
        days = self.plan.trial_days if self.trial_days is None else self.trial_days
        if not days or self.plan.timezone is None:
            return None
        return trial_end(quarter_floor(self.start), days, self.plan.timezone)


@dataclass(frozen=True, slots=True)
class ScenarioFile:
    """The scenarios of a file, and whether it held a list; then the result is one, too."""

    scenarios: tuple[ScenarioDocument, ...]
    is_list: bool


def load_scenarios(text: str) -> ScenarioFile:
    """The scenario of a JSON text, or the list of them that it holds."""
    root = Node(read_json(text))
    if isinstance(root.value, list):
        return ScenarioFile(tuple(_read_scenario(item) for item in root.items()), is_list=True)
    return ScenarioFile((_read_scenario(root),), is_list=False)


def parse_scenario(document: object) -> ScenarioDocument:
    """A scenario from its dictionary."""
    return _read_scenario(Node(document))


def _read_scenario(node: Node) -> ScenarioDocument:
    fields = node.fields(
        required=("plan", "start"),
        optional=(
            "end",
            "until",
            "trial_days",
            "purchases",
            "grants",
            "usage",
            "discounts",
            "answers",
            "changes",
            "pauses",
        ),
    )
    plan = read_plan(fields["plan"])
    if plan.timezone is None:
        raise DocumentError(f"{fields['plan'].path}.timezone", "missing")
    start = fields["start"].instant()
    end = _optional_instant(fields, "end")
    if end is not None and end <= start:
        raise fields["end"].error("must be after start")
    until = _optional_instant(fields, "until") or end
    if until is None:
        raise DocumentError(
            f"{node.path}.until" if node.path else "until", "missing, and there is no end either"
        )
    if until < quarter_floor(start):
        raise fields["until"].error("must not be before start")
    _refuse_unstated_margins(plan, f"{fields['plan'].path}.")
    changes = read_changes(fields, plan)
    for change in changes:
        _refuse_unstated_margins(change.plan, f"{change.path}.plan.")
    outline = ScenarioDocument(
        plan=plan,
        start=start,
        end=end,
        until=until,
        trial_days=read_trial_days(fields) if "trial_days" in fields else None,
        changes=changes,
        pauses=read_pauses(fields),
    )
    units = outline.units
    return replace(
        outline,
        purchases=_read_purchases(fields, outline.stretches),
        grants=_read_grants(fields, units),
        usage=tuple(_read_usage(item, units) for item in items_of(fields, "usage")),
        discounts=tuple(_read_discount(item) for item in items_of(fields, "discounts")),
        answers=tuple(_read_answer(item, units) for item in items_of(fields, "answers")),
    )


def _read_discount(node: Node) -> Agreed:
    """A discount of the subscription; it holds in the periods that start while it is in force."""
    discount = read_discount(node, more=("effective_at", "expires_at"))
    fields = node.fields(
        required=("name", "on"),
        optional=("percent", "amount", "periods", "effective_at", "expires_at"),
    )
    effective = _optional_instant(fields, "effective_at")
    expires = _optional_instant(fields, "expires_at")
    if effective is not None and expires is not None and expires <= effective:
        raise fields["expires_at"].error("must be after effective_at")
    return Agreed(discount, None if effective is None else quarter_floor(effective), expires)


def _refuse_unstated_margins(plan: PlanDocument, path: str) -> None:
    for index, allowance in enumerate(plan.allowances):
        pricing = allowance.overage.pricing
        if isinstance(pricing, CostPlus) and pricing.follows_margin_rule:
            raise DocumentError(
                f"{path}allowances[{index}].overage.pricing.margin_percent",
                "missing: a scenario has no margin rules that could say it",
            )


def _read_purchases(
    fields: dict[str, Node], parts: tuple[Stretch, ...]
) -> tuple[PurchaseDocument, ...]:
    return tuple(_read_purchase(item, parts) for item in items_of(fields, "purchases"))


def _read_purchase(node: Node, parts: tuple[Stretch, ...]) -> PurchaseDocument:
    fields = node.fields(required=("top_up", "at"), optional=("starts",))
    name, at = fields["top_up"].text(), fields["at"].instant()
    running = next((part for part in parts if part.holds(quarter_floor(at))), None)
    if running is None:
        raise fields["at"].error("nothing can be bought outside the subscription")
    bands = {band.name: band for band in running.plan.top_ups}
    if name not in bands:
        raise fields["top_up"].error(f"the plan has no top-up {name!r}{known_names(bands)}")
    starts = fields["starts"].choice(STARTS) if "starts" in fields else "now"
    return PurchaseDocument(bands[name], at, starts)


def _read_grants(fields: dict[str, Node], units: tuple[str, ...]) -> tuple[GrantDocument, ...]:
    grants = tuple(_read_grant(item, units) for item in items_of(fields, "grants"))
    refuse_repeats(fields, "grants", [grant.id for grant in grants], "id")
    return grants


def _read_grant(node: Node, units: tuple[str, ...]) -> GrantDocument:
    fields = node.fields(
        required=("id", "unit", "quantity", "effective_at"),
        optional=("expires_at", "priority", "kind"),
    )
    kind = (
        GrantKind(fields["kind"].choice([str(kind) for kind in SCENARIO_GRANTS]))
        if "kind" in fields
        else GrantKind.ADJUSTMENT
    )
    stated = fields.get("priority")
    priority = DEFAULT_PRIORITY[kind] if stated is None or stated.is_null else stated.count()
    if priority > MAX_PRIORITY:
        raise fields["priority"].error(f"must not be above {MAX_PRIORITY}")
    effective_at = fields["effective_at"].instant()
    expires_at = _optional_instant(fields, "expires_at")
    if expires_at is not None and expires_at <= effective_at:
        raise fields["expires_at"].error("must be after effective_at")
    return GrantDocument(
        id=fields["id"].text(),
        unit=_read_unit(fields["unit"], units),
        kind=kind,
        quantity=fields["quantity"].decimal(places=QUANTITY_PLACES, positive=True),
        effective_at=effective_at,
        expires_at=expires_at,
        priority=priority,
    )


def _read_usage(node: Node, units: tuple[str, ...]) -> UsageDocument:
    fields = node.fields(required=("unit", "time"), optional=("quantity", "cost"))
    cost = fields.get("cost")
    return UsageDocument(
        unit=_read_unit(fields["unit"], units),
        time=fields["time"].instant(),
        quantity=(
            fields["quantity"].decimal(places=QUANTITY_PLACES)
            if "quantity" in fields
            else Decimal(1)
        ),
        cost=None if cost is None or cost.is_null else cost.decimal(places=COST_PLACES),
    )


def _read_answer(node: Node, units: tuple[str, ...]) -> AnswerDocument:
    fields = node.fields(required=("unit", "at", "answer"))
    return AnswerDocument(
        unit=_read_unit(fields["unit"], units),
        at=fields["at"].instant(),
        answer=fields["answer"].choice(ANSWERS),
    )


def _read_unit(node: Node, units: tuple[str, ...]) -> str:
    unit = node.text()
    if unit not in units:
        raise node.error(f"the plan has no unit {unit!r}{known_names(units)}")
    return unit


def _optional_instant(fields: dict[str, Node], key: str) -> datetime | None:
    node = fields.get(key)
    return None if node is None or node.is_null else node.instant()
