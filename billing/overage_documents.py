"""The `overage` object of an allowance (ENGINE 9 and 14): what happens past the last credit.

Read strictly, see `strict_json`, and written back; `plan_documents` says what stands around it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal, get_args

from agencyportal.core.money import plain

from .asking import AskFirst
from .durations import Duration
from .rating import MONEY_PLACES, QUANTITY_PLACES, Pricing, dump_pricing, parse_pricing
from .strict_json import DocumentError, Node

LastResort = Literal["block", "bill", "notify"]
Policy = Literal[LastResort, "top_up", "ask"]


LAST_RESORTS: Final[tuple[LastResort, ...]] = get_args(LastResort)
POLICIES: Final[tuple[Policy, ...]] = get_args(Policy)
ANSWER_WITHIN: Final = "P3D"
"""How long a client has to answer where an `ask` policy does not say."""


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
    ask: AskFirst | None = None

    @property
    def last_resort(self) -> str:
        """The policy once nothing is bought automatically any more."""
        return self.auto_top_up.then if self.auto_top_up else self.policy

    @property
    def is_charged(self) -> bool:
        """Whether overage may cost something; else it is reported only."""
        return self.last_resort in ("bill", "ask")


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
    if overage.ask is not None:
        document |= {"up_to": plain(overage.ask.up_to), "answer_within": overage.ask.within}
    if overage.pricing is not None:
        document["pricing"] = dump_pricing(overage.pricing)
    if overage.cap_amount is not None:
        document["cap_amount"] = plain(overage.cap_amount)
    return document


def read_overage(node: Node) -> OverageDocument:
    policy = node.member("policy").choice(POLICIES)
    own = OWN_MEMBERS.get(policy, ())
    fields = node.fields(required=("policy",), optional=("pricing", "cap_amount", *own))
    pricing = fields.get("pricing")
    overage = OverageDocument(
        policy=policy,
        pricing=None if pricing is None or pricing.is_null else parse_pricing(pricing),
        cap_amount=optional_money(fields, "cap_amount"),
        auto_top_up=_read_auto_top_up(node, fields) if policy == "top_up" else None,
        ask=_read_ask(node, fields) if policy == "ask" else None,
    )
    if overage.is_charged and overage.pricing is None:
        raise DocumentError(f"{node.path}.pricing", "missing: what is billed needs a price")
    return overage


OWN_MEMBERS: Final[dict[str, tuple[str, ...]]] = {
    "top_up": ("top_up", "at", "max_count", "max_amount", "then"),
    "ask": ("up_to", "answer_within"),
}
"""What the overage object of some policies holds besides."""


def _read_ask(node: Node, fields: dict[str, Node]) -> AskFirst:
    up_to = node.member("up_to").decimal(places=QUANTITY_PLACES)
    within = fields.get("answer_within")
    if within is None or within.is_null:
        return AskFirst(up_to, ANSWER_WITHIN)
    try:
        Duration.parse(within.text())
    except ValueError as exc:
        raise within.error(f"must be a duration: {exc}") from exc
    return AskFirst(up_to, within.text())


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
