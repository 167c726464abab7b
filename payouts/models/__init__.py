"""What agencies earn: earnings, payouts and their statements."""

from .earnings import Earning
from .payouts import Payout, PayoutItem, StatementDocument
from .terms import PayoutTerms, PlatformFeeRule

__all__ = [
    "Earning",
    "Payout",
    "PayoutItem",
    "PayoutTerms",
    "PlatformFeeRule",
    "StatementDocument",
]
