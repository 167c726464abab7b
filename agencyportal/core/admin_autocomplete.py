"""The select box that completes what is typed, for rows that there are."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.widgets import AutocompleteSelect

LONGEST_ID = 18
"""Digits that fit into any database's ids."""


class RowAutocomplete(AutocompleteSelect):
    """Django's own looks what was chosen up when the form is shown again, whatever that is: a value
    that is no id brings the page down, where the field has refused it in words already."""

    def optgroups(self, name: str, value: Any, attrs: Any = None) -> Any:
        ids = [one for one in map(str, value) if one.isascii() and one.isdigit()]
        chosen = [one for one in ids if len(one) <= LONGEST_ID]
        return super().optgroups(name, chosen, attrs)
