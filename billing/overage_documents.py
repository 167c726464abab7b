"""The `overage` object of an allowance: what happens past the last credit (ENGINE 14).

Reading is strict, see `strict_json`: every refusal is a DocumentError that names the place.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal, get_args

from agencyportal.core.money import plain

from .rating import MONEY_PLACES, QUANTITY_PLACES, Pricing, dump_pricing, parse_pricing
from .strict_json import DocumentError, Node

LastResort = Literal["block", "bill", "notify"]
Policy = Literal[LastResort, "top_up"]

LAST_RESORTS: Final[tuple[LastResort, ...]] = get_args(LastResort)
POLICIES: Final[tuple[Policy, ...]] = get_args(Policy)


@dataclass(frozen=True, slots=True)
class AutoTopUp:
    """Buy a band when what remains falls to ``at``, at most to the maxima per period."""

    band: str
    at: Decimal
    max_count: int | None
    max_amount: Decimal | None
    then: LastResort


@dataclass(frozen=True, slots=True)
class OverageDocument:
    """What happens past the last credit; ``pricing`` is there wherever overage may be billed."""

    policy: Policy
    pricing: Pricing | None = None
    cap_amount: Decimal | None = None
    auto_top_up: AutoTopUp | None = None

    @property
    def last_resort(self) -> str:
        """The policy once nothing is bought automatically any more."""
        return self.auto_top_up.then if self.auto_top_up else self.policy

    @property
    def is_charged(self) -> bool:
        """Whether overage costs something; else it is reported only."""
        return self.last_resort == "bill"


def parse_overage(document: object) -> OverageDocument:
    """The `overage` object of an allowance on its own. Paths start with ``overage``."""
    return read_overage(Node(document, "overage"))


def dump_overage(overage: OverageDocument) -> dict[str, Any]:
    """The dictionary that `parse_overage` reads as this object."""
    document: dict[str, Any] = {"policy": overage.policy}
    if overage.auto_top_up is not None:
        auto = overage.auto_top_up
        document |= {"top_up": auto.band, "at": plain(auto.at), "then": auto.then}
        if auto.max_count is not None:
            document["max_count"] = auto.max_count
        if auto.max_amount is not None:
            document["max_amount"] = plain(auto.max_amount)
    if overage.pricing is not None:
        document["pricing"] = dump_pricing(overage.pricing)
    if overage.cap_amount is not None:
        document["cap_amount"] = plain(overage.cap_amount)
    return document


def read_overage(node: Node) -> OverageDocument:
    policy_node = node.member("policy")
    if policy_node.value == "ask":
        raise policy_node.error('"ask" waits for the answer of a person and is not read yet')
    policy = policy_node.choice(POLICIES)
    own = ("top_up", "at", "max_count", "max_amount", "then") if policy == "top_up" else ()
    fields = node.fields(required=("policy",), optional=("pricing", "cap_amount", *own))
    pricing = fields.get("pricing")
    overage = OverageDocument(
        policy=policy,
        pricing=None if pricing is None or pricing.is_null else parse_pricing(pricing),
        cap_amount=optional_money(fields, "cap_amount"),
        auto_top_up=_read_auto_top_up(node, fields) if policy == "top_up" else None,
    )
    if overage.is_charged and overage.pricing is None:
        raise DocumentError(f"{node.path}.pricing", "missing: what is billed needs a price")
    return overage


def _read_auto_top_up(node: Node, fields: dict[str, Node]) -> AutoTopUp:
    for key in ("top_up", "at", "then"):
        node.member(key)
    count = fields.get("max_count")
    auto = AutoTopUp(
        band=fields["top_up"].text(),
        at=fields["at"].decimal(places=QUANTITY_PLACES),
        max_count=None if count is None or count.is_null else count.count(),
        max_amount=optional_money(fields, "max_amount"),
        then=fields["then"].choice(LAST_RESORTS),
    )
    if auto.max_count is None and auto.max_amount is None:
        raise node.error("an automatic top-up needs a max_count or a max_amount")
    return auto


def optional_money(fields: dict[str, Node], key: str) -> Decimal | None:
    node = fields.get(key)
    return None if node is None or node.is_null else node.decimal(places=MONEY_PLACES)
