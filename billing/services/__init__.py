"""The only writers of billing's rows."""
