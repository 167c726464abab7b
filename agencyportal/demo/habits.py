"""How each workspace of the demo is used, and how each client behaves."""

from __future__ import annotations

from dataclasses import dataclass

from agencyportal.demo.workload import (
    SHOP_HOURS,
    SHOP_WEEK,
    Call,
    Rhythm,
    Workflow,
)

ROUTING = Call("openai", "gpt-4o-mini", 900, 40, label="intent-routing", cached=0.6, chance=0.5)

SUPPORT = (
    Workflow(
        "order-status",
        0.42,
        (ROUTING, Call("openai", "gpt-4.1-mini", 15600, 1200, cached=0.4, tool_calls=2)),
    ),
    Workflow(
        "returns-and-refunds",
        0.27,
        (ROUTING, Call("openai", "gpt-4.1", 19200, 1800, cached=0.3, tool_calls=3)),
    ),
    Workflow("product-questions", 0.23, (Call("openai", "gpt-4.1-mini", 12800, 1400, cached=0.3),)),
    Workflow(
        "complaints",
        0.08,
        (
            Call("openai", "gpt-4.1-mini", 9300, 180, label="tone-check"),
            Call("anthropic", "claude-sonnet-4-5", 23400, 2600, tool_calls=2),
        ),
    ),
)

RHYTHMS: dict[str, Rhythm] = {
    # Tops up in the second and third month, and stands short of the end of its allowance now.
    "acme-support": Rhythm(
        unit="conversation",
        subject="chat",
        months=(936, 1184, 1392, 1420),
        by_now=912,
        workflows=SUPPORT,
        outage=(1, 16),
    ),
    # Comfortably inside its allowance, a part of which rolls over.
    "acme-docs": Rhythm(
        unit="page",
        subject="doc",
        months=(1460, 1610, 1735, 1790),
        units_per_run=6,
        workflows=(
            Workflow(
                "supplier-invoices",
                0.6,
                (Call("google", "gemini-2.5-flash", 1900, 310),),
                tokens_per_unit=True,
            ),
            Workflow(
                "delivery-notes",
                0.25,
                (Call("google", "gemini-2.5-flash", 1500, 240),),
                tokens_per_unit=True,
            ),
            Workflow(
                "contracts",
                0.15,
                (Call("anthropic", "claude-sonnet-4-5", 2300, 420),),
                tokens_per_unit=True,
            ),
        ),
    ),
    # In overage in the last closed month.
    "birch-leads": Rhythm(
        unit="qualified-lead",
        subject="lead",
        months=(121, 143, 188, 174),
        week=SHOP_WEEK,
        hours=SHOP_HOURS,
        workflows=(
            Workflow(
                "web-form",
                0.6,
                (
                    Call("openai", "gpt-4o-mini", 2400, 200, label="enrichment", tool_calls=3),
                    Call("openai", "gpt-4.1", 21000, 1900),
                ),
            ),
            Workflow(
                "call-transcript",
                0.4,
                (
                    Call("openai", "gpt-4o-mini", 2400, 200, label="enrichment", tool_calls=3),
                    Call("openai", "gpt-4.1", 46000, 2400),
                ),
            ),
        ),
    ),
    "elm-north": Rhythm(
        unit="action-bundle",
        subject="task",
        months=(334, 381, 402, 425),
        workflows=(
            Workflow(
                "policy-search",
                0.5,
                (Call("openai", "gpt-4.1-mini", 6800, 380, cached=0.5, tool_calls=2),),
            ),
            Workflow("meeting-minutes", 0.3, (Call("openai", "gpt-4.1", 11200, 1100),)),
            Workflow("proposal-draft", 0.2, (Call("anthropic", "claude-sonnet-4-5", 9200, 2300),)),
        ),
    ),
    # Went live in the course of the second month; its first package is prorated.
    "elm-south": Rhythm(
        unit="action-bundle",
        subject="task",
        months=(0, 240, 298, 340),
        starts=(1, 10),
        workflows=(
            Workflow(
                "policy-search",
                0.7,
                (Call("openai", "gpt-4.1-mini", 6800, 380, cached=0.5, tool_calls=2),),
            ),
            Workflow("meeting-minutes", 0.3, (Call("openai", "gpt-4.1", 11200, 1100),)),
        ),
    ),
    "fern-support": Rhythm(
        unit="conversation",
        subject="chat",
        months=(412, 438, 455, 470),
        week=SHOP_WEEK,
        hours=SHOP_HOURS,
        workflows=SUPPORT[:3],
    ),
    # Reviewing contracts costs more than a page brings.
    "juniper-contracts": Rhythm(
        unit="page",
        subject="matter",
        months=(1190, 1275, 1340, 1400),
        units_per_run=9,
        workflows=(
            Workflow(
                "contract-review",
                0.72,
                (Call("anthropic", "claude-opus-4-1", 8600, 1550),),
                tokens_per_unit=True,
            ),
            Workflow(
                "filing",
                0.28,
                (Call("anthropic", "claude-haiku-4-5", 1600, 150),),
                tokens_per_unit=True,
            ),
        ),
    ),
    # Exceeds its allowance month after month.
    "maple-frontdesk": Rhythm(
        unit="conversation",
        subject="chat",
        months=(566, 622, 671, 690),
        workflows=(
            Workflow(
                "appointments",
                0.65,
                (ROUTING, Call("openai", "gpt-4.1-mini", 12300, 1000, tool_calls=2)),
            ),
            Workflow("insurance-questions", 0.35, (Call("openai", "gpt-4.1", 16800, 1350),)),
        ),
    ),
    "cedar-support": Rhythm(
        unit="conversation",
        subject="gespraech",
        months=(1130, 1225, 1310, 1350),
        week=SHOP_WEEK,
        hours=SHOP_HOURS,
        workflows=(
            Workflow(
                "lieferung",
                0.55,
                (ROUTING, Call("openai", "gpt-4.1-mini", 14400, 1170, cached=0.4, tool_calls=2)),
            ),
            Workflow("montage", 0.3, (Call("openai", "gpt-4.1-mini", 18600, 1700, cached=0.3),)),
            Workflow("reklamation", 0.15, (Call("openai", "gpt-4.1", 20100, 1900, tool_calls=2),)),
        ),
    ),
    "linden-receipts": Rhythm(
        unit="page",
        subject="beleg",
        months=(880, 910, 965, 980),
        units_per_run=3,
        workflows=(
            Workflow(
                "frachtbriefe",
                0.7,
                (Call("mistral", "mistral-small-latest", 1800, 260),),
                tokens_per_unit=True,
            ),
            Workflow(
                "rechnungen",
                0.3,
                (Call("openai", "gpt-4.1-mini", 2100, 300),),
                tokens_per_unit=True,
            ),
        ),
    ),
}
"""By workspace slug."""


@dataclass(frozen=True, slots=True)
class Payer:
    """When a client pays, and what it leaves open."""

    after_days: int
    at_hour: int = 15
    """Of the day, in UTC."""
    pays_half_of_last: bool = False
    """Of the last invoice that it would have paid by now, half is still open."""
    is_late: bool = False
    """It has not paid what fell due last, nor what came after."""


PAYERS: dict[str, Payer] = {
    "acme": Payer(9),
    "birch": Payer(12, pays_half_of_last=True),
    "elm": Payer(17),
    "fern": Payer(5, at_hour=18),
    "juniper": Payer(14),
    "maple": Payer(21, is_late=True),
    "cedar": Payer(6, at_hour=9),
    "linden": Payer(11, at_hour=10),
}
"""By client slug."""

TOPS_UP = {"acme-support": ("Growth 500", "admin@acme.example", (1, 2))}
"""Band, buyer, and the months of the story in which the allowance does not suffice."""
