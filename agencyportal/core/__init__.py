"""The shared vocabulary. Imports no app."""
