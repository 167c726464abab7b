"""Rating: what a period's overage costs (ENGINE 5).

A pricing model turns the overage of one unit in one period, rated once on the period's total,
into an exact price; `overage_price` rounds it once to the currency and applies the cap. The
dictionaries are those of the scenario document, where every decimal is a string.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

from agencyportal.core.money import exact_arithmetic, plain, round_money, round_money_down

from .strict_json import Node

ZERO: Final = Decimal(0)
RATE_PLACES: Final = 9
QUANTITY_PLACES: Final = 6
MONEY_PLACES: Final = 4


@dataclass(frozen=True, slots=True)
class PerUnit:
    """Each unit of overage at one price."""

    unit_amount: Decimal

    def price(self, overage: Decimal) -> Decimal:
        return overage * self.unit_amount


@dataclass(frozen=True, slots=True)
class Tier:
    """Units up to and including ``up_to``; ``None`` is the rest."""

    up_to: Decimal | None
    unit_amount: Decimal
    flat_amount: Decimal


@dataclass(frozen=True, slots=True)
class Graduated:
    """Units fill one tier after the other; a tier's flat amount is due once it is entered."""

    tiers: tuple[Tier, ...]

    def price(self, overage: Decimal) -> Decimal:
        price, below = ZERO, ZERO
        for tier in self.tiers:
            if overage <= below:
                break
            top = overage if tier.up_to is None else min(overage, tier.up_to)
            price += (top - below) * tier.unit_amount + tier.flat_amount
            below = top
        return price


@dataclass(frozen=True, slots=True)
class Volume:
    """All units at the price of the tier that their total falls into."""

    tiers: tuple[Tier, ...]

    def price(self, overage: Decimal) -> Decimal:
        if not overage:
            return ZERO
        tier = next(t for t in self.tiers if t.up_to is None or overage <= t.up_to)
        return overage * tier.unit_amount + tier.flat_amount


@dataclass(frozen=True, slots=True)
class Package:
    """Packages of units; every started one is due in full."""

    package_size: Decimal
    package_amount: Decimal

    def price(self, overage: Decimal) -> Decimal:
        whole, rest = divmod(overage, self.package_size)
        return (whole + bool(rest)) * self.package_amount


@dataclass(frozen=True, slots=True)
class CostPlus:
    """Routed cost with a percentage on it, and a surcharge per unit.

    With neither stated (both ``None``) the margin rule in force says (`billing.margin`).
    """

    margin_percent: Decimal | None
    surcharge_per_unit: Decimal | None

    @property
    def follows_margin_rule(self) -> bool:
        return self.margin_percent is None and self.surcharge_per_unit is None

    def price(self, overage: Decimal, *, cost: Decimal, used: Decimal) -> Decimal:
        """``cost``: the unit's priced cost in the period; ``used``: its units, overage included."""
        if self.follows_margin_rule:
            raise ValueError("this pricing states no margin: price it by the margin rule in force")
        return cost_plus_price(
            overage,
            cost=cost,
            used=used,
            percent=self.margin_percent or ZERO,
            surcharge=self.surcharge_per_unit or ZERO,
        )


Pricing = PerUnit | Graduated | Volume | Package | CostPlus

MODELS: Final = ("per_unit", "graduated", "volume", "package", "cost_plus")


def cost_plus_price(
    overage: Decimal, *, cost: Decimal, used: Decimal, percent: Decimal, surcharge: Decimal
) -> Decimal:
    """cost x overage / used x (1 + percent / 100) + surcharge x overage, not rounded."""
    if not overage:
        return ZERO
    with exact_arithmetic():
        # One division, last, so that nothing exact is rounded on the way.
        return cost * overage * (100 + percent) / (used * 100) + surcharge * overage


def overage_price(
    pricing: Pricing,
    overage: Decimal,
    *,
    currency: str,
    cost: Decimal = ZERO,
    used: Decimal | None = None,
    cap_amount: Decimal | None = None,
) -> Decimal:
    """The price of one unit's overage in one period, rounded to the currency's digits.

    ``cap_amount`` limits the price, never the usage. ``cost`` and ``used`` matter to cost_plus
    only; ``used`` is the period's total and by default the overage itself.
    """
    if overage < 0:
        raise ValueError(f"overage must not be negative: {overage}")
    with exact_arithmetic():
        if isinstance(pricing, CostPlus):
            total = overage if used is None else used
            price = pricing.price(overage, cost=cost, used=total)
        else:
            price = pricing.price(overage)
    return capped(price, cap_amount, currency)


def capped(price: Decimal, cap_amount: Decimal | None, currency: str) -> Decimal:
    """``price`` rounded to the currency's digits, or the cap if that is less: rounded down, since
    what is charged never exceeds it."""
    rounded = round_money(price, currency)
    return rounded if cap_amount is None else min(rounded, round_money_down(cap_amount, currency))


def minimum_shortfall(minimum: Decimal, charged: Decimal) -> Decimal:
    """What is missing to the minimum commitment of a period.

    ``minimum``: prorated like a fee for a partial period. ``charged``: overage and top-ups of the
    period, not its fees.
    """
    return max(ZERO, minimum - charged)


def parse_pricing(node: Node) -> Pricing:
    """A pricing model from its dictionary. Raises DocumentError, naming the path."""
    model = node.member("model").choice(MODELS)
    if model == "per_unit":
        fields = node.fields(required=("model", "unit_amount"))
        return PerUnit(fields["unit_amount"].decimal(places=RATE_PLACES))
    if model in ("graduated", "volume"):
        tiers = _parse_tiers(node.fields(required=("model", "tiers"))["tiers"])
        return Graduated(tiers) if model == "graduated" else Volume(tiers)
    if model == "package":
        fields = node.fields(required=("model", "package_size", "package_amount"))
        return Package(
            fields["package_size"].decimal(places=QUANTITY_PLACES, positive=True),
            fields["package_amount"].decimal(places=RATE_PLACES),
        )
    fields = node.fields(required=("model",), optional=("margin_percent", "surcharge_per_unit"))
    return CostPlus(
        _optional(fields, "margin_percent", places=QUANTITY_PLACES),
        _optional(fields, "surcharge_per_unit", places=RATE_PLACES),
    )


def dump_pricing(pricing: Pricing) -> dict[str, Any]:
    """The dictionary that `parse_pricing` reads as this pricing."""
    if isinstance(pricing, PerUnit):
        return {"model": "per_unit", "unit_amount": plain(pricing.unit_amount)}
    if isinstance(pricing, Package):
        return {
            "model": "package",
            "package_size": plain(pricing.package_size),
            "package_amount": plain(pricing.package_amount),
        }
    if isinstance(pricing, CostPlus):
        stated = {
            "margin_percent": pricing.margin_percent,
            "surcharge_per_unit": pricing.surcharge_per_unit,
        }
        return {"model": "cost_plus"} | {k: plain(v) for k, v in stated.items() if v is not None}
    model = "graduated" if isinstance(pricing, Graduated) else "volume"
    return {"model": model, "tiers": [_dump_tier(tier) for tier in pricing.tiers]}


def _dump_tier(tier: Tier) -> dict[str, Any]:
    return {
        "up_to": None if tier.up_to is None else plain(tier.up_to),
        "unit_amount": plain(tier.unit_amount),
        "flat_amount": plain(tier.flat_amount),
    }


def _parse_tiers(node: Node) -> tuple[Tier, ...]:
    nodes = list(node.items())
    if not nodes:
        raise node.error("at least one tier is needed")
    tiers = tuple(_parse_tier(tier, is_last=tier is nodes[-1]) for tier in nodes)
    for (lower, upper), where in zip(pairwise(tiers), nodes[1:], strict=True):
        if lower.up_to is not None and upper.up_to is not None and upper.up_to <= lower.up_to:
            raise where.member("up_to").error(
                f"must be above the tier before, {plain(lower.up_to)}; it is {plain(upper.up_to)}"
            )
    return tiers


def _parse_tier(node: Node, *, is_last: bool) -> Tier:
    fields = node.fields(required=("up_to",), optional=("unit_amount", "flat_amount"))
    if "unit_amount" not in fields and "flat_amount" not in fields:
        raise node.error("a tier needs a unit_amount or a flat_amount")
    up_to = fields["up_to"]
    if is_last != up_to.is_null:
        raise up_to.error(
            "the last tier takes the rest: it must be null"
            if is_last
            else "only the last tier may be null, which means the rest"
        )
    return Tier(
        None if up_to.is_null else up_to.decimal(places=QUANTITY_PLACES, positive=True),
        _optional(fields, "unit_amount", places=RATE_PLACES) or ZERO,
        _optional(fields, "flat_amount", places=RATE_PLACES) or ZERO,
    )


def _optional(fields: dict[str, Node], key: str, *, places: int) -> Decimal | None:
    node = fields.get(key)
    return None if node is None or node.is_null else node.decimal(places=places)
