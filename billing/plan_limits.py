"""What no invoice could say: refuses plans whose amounts would exceed what is stored (ENGINE 13).

Amounts are stored with four places in 64 bits: up to 922,337,203,685,477.58. An amount beyond that
would only show when a period closes, and it would not close, tick after tick. So a plan's amounts
are looked at when it comes in. Pure.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from .rating import CostPlus, overage_price
from .strict_json import DocumentError

if TYPE_CHECKING:
    from .plan_documents import AllowanceDocument, PlanDocument

LARGEST_AMOUNT: Final = Decimal(10) ** 12
"""The most that anything in a plan costs, and that its fees of one period come to: hundreds of
them can be added up on one invoice."""

MANY: Final = Decimal(10) ** 6
"""Units whose overage has to have a price that can be invoiced."""

LARGEST_PERCENT: Final = Decimal(100_000)
"""Of margin on cost: a thousandfold."""


def refuse_unbillable(plan: PlanDocument, path: str) -> None:
    """Raise DocumentError, naming the place, for an amount that could not be invoiced.

    ``path``: where the plan stands in its document.
    """
    stated = [
        *((f"fees[{i}].amount", fee.amount) for i, fee in enumerate(plan.fees)),
        *((f"top_ups[{i}].price", band.price) for i, band in enumerate(plan.top_ups)),
        ("fees", sum((fee.amount for fee in plan.fees), Decimal(0))),
        ("minimum_commitment", plan.minimum_commitment or Decimal(0)),
    ]
    for where, amount in stated:
        if amount > LARGEST_AMOUNT:
            raise DocumentError(
                f"{path}.{where}",
                f"{amount:,f} is more than can be invoiced; at most {LARGEST_AMOUNT:,f}",
            )
    for index, allowance in enumerate(plan.allowances):
        _refuse_unbillable_overage(allowance, plan.currency, f"{path}.allowances[{index}]")


def _refuse_unbillable_overage(allowance: AllowanceDocument, currency: str, path: str) -> None:
    pricing, cap = allowance.overage.pricing, allowance.overage.cap_amount
    if pricing is None or (cap is not None and cap <= LARGEST_AMOUNT):
        return
    where = f"{path}.overage.pricing"
    if isinstance(pricing, CostPlus):
        if (pricing.margin_percent or 0) > LARGEST_PERCENT:
            raise DocumentError(
                f"{where}.margin_percent", f"at most {LARGEST_PERCENT:,f} percent can be added"
            )
        price = MANY * (pricing.surcharge_per_unit or 0)
    else:
        price = overage_price(pricing, MANY, currency=currency)
    if price > LARGEST_AMOUNT:
        raise DocumentError(
            where,
            f"{MANY:,f} units would cost {price:,f}, more than can be invoiced; lower the price or "
            "set a cap_amount",
        )
