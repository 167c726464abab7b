"""The admin of what agencies earn."""

from . import earnings, payouts, terms

__all__ = ["earnings", "payouts", "terms"]
