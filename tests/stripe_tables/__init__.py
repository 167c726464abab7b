"""Stands in for dj-stripe's migrations in tests, where they take minutes: see tests/settings.py."""
