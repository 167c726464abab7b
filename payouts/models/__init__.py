"""What agencies earn: earnings, payouts and their statements."""

from .adjustments import AdjustmentRequest
from .earnings import Earning
from .lifecycle import CarriedOver, PayoutTransition
from .payouts import Payout, PayoutItem, StatementDocument
from .reserves import DisputeReserve
from .stripe_accounts import StripeAccount
from .terms import PayBy, PayoutTerms, PayoutTermsChange, PlatformFeeRule
from .transfers import BankAccount, BankFile, Transfer

__all__ = [
    "AdjustmentRequest",
    "BankAccount",
    "BankFile",
    "CarriedOver",
    "DisputeReserve",
    "Earning",
    "PayBy",
    "Payout",
    "PayoutItem",
    "PayoutTerms",
    "PayoutTermsChange",
    "PayoutTransition",
    "PlatformFeeRule",
    "StatementDocument",
    "StripeAccount",
    "Transfer",
]
