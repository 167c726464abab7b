from agencyportal.core.append_only import protect

NUMBERED = "SELECT 1 FROM samples_bill b WHERE b.number IS NOT NULL AND b.id ="

protect("samples.Receipt")
protect("samples.Bill", mutable=("state",), when="OLD.number IS NOT NULL")
protect(
    "samples.BillLine",
    when=f"EXISTS ({NUMBERED} OLD.bill_id)",
    sealed=f"EXISTS ({NUMBERED} NEW.bill_id)",
)
