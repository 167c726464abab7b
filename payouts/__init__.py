"""What the agency earns: earnings, payouts, statements."""
