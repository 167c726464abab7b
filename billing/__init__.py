"""What they pay: plans, grants, waterfall, rating, periods, invoices, payments."""
