"""What agencies earn: earnings, payouts and their statements."""

from .adjustments import AdjustmentRequest
from .earnings import Earning
from .lifecycle import CarriedOver, PayoutTransition
from .payouts import Payout, PayoutItem, StatementDocument
from .terms import PayoutTerms, PayoutTermsChange, PlatformFeeRule

__all__ = [
    "AdjustmentRequest",
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
