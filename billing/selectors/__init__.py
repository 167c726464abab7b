"""Reads of billing: what there is to burn, and what is left of it."""

from .balances import Balance, balances
from .grants import as_grant, cost_by_model, opening_grants
from .usage import UnitBalance, unit_balances

__all__ = [
    "Balance",
    "UnitBalance",
    "as_grant",
    "balances",
    "cost_by_model",
    "opening_grants",
    "unit_balances",
]
