"""Plans as documents: the `plan` object of the scenario document (ENGINE 14).

`parse_plan` and `dump_plan` import and export plans; what `dump_plan` writes, `parse_plan` reads
back as the same plan. Reading is strict, see `strict_json`: every refusal is a DocumentError that
names the place.
"""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any, Final, Literal, get_args

from agencyportal.core.money import is_currency, plain
from agencyportal.core.periods import INTERVAL_MONTHS, Anchor, Interval

from .discounts import DiscountDocument, dump_discount, read_discount
from .durations import Duration
from .overage_documents import OverageDocument, dump_overage, optional_money, read_overage
from .rating import MONEY_PLACES, QUANTITY_PLACES
from .strict_json import DocumentError, Node

FeeKind = Literal["implementation", "base", "support"]
FeeWhen = Literal["once", "period"]
Collector = Literal["platform", "agency"]
Buyer = Literal["client", "agency"]

FEE_KINDS: Final[tuple[FeeKind, ...]] = get_args(FeeKind)
FEE_TIMES: Final[tuple[FeeWhen, ...]] = get_args(FeeWhen)
COLLECTORS: Final[tuple[Collector, ...]] = get_args(Collector)
BUYERS: Final[tuple[Buyer, ...]] = get_args(Buyer)
LONGEST_TRIAL: Final = 366


@dataclass(frozen=True, slots=True)
class FeeDocument:
    """An amount asked once, on activation, or in advance for each period."""

    name: str
    kind: FeeKind
    amount: Decimal
    when: FeeWhen
    prorate: bool = True
    collected_by: Collector = "platform"


@dataclass(frozen=True, slots=True)
class AllowanceDocument:
    """What a period includes of one unit. ``interval`` is that of its periods where it is shorter
    than the plan's, by which fees are asked; None where they are the same."""

    unit: str
    included: Decimal
    overage: OverageDocument
    rollover_max: Decimal = Decimal(0)
    prorate: bool = True
    interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class TopUpDocument:
    """A bundle on sale. ``expires``: ``period_end``, ``never`` or an ISO 8601 duration."""

    unit: str
    name: str
    quantity: Decimal
    price: Decimal
    expires: str
    buyer: Buyer = "client"


@dataclass(frozen=True, slots=True)
class PlanDocument:
    """A package. ``anchor`` is ``None`` when periods count from the subscription's start;
    ``timezone`` may be ``None`` in a plan on its own, which then takes the client's.

    ``interval`` is that of the fees. Periods, what they include and what is billed at their end
    have it, too, unless the allowances state a shorter one of their own.
    """

    name: str
    currency: str
    timezone: str | None
    interval: Interval
    anchor: Anchor = None
    fees: tuple[FeeDocument, ...] = ()
    allowances: tuple[AllowanceDocument, ...] = ()
    top_ups: tuple[TopUpDocument, ...] = ()
    minimum_commitment: Decimal | None = None
    discounts: tuple[DiscountDocument, ...] = ()
    trial_days: int = 0

    @property
    def allowance_interval(self) -> Interval | None:
        """The interval of the allowances where it is shorter than that of the fees."""
        return next((a.interval for a in self.allowances if a.interval), None)

    @property
    def period_interval(self) -> Interval:
        """The interval of the plan's periods: that of the allowances."""
        return self.allowance_interval or self.interval

    @property
    def fee_interval(self) -> Interval | None:
        """The interval of the fees where it is longer than a period."""
        return self.interval if self.allowance_interval else None

    @property
    def units(self) -> tuple[str, ...]:
        """Units of the package: those with an allowance, then those on sale only."""
        names = [a.unit for a in self.allowances] + [t.unit for t in self.top_ups]
        return tuple(dict.fromkeys(names))


def parse_plan(document: object) -> PlanDocument:
    """A plan from its dictionary, the `plan` object of a scenario. Paths start with ``plan``."""
    return read_plan(Node(document, "plan"))


def dump_plan(plan: PlanDocument) -> dict[str, Any]:
    """The dictionary that `parse_plan` reads as this plan; ready for JSON."""
    document: dict[str, Any] = {"name": plan.name, "currency": plan.currency}
    if plan.timezone is not None:
        document["timezone"] = plan.timezone
    document["interval"] = plan.interval
    if plan.anchor is not None:
        anchor = plan.anchor
        document["anchor"] = anchor.isoformat() if isinstance(anchor, date) else anchor
    if plan.minimum_commitment is not None:
        document["minimum_commitment"] = plain(plan.minimum_commitment)
    if plan.trial_days:
        document["trial_days"] = plan.trial_days
    document["fees"] = [_dump_fee(fee) for fee in plan.fees]
    document["allowances"] = [_dump_allowance(allowance) for allowance in plan.allowances]
    document["top_ups"] = [_dump_top_up(band) for band in plan.top_ups]
    if plan.discounts:
        document["discounts"] = [dump_discount(discount) for discount in plan.discounts]
    return document


def _dump_fee(fee: FeeDocument) -> dict[str, Any]:
    document = {
        "name": fee.name,
        "kind": fee.kind,
        "amount": plain(fee.amount),
        "when": fee.when,
        "prorate": fee.prorate,
    }
    return document | ({"collected_by": "agency"} if fee.collected_by == "agency" else {})


def _dump_allowance(allowance: AllowanceDocument) -> dict[str, Any]:
    own = {"interval": allowance.interval} if allowance.interval else {}
    return {
        "unit": allowance.unit,
        "included": plain(allowance.included),
        **own,
        "rollover_max": plain(allowance.rollover_max),
        "prorate": allowance.prorate,
        "overage": dump_overage(allowance.overage),
    }


def _dump_top_up(band: TopUpDocument) -> dict[str, Any]:
    document = {
        "unit": band.unit,
        "name": band.name,
        "quantity": plain(band.quantity),
        "price": plain(band.price),
        "expires": band.expires,
    }
    return document | ({"buyer": "agency"} if band.buyer == "agency" else {})


def read_plan(node: Node) -> PlanDocument:
    fields = node.fields(
        required=("name", "currency", "interval"),
        optional=(
            "timezone",
            "anchor",
            "fees",
            "allowances",
            "top_ups",
            "minimum_commitment",
            "discounts",
            "trial_days",
        ),
    )
    interval = fields["interval"].choice(tuple(INTERVAL_MONTHS))
    allowances = tuple(_read_allowance(item, interval) for item in items_of(fields, "allowances"))
    _refuse_mixed_intervals(fields, allowances, interval)
    top_ups = tuple(_read_top_up(item) for item in items_of(fields, "top_ups"))
    refuse_repeats(fields, "allowances", [a.unit for a in allowances], "unit")
    discounts = tuple(read_discount(item) for item in items_of(fields, "discounts"))
    refuse_repeats(fields, "top_ups", [t.name for t in top_ups], "name")
    refuse_repeats(fields, "discounts", [d.name for d in discounts], "name")
    _check_bands(fields, allowances, top_ups)
    timezone = fields.get("timezone")
    return PlanDocument(
        name=fields["name"].text(),
        currency=_read_currency(fields["currency"]),
        timezone=None if timezone is None or timezone.is_null else _read_timezone(timezone),
        interval=interval,
        anchor=_read_anchor(fields.get("anchor")),
        fees=tuple(_read_fee(item) for item in items_of(fields, "fees")),
        allowances=allowances,
        top_ups=top_ups,
        minimum_commitment=optional_money(fields, "minimum_commitment"),
        discounts=discounts,
        trial_days=read_trial_days(fields),
    )


def _read_fee(node: Node) -> FeeDocument:
    fields = node.fields(
        required=("name", "kind", "amount", "when"), optional=("prorate", "collected_by")
    )
    return FeeDocument(
        name=fields["name"].text(),
        kind=fields["kind"].choice(FEE_KINDS),
        amount=fields["amount"].decimal(places=MONEY_PLACES),
        when=fields["when"].choice(FEE_TIMES),
        prorate=_flag(fields, "prorate", default=True),
        collected_by=(
            fields["collected_by"].choice(COLLECTORS) if "collected_by" in fields else "platform"
        ),
    )


def _read_allowance(node: Node, fee_interval: Interval) -> AllowanceDocument:
    fields = node.fields(
        required=("unit", "included", "overage"), optional=("rollover_max", "prorate", "interval")
    )
    rollover = fields.get("rollover_max")
    return AllowanceDocument(
        unit=fields["unit"].text(),
        included=fields["included"].decimal(places=QUANTITY_PLACES),
        overage=read_overage(fields["overage"]),
        rollover_max=rollover.decimal(places=QUANTITY_PLACES) if rollover else Decimal(0),
        prorate=_flag(fields, "prorate", default=True),
        interval=_read_own_interval(fields.get("interval"), fee_interval),
    )


def _read_own_interval(node: Node | None, fee_interval: Interval) -> Interval | None:
    """An allowance's interval, where it differs from the plan's: whole ones make up that."""
    if node is None or node.is_null:
        return None
    own = node.choice(tuple(INTERVAL_MONTHS))
    if INTERVAL_MONTHS[own] > INTERVAL_MONTHS[fee_interval]:
        raise node.error(
            f"must not be longer than the plan's interval; a {own} does not fit into a "
            f"{fee_interval}, so make that the plan's"
        )
    return None if own == fee_interval else own


def _refuse_mixed_intervals(
    fields: dict[str, Node], allowances: tuple[AllowanceDocument, ...], interval: Interval
) -> None:
    """Allowances of one plan share their interval, since a period is closed and billed whole."""
    for node, allowance in zip(items_of(fields, "allowances"), allowances, strict=True):
        if allowance.interval != allowances[0].interval:
            own, first = (each.interval or interval for each in (allowance, allowances[0]))
            raise DocumentError(
                f"{node.path}.interval",
                f"is {own}, and that of the first one is {first}; the allowances of a plan share "
                "one interval, so state the same for all or make a plan of each",
            )


def _read_top_up(node: Node) -> TopUpDocument:
    fields = node.fields(
        required=("unit", "name", "quantity", "price", "expires"), optional=("buyer",)
    )
    expires = fields["expires"].text()
    if expires not in ("period_end", "never"):
        try:
            Duration.parse(expires)
        except ValueError as exc:
            raise fields["expires"].error(
                f"must be period_end, never or a duration: {exc}"
            ) from exc
    return TopUpDocument(
        unit=fields["unit"].text(),
        name=fields["name"].text(),
        quantity=fields["quantity"].decimal(places=QUANTITY_PLACES, positive=True),
        price=fields["price"].decimal(places=MONEY_PLACES),
        expires=expires,
        buyer=fields["buyer"].choice(BUYERS) if "buyer" in fields else "client",
    )


def _read_currency(node: Node) -> str:
    code = node.text()
    if not is_currency(code):
        raise node.error(f'an ISO 4217 code such as "USD" is needed, not {code!r}')
    return code


def _read_timezone(node: Node) -> str:
    name = node.text()
    if name not in _timezones():
        raise node.error(f'a time zone such as "America/New_York" is needed, not {name!r}')
    return name


def _read_anchor(node: Node | None) -> Anchor:
    if node is None or node.is_null:
        return None
    return "calendar" if node.value == "calendar" else node.date()


def _check_bands(
    fields: dict[str, Node],
    allowances: tuple[AllowanceDocument, ...],
    top_ups: tuple[TopUpDocument, ...],
) -> None:
    """The band of an automatic top-up is one of the plan's, and of the same unit."""
    bands = {band.name: band for band in top_ups}
    for allowance, node in zip(allowances, items_of(fields, "allowances"), strict=True):
        auto = allowance.overage.auto_top_up
        if auto is None:
            continue
        where = node.member("overage").member("top_up")
        if auto.band not in bands:
            raise where.error(f"the plan has no top-up {auto.band!r}{known_names(bands)}")
        band = bands[auto.band]
        if band.unit != allowance.unit:
            raise where.error(f"this top-up sells {band.unit!r}, not {allowance.unit!r}")
        if not band.price and auto.max_count is None:
            raise node.member("overage").error("a top-up without a price needs a max_count")


def refuse_repeats(fields: dict[str, Node], key: str, names: list[str], what: str) -> None:
    seen: set[str] = set()
    for node, name in zip(items_of(fields, key), names, strict=True):
        if name in seen:
            raise node.member(what).error(f"comes twice: {name!r}")
        seen.add(name)


def items_of(fields: dict[str, Node], key: str) -> list[Node]:
    node = fields.get(key)
    return [] if node is None else list(node.items())


def _flag(fields: dict[str, Node], key: str, *, default: bool) -> bool:
    return fields[key].flag() if key in fields else default


def read_trial_days(fields: dict[str, Node]) -> int:
    """The days of a trial; 0: none."""
    node = fields.get("trial_days")
    days = 0 if node is None or node.is_null else node.count()
    if node is not None and days > LONGEST_TRIAL:
        raise node.error(f"must be at most {LONGEST_TRIAL} days")
    return days


def known_names(names: Any) -> str:
    return f"; it has {', '.join(map(repr, names))}" if names else ""


@cache
def _timezones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())
