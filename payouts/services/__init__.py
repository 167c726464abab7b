"""The only writers of earnings and payouts."""
