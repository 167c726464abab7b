"""What agencies earn: earnings, payouts and their statements."""

from .adjustments import AdjustmentRequest
from .earnings import Earning
from .lifecycle import CarriedOver, PayoutTransition
from .payouts import Payout, PayoutItem, StatementDocument
from .terms import PayoutTerms, PayoutTermsChange, PlatformFeeRule
from .transfers import BankAccount, BankFile, Transfer

__all__ = [
    "AdjustmentRequest",
    "BankAccount",
    "BankFile",
    "CarriedOver",
    "Earning",
    "Payout",
    "PayoutItem",
    "PayoutTerms",
    "PayoutTermsChange",
    "PayoutTransition",
    "PlatformFeeRule",
    "StatementDocument",
    "Transfer",
]
