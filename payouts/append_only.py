"""What payouts never changes once it is written; core.append_only enforces it."""

from agencyportal.core.append_only import protect

protect(
    "payouts.AdjustmentRequest",
    mutable=("state", "decided_by", "decided_at", "note", "earning"),
)
protect("payouts.BankAccount", mutable=("stopped_at", "stopped_by"))
protect("payouts.BankFile")
protect("payouts.CarriedOver")
protect("payouts.DisputeReserve", mutable=("released",))
protect("payouts.Earning")
protect("payouts.Payout", mutable=("state",))
protect("payouts.PayoutItem")
protect("payouts.PayoutTermsChange")
protect("payouts.PayoutTransition")
protect("payouts.PlatformFeeRule")
protect(
    "payouts.StatementDocument",
    mutable=("state", "attempts", "claimed_at", "error"),
    when="OLD.state = 'rendered'",
)
protect(
    "payouts.Transfer",
    mutable=(
        "state",
        "provider_id",
        "reference",
        "failure",
        "settled_at",
        "returned",
        "claimed_at",
        "return_asked_at",
        "return_asked_by",
        "return_reason",
    ),
)
