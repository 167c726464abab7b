"""Proves the books from raw events and stored rules. Reads only; one module per subject."""
