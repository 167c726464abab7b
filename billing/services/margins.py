"""Adds margin rules. A rule is never edited: the next one of its scope takes its place."""

from __future__ import annotations

import datetime as dt

from billing.models import MarginRule
from billing.refusals import RefusedError


def add_margin_rule(*, rule: MarginRule, now: dt.datetime) -> MarginRule:
    """Write down a new rule. Raises what `check_margin_rule` raises."""
    check_margin_rule(rule, now=now)
    rule.save(force_insert=True)
    return rule


def check_margin_rule(rule: MarginRule, *, now: dt.datetime) -> None:
    """Give a new rule its scope in one word, so that there is one for each date, and check it.

    Raises RefusedError for a date that has passed, because prices inside a period that runs would
    change, and for a scope that contradicts itself; ValidationError for a rule that is there.
    """
    if rule.effective_from < now:
        raise RefusedError(
            "A margin rule holds from a time to come: what has begun keeps its price.",
            field="effective_from",
        )
    workspace = rule.workspace
    if workspace is not None and rule.client_id not in (None, workspace.client_id):
        raise RefusedError(f"{workspace} belongs to {workspace.client}.", field="workspace")
    rule.scope_key = scope_key_of(rule)
    rule.full_clean()


def scope_key_of(rule: MarginRule) -> str:
    """What a rule is about, most specific first."""
    parts = (
        ("workspace", rule.workspace_id),
        ("client", rule.client_id if rule.workspace_id is None else None),
        ("unit", rule.unit_id),
        ("model", rule.model),
    )
    return "|".join(f"{name}={value}" for name, value in parts if value) or "agency"
