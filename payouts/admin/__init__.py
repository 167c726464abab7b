"""The admin of what agencies earn."""

from . import adjustments, earnings, payouts, terms, transfers

__all__ = ["adjustments", "earnings", "payouts", "terms", "transfers"]
