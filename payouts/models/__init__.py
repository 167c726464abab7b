"""What agencies earn: earnings, payouts and their statements."""

from .earnings import Earning
from .lifecycle import CarriedOver, PayoutTransition
from .payouts import Payout, PayoutItem, StatementDocument
from .terms import PayoutTerms, PayoutTermsChange, PlatformFeeRule

__all__ = [
    "CarriedOver",
    "Earning",
    "Payout",
    "PayoutItem",
    "PayoutTerms",
    "PayoutTermsChange",
    "PayoutTransition",
    "PlatformFeeRule",
    "StatementDocument",
]
