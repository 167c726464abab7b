"""What billing never changes once it is written; core.append_only enforces it."""

from agencyportal.core.append_only import protect

# What was granted, bought, used and charged: whole rows, from the moment they are written.
protect("billing.TopUpPurchase")
protect("billing.CreditGrant")
protect("billing.GrantRevocation")
protect("billing.PeriodUsage")
protect("billing.GrantUse")
protect("billing.Charge")
protect("billing.Payment", mutable=("returned",))

# What happened to invoices and to money that was received.
protect("billing.PaymentReversal")
protect("billing.InvoiceMovement")
protect("billing.WriteOff")
protect("billing.BalanceEntry")
protect("billing.Refund", mutable=("state", "provider_id", "reference", "settled_at", "failure"))
protect("billing.Dispute", mutable=("state", "closed_at"))
protect("billing.CreditNote")
protect("billing.CreditNoteLine")
protect("billing.CreditNoteTax")

# What was changed about subscriptions, and what that did to periods and charges made before.
protect("billing.SubscriptionChange")
protect("billing.PeriodMove")
protect(
    "billing.ChargeVoid",
    sealed=(
        "EXISTS (SELECT 1 FROM billing_invoiceline WHERE charge_id = NEW.charge_id)"
        " OR EXISTS (SELECT 1 FROM billing_creditnoteline WHERE charge_id = NEW.charge_id)"
    ),
)

# What became of late usage. Its charge is written when the open period closes.
protect("billing.LateSettlement", mutable=("charge",))
protect("billing.LateGrantUse")
protect("billing.LateEntry")

# A draft is only a plan. Issued, it says so for ever; what happens to it are a few columns.
protect(
    "billing.Invoice",
    mutable=("state", "amount_paid", "amount_credited"),
    when="OLD.number IS NOT NULL",
)
for _part, _moving in (
    ("billing.InvoiceLine", ("credited",)),
    ("billing.InvoiceTax", ("credited_base", "credited_tax")),
):
    protect(
        _part,
        mutable=_moving,
        when="(SELECT number FROM billing_invoice WHERE id = OLD.invoice_id) IS NOT NULL",
        sealed="(SELECT number FROM billing_invoice WHERE id = NEW.invoice_id) IS NOT NULL",
    )

# What was sent: the files by their hashes, once they are made.
protect("billing.InvoiceDocument", when="OLD.state = 'rendered'")
protect("billing.CreditNoteDocument", when="OLD.state = 'rendered'")

# A series that is renamed, or deleted and begun again, is a series with gaps.
protect("billing.DocumentSeries", mutable=("next_number",))

# What was agreed; it can be ended.
protect("billing.SubscriptionDiscount", mutable=("expires_at", "ended_by"))

# What was sold. Who wrote it down may leave the platform.
protect("billing.PlanVersion", mutable=("created_by",), when="OLD.published_at IS NOT NULL")
for _part in (
    "billing.PlanFee",
    "billing.PlanAllowance",
    "billing.TopUpBand",
    "billing.PlanDiscount",
):
    protect(
        _part,
        when="(SELECT published_at FROM billing_planversion WHERE id = OLD.version_id) IS NOT NULL",
        sealed=(
            "(SELECT published_at FROM billing_planversion WHERE id = NEW.version_id) IS NOT NULL"
        ),
    )

protect("billing.Alert", mutable=("mail",))
protect("billing.AlertCrossing")

# What holds changes by the next row, from its date.
protect("billing.Cap")
protect("billing.TaxRate")
protect("billing.TaxExemption")

# What a client was asked, and what it said.
protect("billing.OverageQuestion")
protect("billing.OverageAnswer")

# What a client consented to, how it is asked for what is due, and what was done about it.
protect("billing.ChargeConsent")
protect("billing.DunningSchedule")
protect("billing.DunningEntry")

# What a client agreed to have bought automatically, what was decided about it, and what it set off.
protect("billing.TopUpConsent")
protect("billing.AutomaticTopUpEvent")
protect(
    "billing.AutomaticPurchase",
    mutable=("state", "is_counted", "purchase", "failure", "failure_code", "ended_at"),
)
