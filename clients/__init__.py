"""Who they are, what they used, and what that cost."""
